//! The nursery's own life, and the first moments of what is born in it: system calls only.

use std::os::fd::RawFd;

use libc::{c_void, cpu_set_t, pid_t};

use super::{BIRTH_BYTES, Control, Entry, FDS, Header, retry};

/// Where the nursery keeps its end of the line.
const LINE: RawFd = 3;

/// The nursery's life: until the other end of the line is gone.
///
/// # Safety
///
/// Only in a freshly forked child.
pub(super) unsafe fn serve(line: RawFd) -> ! {
    // SAFETY: system calls on locals, and on a buffer of its own that is as long as is said.
    unsafe {
        // Not of the terminal's group: Ctrl-C is for the parent, which ends this by hanging up.
        libc::setsid();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_NAME, c"nursery".as_ptr(), 0, 0, 0);
        libc::dup3(line, LINE, libc::O_CLOEXEC);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for standard in 0..3 {
            libc::dup2(null, standard);
        }
        libc::syscall(libc::SYS_close_range, LINE + 1, libc::c_uint::MAX, 0);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let buffer =
            libc::mmap(std::ptr::null_mut(), BIRTH_BYTES, protection, flags, -1, 0).cast::<u8>();
        if buffer.cast() == libc::MAP_FAILED {
            libc::_exit(1);
        }
        say(0);
        loop {
            let mut fds = [-1; FDS];
            let Some((length, count)) = hear(buffer, &mut fds) else { libc::_exit(0) };
            if length < size_of::<Header>() {
                say(-libc::EMSGSIZE);
                continue;
            }
            let flags = libc::CLONE_PARENT | libc::SIGCHLD;
            let pid = libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0, 0, 0, 0) as pid_t;
            if pid == 0 {
                let header = &*buffer.cast::<Header>();
                libc::sched_setaffinity(0, size_of::<cpu_set_t>(), &raw const header.cpus);
                let entry = std::mem::transmute::<usize, Entry>(header.entry);
                let start = size_of::<Header>();
                let bytes = std::slice::from_raw_parts_mut(buffer.add(start), length - start);
                born(entry, bytes, &fds[..count]);
            }
            let answer = if pid > 0 { pid } else { -*libc::__errno_location() };
            for fd in &fds[..count] {
                libc::close(*fd);
            }
            say(answer);
        }
    }
}

/// One birth: how many bytes it has, and how many descriptors; no bytes where it was too long.
///
/// # Safety
///
/// Only in the nursery; `buffer` has room for [`BIRTH_BYTES`].
unsafe fn hear(buffer: *mut u8, fds: &mut [RawFd; FDS]) -> Option<(usize, usize)> {
    let mut part = libc::iovec { iov_base: buffer.cast(), iov_len: BIRTH_BYTES };
    let mut control = Control([0; 128]);
    // SAFETY: every pointer is to a local or to the buffer; the kernel writes no more than it is told.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        control.attach(&mut message);
        let got = retry(|| libc::recvmsg(LINE, &raw mut message, libc::MSG_CMSG_CLOEXEC));
        if got <= 0 {
            return None;
        }
        let mut count = 0;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        if !head.is_null() && (*head).cmsg_type == libc::SCM_RIGHTS {
            let bytes = (*head).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            count = (bytes / size_of::<RawFd>()).min(FDS);
            let from = libc::CMSG_DATA(head);
            let into = fds.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping(from, into, count * size_of::<RawFd>());
        }
        let whole = message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
        Some((if whole { got as usize } else { 0 }, count))
    }
}

/// Answers.
///
/// # Safety
///
/// Only in the nursery.
unsafe fn say(answer: i32) {
    let from = (&raw const answer).cast::<c_void>();
    // SAFETY: an int is read from a valid place.
    retry(|| unsafe { libc::send(LINE, from, size_of::<i32>(), libc::MSG_NOSIGNAL) });
}

/// The child's beginning: as a fresh process, whatever its parent had set up.
///
/// # Safety
///
/// Only in a freshly forked child.
pub(super) unsafe fn born(entry: Entry, bytes: &mut [u8], fds: &[RawFd]) -> ! {
    // SAFETY: system calls on locals.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..65 {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        entry(bytes, fds)
    }
}
