//! What a file is, by identity: device, inode and birth time, so that an inode number that is used
//! again is another file. Never by descriptor number or path.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// A file's identity over its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its device: major and minor.
    pub dev: (u32, u32),
    /// Its inode number.
    pub ino: u64,
    /// Its birth: seconds and nanoseconds; zero where the file system does not say.
    pub born: (i64, u32),
}

/// What kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// An anonymous inode or something newer.
    Other,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Its identity.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Its size in bytes.
    pub size: u64,
}

impl Status {
    /// True if it may be part of an image: a regular file or a directory.
    pub fn is_file_or_dir(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Dir)
    }
}

/// The file behind an open descriptor of this process.
pub fn of(fd: &impl AsRawFd) -> io::Result<Status> {
    statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

/// The file that `name` below `dir` leads to; the last symbolic link is followed if asked.
pub fn at(dir: &impl AsRawFd, name: &CStr, follow: bool) -> io::Result<Status> {
    let flag = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    statx(dir.as_raw_fd(), name, flag | libc::AT_NO_AUTOMOUNT)
}

fn statx(dir: RawFd, name: &CStr, flags: i32) -> io::Result<Status> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    let mut raw = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the name ends in NUL and the structure is as large as the kernel expects.
    let result = unsafe { libc::statx(dir, name.as_ptr(), flags, mask, raw.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statx succeeded and the structure was zeroed before.
    let raw = unsafe { raw.assume_init() };
    let kind = match u32::from(raw.stx_mode) & libc::S_IFMT {
        libc::S_IFREG => Kind::File,
        libc::S_IFDIR => Kind::Dir,
        libc::S_IFLNK => Kind::Symlink,
        libc::S_IFIFO => Kind::Fifo,
        libc::S_IFSOCK => Kind::Socket,
        libc::S_IFCHR | libc::S_IFBLK => Kind::Device,
        _ => Kind::Other,
    };
    let born = if raw.stx_mask & libc::STATX_BTIME != 0 {
        (raw.stx_btime.tv_sec, raw.stx_btime.tv_nsec)
    } else {
        (0, 0)
    };
    Ok(Status {
        identity: Identity { dev: (raw.stx_dev_major, raw.stx_dev_minor), ino: raw.stx_ino, born },
        kind,
        mode: u32::from(raw.stx_mode) & 0o7777,
        size: raw.stx_size,
    })
}
