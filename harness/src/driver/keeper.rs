//! The keeper: a tiny process between unplug and each driver. It is the subreaper of the driver's whole
//! tree, so children that fork twice or start a session of their own stay below it; it ends all of
//! them when the driver ends, when it is told to, and when unplug is gone. It ends only when nothing of
//! the tree is left, and it ends the way the driver did.
//!
//! The code below runs between fork and exec of a program with threads: system calls only, no
//! allocation, no locks.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use libc::{c_int, pid_t};

use crate::base::nursery::{self, Birth};
use crate::base::program::{self, Program};

/// A program's standard input, output and error.
#[derive(Debug)]
pub(super) struct Standard {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Waits for a keeper's end and gives its wait status. A driver may have stopped its keeper: what lies below
/// it is then killed from here, and it goes on.
pub(super) fn reap(keeper: pid_t) -> c_int {
    loop {
        let mut status = libc::SIGKILL;
        // SAFETY: our own child, which nobody else waits for; the status goes to a valid place.
        let found = unsafe { libc::waitpid(keeper, &raw mut status, libc::WUNTRACED) };
        if found == keeper && libc::WIFSTOPPED(status) {
            kill_below(keeper);
            go_on(keeper);
        } else if found == keeper || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted
        {
            return status;
        }
    }
}

/// Lets a keeper go on that its driver has stopped.
pub(super) fn revive(keeper: pid_t) {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // Its end is left for `reap`: only a stop is asked for.
    let only = libc::WSTOPPED | libc::WNOHANG;
    let id = keeper as libc::id_t;
    // SAFETY: our own child; the kernel fills the structure.
    let asked = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), only) };
    // SAFETY: zeroed, then filled or left so.
    if asked == 0 && unsafe { info.assume_init().si_pid() } == keeper {
        go_on(keeper);
    }
}

fn go_on(keeper: pid_t) {
    // SAFETY: a plain signal to our own child, which was not waited for yet.
    unsafe { libc::kill(keeper, libc::SIGCONT) };
}

/// The driver below a keeper, as far as the kernel lists it.
pub(super) fn driver_below(keeper: pid_t) -> Option<pid_t> {
    let path = format!("/proc/{keeper}/task/{keeper}/children");
    std::fs::read_to_string(path).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Kills every process below one, as far as the kernel lists them.
fn kill_below(pid: pid_t) {
    let mut todo = vec![pid];
    while let Some(parent) = todo.pop() {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            for child in children.unwrap_or_default().split_ascii_whitespace() {
                let Ok(child @ 2..) = child.parse::<pid_t>() else { continue };
                todo.push(child);
            }
        }
        if parent != pid {
            // SAFETY: a plain signal; below a keeper there are only processes of its driver.
            unsafe { libc::kill(parent, libc::SIGKILL) };
        }
    }
}

/// Starts a program below a keeper, which is our child; the end of `control`'s other end tells it to
/// end the tree. An error where the program could not be executed.
#[expect(clippy::host_endian_bytes, reason = "an error number of this machine's own")]
pub(super) fn start(
    argv: &[OsString],
    env: &[(OsString, OsString)],
    standard: &Standard,
    control: &OwnedFd,
    report: Option<&OwnedFd>,
) -> io::Result<pid_t> {
    let bytes = Program::new(argv, env, None)?.pack(&[]);
    let (failure, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let Standard { stdin, stdout, stderr } = standard;
    let mut fds =
        vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), control.as_fd(), tell.as_fd()];
    fds.extend(report.map(AsFd::as_fd));
    let keeper = nursery::start(&Birth { entry: born, bytes: &bytes, fds: &fds })?;
    drop(tell);
    let mut number = [0; size_of::<i32>()];
    // The keeper has closed what it inherited, and the driver runs its program, or says why not.
    match io::Read::read_exact(&mut std::fs::File::from(failure), &mut number) {
        Ok(()) => {
            // SAFETY: our own child, which nobody else waits for.
            unsafe { libc::waitpid(keeper, std::ptr::null_mut(), 0) };
            Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
        }
        Err(_) => Ok(keeper),
    }
}

/// The way of a new process to its program: it becomes the keeper, and its child the driver.
unsafe fn born(bytes: &mut [u8], fds: &[RawFd]) -> ! {
    // SAFETY: `start` packed the bytes and chose the descriptors; system calls only.
    unsafe {
        let program = program::unpack(bytes);
        let (standard, tell) = (&fds[..3], fds[4]);
        let ready = (0..).zip(standard).all(|(target, fd)| libc::dup2(*fd, target) >= 0);
        let report = fds.get(5).copied().unwrap_or(-1);
        if ready && keep(fds[3], report).is_ok() {
            libc::execvpe(program.path, program.argv, program.envp);
        }
        let number = *libc::__errno_location();
        libc::write(tell, (&raw const number).cast(), size_of::<i32>());
        libc::_exit(127)
    }
}

/// What a process that outlives SIGKILL (uninterruptible, or of another user) is waited for.
const WAIT_MS: u32 = 10_000;

