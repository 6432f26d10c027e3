//! Borrowing a traced thread's descriptor for the length of one call: what file it is, where it
//! stands, how it was opened. Nothing is kept, because a kept duplicate would hold locks and blocks.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, pid_t};

use super::tracer::Thread;
use crate::base::forks;
use crate::trace::WriteSync;

/// A pidfd of one thread and not of its process (Linux 6.9).
const PIDFD_THREAD: u32 = libc::O_EXCL as u32;

/// A traced program's descriptor, for as long as one call lasts.
#[derive(Debug)]
pub struct Borrowed {
    fd: OwnedFd,
    _held: forks::Borrowing,
}

impl std::ops::Deref for Borrowed {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.fd
    }
}

impl AsRawFd for Borrowed {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

/// A descriptor of our own in the place of a borrowed one.
impl From<OwnedFd> for Borrowed {
    fn from(fd: OwnedFd) -> Self {
        Self { fd, _held: forks::borrowing() }
    }
}

/// A duplicate of descriptor `fd` of the thread. Nothing where it has none such.
pub fn borrow(tid: pid_t, thread: &mut Thread, fd: c_int) -> io::Result<Borrowed> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    if thread.pidfd.is_none() {
        thread.pidfd = pidfd(tid, PIDFD_THREAD).or_else(|_| pidfd(thread.tgid, 0)).ok();
    }
    let Some(pidfd) = &thread.pidfd else {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    };
    let held = forks::borrowing();
    // SAFETY: pidfd_getfd takes three plain numbers.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) };
    Ok(Borrowed { fd: owned(copy)?, _held: held })
}

fn pidfd(pid: pid_t, flags: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two plain numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// A new pidfd of a process, which becomes readable when it ends.
pub fn of_process(pid: pid_t) -> io::Result<OwnedFd> {
    pidfd(pid, 0)
}

/// Where a read or write without an offset of its own would go.
pub fn position(fd: &OwnedFd) -> u64 {
    // SAFETY: lseek by nothing moves nothing.
    let position = unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) };
    position.max(0) as u64
}

/// O_*.
pub fn flags(fd: &OwnedFd) -> c_int {
    // SAFETY: F_GETFL takes no argument.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }.max(0)
}

/// The durability that every write through a descriptor with these flags carries.
pub fn sync_of(flags: c_int) -> WriteSync {
    if flags & libc::O_SYNC == libc::O_SYNC {
        WriteSync::Full
    } else if flags & libc::O_DSYNC != 0 {
        WriteSync::Data
    } else {
        WriteSync::None
    }
}

/// The same file, open for reading: the traced program's descriptor may be for writing alone.
pub fn reopen(fd: &impl AsRawFd) -> io::Result<std::fs::File> {
    std::fs::File::open(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// The path that the system knows for an open file.
pub fn path_of(fd: &impl AsRawFd) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .map(|path| path.into_os_string().into_vec())
        .unwrap_or_default()
}

/// How many bytes wait in a pipe.
pub fn waiting(fd: &impl AsRawFd) -> usize {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes one int to a valid place.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut count) };
    if result < 0 { 0 } else { count.max(0) as usize }
}
