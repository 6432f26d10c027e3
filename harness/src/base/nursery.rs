//! The nursery: a small process that starts processes for this one. To fork a process copies its page
//! tables, and afterwards every page that either writes: for a run that holds many images in memory
//! that costs more than the program that is started. The nursery is forked once, before this process
//! has grown, and does the forking from then on. What it starts is this process's own child, to be
//! waited for here, and has nothing of this process open but what it is handed.
//!
//! The child runs a function of this executable ([`Birth::entry`]) on bytes and descriptors that it is
//! handed, between fork and exec: system calls only. Where there is no nursery (it could not be made,
//! or is gone) this process forks by itself.

mod child;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use libc::{c_int, c_void, cpu_set_t, pid_t};

use child::{born, serve};

use super::forks;

/// The most bytes of a birth; more goes the slow way.
const BIRTH_BYTES: usize = 128 << 10;
/// The most descriptors of a birth.
const FDS: usize = 8;

/// What the child of a birth runs. It gets the bytes, aligned to eight and its own to change, and the
/// descriptors; every one of them closes at exec.
///
/// # Safety
///
/// Runs between fork and exec: system calls only.
pub type Entry = unsafe fn(bytes: &mut [u8], fds: &[RawFd]) -> !;

/// A process to be started.
#[derive(Clone, Copy, Debug)]
pub struct Birth<'a> {
    /// What it runs.
    pub entry: Entry,
    /// For `entry`.
    pub bytes: &'a [u8],
    /// For `entry`: at most eight.
    pub fds: &'a [BorrowedFd<'a>],
}

/// Starts a process, a child of this one, on the processors of the calling thread.
pub fn start(birth: &Birth<'_>) -> io::Result<pid_t> {
    static NURSERY: OnceLock<Option<Mutex<OwnedFd>>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| found().map(Mutex::new));
    let size = size_of::<Header>() + birth.bytes.len();
    match nursery {
        Some(line) if size <= BIRTH_BYTES && birth.fds.len() <= FDS => {
            let line = line.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&line, birth).or_else(|_| fork(birth))
        }
        _ => fork(birth),
    }
}

/// What comes before the bytes of a birth.
#[repr(C, align(8))]
struct Header {
    /// The address of the entry: the nursery is a copy of this process.
    entry: usize,
    cpus: cpu_set_t,
}

impl Header {
    fn of(birth: &Birth<'_>) -> Self {
        // SAFETY: a zeroed set is a valid, empty one; the kernel fills what it is told the size of.
        let mut cpus: cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        unsafe { libc::sched_getaffinity(0, size_of::<cpu_set_t>(), &raw mut cpus) };
        Self { entry: birth.entry as usize, cpus }
    }
}

/// The slow way: a copy of this process as it is now.
fn fork(birth: &Birth<'_>) -> io::Result<pid_t> {
    let fds: Vec<RawFd> = birth.fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut words = vec![0u64; birth.bytes.len().div_ceil(8)];
    // SAFETY: the words are as many bytes or more, and any bytes are valid ones.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), birth.bytes.len())
    };
    bytes.copy_from_slice(birth.bytes);
    let _forking = forks::forking();
    // SAFETY: the child runs the entry alone, which makes system calls only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: this is the child.
        0 => unsafe { born(birth.entry, bytes, &fds) },
        pid => Ok(pid),
    }
}

/// Asks the nursery for a process.
fn ask(line: &OwnedFd, birth: &Birth<'_>) -> io::Result<pid_t> {
    let header = Header::of(birth);
    let fds: Vec<RawFd> = birth.fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut parts = [
        libc::iovec {
            iov_base: (&raw const header).cast_mut().cast(),
            iov_len: size_of::<Header>(),
        },
        libc::iovec {
            iov_base: birth.bytes.as_ptr().cast_mut().cast(),
            iov_len: birth.bytes.len(),
        },
    ];
    let mut control = Control([0; 128]);
    // SAFETY: every pointer is to a local that outlives the calls and is as long as is said; the
    // control buffer has room for the descriptors, whose number was checked.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = parts.as_mut_ptr();
        message.msg_iovlen = parts.len() as _;
        control.attach(&mut message);
        let room = size_of_val(&*fds) as u32;
        message.msg_controllen = libc::CMSG_SPACE(room) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(room) as _;
        std::ptr::copy_nonoverlapping(
            fds.as_ptr().cast::<u8>(),
            libc::CMSG_DATA(head),
            room as usize,
        );
        let sent =
            retry(|| libc::sendmsg(line.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL));
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = 0i32;
        let into = (&raw mut answer).cast::<c_void>();
        match retry(|| libc::recv(line.as_raw_fd(), into, size_of::<i32>(), 0)) {
            4 if answer > 0 => Ok(answer),
            4 => Err(io::Error::from_raw_os_error(-answer)),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Room for the descriptors of a birth.
#[repr(C, align(8))]
struct Control([u8; 128]);

const _: () = assert!(size_of::<Control>() >= 32 + FDS * size_of::<RawFd>());

impl Control {
    fn attach(&mut self, message: &mut libc::msghdr) {
        message.msg_control = self.0.as_mut_ptr().cast();
        message.msg_controllen = self.0.len() as _;
    }
}

fn retry(mut call: impl FnMut() -> isize) -> isize {
    loop {
        let result = call();
        if result >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return result;
        }
    }
}

/// Makes the nursery. The thread that forks it is the parent of all that it starts, in the kernel's
/// books: it never ends and waits for nobody, so that no thread that does finds strangers' children.
fn found() -> Option<OwnedFd> {
    let mut ends = [0 as c_int; 2];
    // SAFETY: two descriptors are written to a valid place.
    let made = unsafe {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr())
    };
    if made != 0 {
        return None;
    }
    // SAFETY: both are new and nobody else's.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    let room = BIRTH_BYTES as c_int;
    // SAFETY: an int of the size that is said. A kernel that refuses says so at the first long message.
    unsafe {
        let size = size_of::<c_int>() as u32;
        let value = (&raw const room).cast();
        libc::setsockopt(ours.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, value, size);
    }
    let forking = forks::forking();
    let (tell, told) = mpsc::channel();
    let parent = move || {
        // SAFETY: the child serves with system calls alone.
        match unsafe { libc::fork() } {
            // SAFETY: this is the child.
            0 => unsafe { serve(theirs.as_raw_fd()) },
            pid => drop(tell.send(pid)),
        }
        drop(theirs);
        loop {
            std::thread::park();
        }
    };
    std::thread::Builder::new().name("nursery".into()).spawn(parent).ok()?;
    told.recv().ok().filter(|pid| *pid > 0)?;
    // It says so when it has let go of what it inherited.
    let mut ready = 0i32;
    let into = (&raw mut ready).cast::<c_void>();
    // SAFETY: an int is read into a valid place.
    let heard = retry(|| unsafe { libc::recv(ours.as_raw_fd(), into, size_of::<i32>(), 0) });
    drop(forking);
    (heard == 4).then_some(ours)
}

#[cfg(test)]
#[expect(clippy::host_endian_bytes, reason = "numbers of this machine's own")]
mod tests;