/// Forks. In the new process, which becomes the driver, it returns and the caller goes on to exec;
/// this process becomes the keeper and never returns. `control` is a descriptor whose other end unplug
/// holds: its end tells the keeper to end the tree. `report`, or -1: the driver is only there to be forked. Each
/// number that comes through `control` is one of its forks, and when that has ended, and everything else
/// below the keeper but the driver itself, its wait status goes to `report`.
///
/// # Safety
///
/// Only in a child between fork and exec.
pub(super) unsafe fn keep(control: RawFd, report: RawFd) -> io::Result<()> {
    // SAFETY: plain system calls without pointers to anything but locals.
    unsafe {
        libc::setsid();
        if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let keeper = libc::getpid();
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // A session and group of its own; and dead, should the keeper die.
                libc::setsid();
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
                if libc::getppid() != keeper {
                    libc::_exit(127);
                }
                Ok(())
            }
            driver => watch(driver, control, report),
        }
    }
}

unsafe fn watch(driver: libc::pid_t, control: RawFd, report: RawFd) -> ! {
    // SAFETY: system calls; every pointer is to a local or a static that outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"keeper".as_ptr(), 0, 0, 0);
        // Its driver may stop it. The end of unplug lets it go on, to see the end of `control`.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCONT, 0, 0, 0);
        // Neither of the two may be in the other's place.
        let report = if report >= 0 { libc::fcntl(report, libc::F_DUPFD, 3) } else { -1 };
        libc::dup2(control, 0);
        if report >= 0 {
            libc::dup2(report, 1);
        }
        // Every other descriptor too, or the driver's pipes would never end.
        let first = if report >= 0 { 2 } else { 1 };
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0);
        let death = libc::syscall(libc::SYS_pidfd_open, driver, 0) as RawFd;
        let wanted = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [wanted(0), wanted(death), wanted(-1)];
        let mut fork: pid_t = 0;
        loop {
            if libc::poll(fds.as_mut_ptr(), 3, -1) < 0 {
                continue;
            }
            if fds[1].revents != 0 {
                break;
            }
            if fds[2].revents != 0 {
                let status = end_others(driver, fork);
                libc::close(fds[2].fd);
                fds[2] = wanted(-1);
                libc::write(1, (&raw const status).cast(), size_of::<c_int>());
                continue;
            }
            if fds[0].revents != 0 {
                let size = size_of::<pid_t>();
                if report < 0 || libc::read(0, (&raw mut fork).cast(), size) != size as isize {
                    break;
                }
                fds[2] = wanted(libc::syscall(libc::SYS_pidfd_open, fork, 0) as RawFd);
            }
        }
        let status = end_tree(driver);
        if libc::WIFSIGNALED(status) {
            // Die of the same signal, without a second core dump.
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
            libc::signal(libc::WTERMSIG(status), libc::SIG_DFL);
            libc::kill(libc::getpid(), libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status));
    }
}

/// Kills until nothing is left but the driver, which is not touched; the wait status of `fork`.
unsafe fn end_others(driver: pid_t, fork: pid_t) -> c_int {
    let mut fork_status = libc::SIGKILL;
    let mut waited_ms = 0;
    loop {
        // SAFETY: system calls on locals.
        unsafe {
            let left = kill_children(driver);
            loop {
                let mut status = 0;
                match libc::waitpid(-1, &raw mut status, libc::WNOHANG) {
                    0 | -1 => break,
                    pid if pid == fork => fork_status = status,
                    // What is left is nobody's: the keeper goes too, in its next round.
                    pid if pid == driver => return fork_status,
                    _ => {}
                }
            }
            if left == Some(0) || waited_ms >= WAIT_MS * 10 {
                return fork_status;
            }
            waited_ms += 1;
            let nap = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
            libc::nanosleep(&raw const nap, std::ptr::null_mut());
        }
    }
}

/// Kills until no descendant is left; what loses its parent on the way becomes the keeper's child.
unsafe fn end_tree(driver: libc::pid_t) -> libc::c_int {
    let mut driver_status = libc::SIGKILL;
    let mut waited_ms = 0;
    loop {
        // SAFETY: system calls on locals.
        unsafe {
            if kill_children(0).is_none() {
                libc::kill(-driver, libc::SIGKILL);
                libc::kill(driver, libc::SIGKILL);
            }
            loop {
                let mut status = 0;
                match libc::waitpid(-1, &raw mut status, libc::WNOHANG) {
                    0 => break,
                    pid if pid == driver => driver_status = status,
                    -1 => return driver_status,
                    _ => {}
                }
            }
            if waited_ms >= WAIT_MS * 10 {
                return driver_status;
            }
            waited_ms += 1;
            let nap = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
            libc::nanosleep(&raw const nap, std::ptr::null_mut());
        }
    }
}

/// Kills every child that the kernel lists but `spared`, and counts them. Nothing where it gives no list.
unsafe fn kill_children(spared: pid_t) -> Option<u32> {
    // SAFETY: `buffer` outlives the calls that write to it and is as long as they are told.
    unsafe {
        let path = c"/proc/thread-self/children";
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let mut killed = 0;
        let mut buffer = [0u8; 4096];
        let mut pid: libc::pid_t = 0;
        loop {
            let count = libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len());
            if count <= 0 {
                break;
            }
            for &byte in buffer.iter().take(count as usize) {
                if byte.is_ascii_digit() {
                    pid = pid.wrapping_mul(10).wrapping_add(libc::pid_t::from(byte - b'0'));
                } else {
                    if pid > 1 && pid != spared {
                        libc::kill(pid, libc::SIGKILL);
                        killed += 1;
                    }
                    pid = 0;
                }
            }
        }
        libc::close(fd);
        Some(killed)
    }
}
