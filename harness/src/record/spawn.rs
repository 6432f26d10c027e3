//! Starting the program under test so that it is traced before its first instruction. Between fork
//! and exec only async-signal-safe calls are made: other threads of this process may hold any lock.
//!
//! A program may stop or kill its parent. So its parent is not unplug but a stand-in, a process that does
//! nothing at all and that the end of unplug or of the program ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::PathBuf;

use libc::{pid_t, sock_filter, sock_fprog};

use super::{handle, ptrace};
use crate::base::nursery::{self, Birth};
use crate::base::program::{self, Program};

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<std::ffi::OsString>,
    /// Variables set on top of this process's environment.
    pub env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// The working directory; this process's where there is none.
    pub cwd: Option<PathBuf>,
}

/// The program's standard input, output and error, as it gets them.
#[derive(Debug)]
pub struct Standard {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// A program that was started.
#[derive(Debug)]
pub struct Spawned {
    /// Its process.
    pub pid: pid_t,
    /// Its parent. Dropping it ends it.
    pub stand_in: StandIn,
    /// A pipe that says why it could not be started after all: a raw error number, or nothing.
    pub failure: OwnedFd,
    /// Readable once it is dead. Made before it ran: a short program is gone before anybody asks.
    pub death: OwnedFd,
}

/// The parent of a traced program; a child of ours.
#[derive(Debug)]
pub struct StandIn(pid_t);

impl Drop for StandIn {
    fn drop(&mut self) {
        // SAFETY: our own child, not yet waited for, so its number cannot be another's.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// Starts `command` under trace of the calling thread, pinned to `cpu` if given.
pub fn start(
    command: &Command,
    standard: Standard,
    filter: &[sock_filter],
    cpu: Option<usize>,
) -> io::Result<Spawned> {
    let program = Program::new(&command.argv, &command.env, command.cwd.as_deref())?;
    let (gate, open_gate) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let (failure, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let bytes = program.pack(&extra(filter, cpu));
    let Standard { stdin, stdout, stderr } = &standard;
    let fds = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), gate.as_fd(), tell.as_fd()];
    let stand_in = StandIn(nursery::start(&Birth { entry: born, bytes: &bytes, fds: &fds })?);
    drop((standard, gate, tell));
    // The stand-in is dropped on each early return, and the program dies with it.
    let pid = number_of(&failure)?;
    ptrace::seize(pid)?;
    let death = handle::of_process(pid)?;
    // The byte may only be written once the child is traced. If this fails the child sees the end
    // of the pipe and leaves.
    nix::unistd::write(&open_gate, b"!")?;
    Ok(Spawned { pid, stand_in, failure, death })
}

/// The program's number, which is the first thing that it says.
#[expect(clippy::host_endian_bytes, reason = "written by our own child")]
fn number_of(said: &OwnedFd) -> io::Result<pid_t> {
    let mut number = [0; size_of::<pid_t>()];
    let mut from = std::fs::File::from(said.try_clone()?);
    io::Read::read_exact(&mut from, &mut number)?;
    Ok(pid_t::from_ne_bytes(number))
}

/// What the child needs besides its program: the processor, or none, and the filter.
#[expect(clippy::host_endian_bytes, reason = "memory of a child of this process")]
fn extra(filter: &[sock_filter], cpu: Option<usize>) -> Vec<u8> {
    let cpu = cpu.map_or(-1, |cpu| cpu as i64);
    let mut bytes = [cpu.to_ne_bytes(), (filter.len() as u64).to_ne_bytes()].concat();
    for rule in filter {
        bytes.extend(rule.code.to_ne_bytes());
        bytes.extend([rule.jt, rule.jf]);
        bytes.extend(rule.k.to_ne_bytes());
    }
    bytes
}

/// The child's way to its program.
unsafe fn born(bytes: &mut [u8], fds: &[RawFd]) -> ! {
    // SAFETY: `start` packed the bytes and chose the descriptors; all calls are async-signal-safe.
    unsafe {
        let program = program::unpack(bytes);
        let (gate, tell) = (fds[3], fds[4]);
        stand_in();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        libc::setsid();
        let pid = libc::getpid();
        libc::write(tell, (&raw const pid).cast(), size_of::<pid_t>());
        let mut byte = 0u8;
        loop {
            let count = libc::read(gate, (&raw mut byte).cast(), 1);
            if count == 1 {
                break;
            }
            if count == 0 || *libc::__errno_location() != libc::EINTR {
                libc::_exit(127);
            }
        }
        for (target, source) in (0..).zip(&fds[..3]) {
            if libc::dup2(*source, target) < 0 {
                fail(tell);
            }
        }
        // Everything but 0, 1 and 2 closes at exec.
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if !program.cwd.is_null() && libc::chdir(program.cwd) != 0 {
            fail(tell);
        }
        let (cpu, rules) = (*program.extra.cast::<i64>(), *program.extra.cast::<u64>().add(1));
        if let Ok(cpu) = usize::try_from(cpu) {
            let mut cpus: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut cpus);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const cpus);
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            fail(tell);
        }
        let filter = program.extra.add(16).cast::<sock_filter>().cast_mut();
        let filter = sock_fprog { len: rules as u16, filter };
        let how = libc::SECCOMP_SET_MODE_FILTER;
        if libc::syscall(libc::SYS_seccomp, how, 0, &raw const filter) != 0 {
            fail(tell);
        }
        libc::execve(program.path, program.argv, program.envp);
        fail(tell)
    }
}

/// Forks, and returns in the new process alone. This one becomes its parent and does nothing: it waits for
/// nobody, its children leave no zombies, and it dies with unplug.
unsafe fn stand_in() {
    // SAFETY: async-signal-safe calls without pointers to anything but statics.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        match libc::fork() {
            -1 => libc::_exit(127),
            // What ignores the signal is no concern of the program.
            0 => drop(libc::signal(libc::SIGCHLD, libc::SIG_DFL)),
            _ => {
                libc::prctl(libc::PR_SET_NAME, c"stand-in".as_ptr(), 0, 0, 0);
                libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
                loop {
                    libc::pause();
                }
            }
        }
    }
}

/// Tells the parent the error number and leaves.
unsafe fn fail(tell: RawFd) -> ! {
    // SAFETY: async-signal-safe calls on a local.
    unsafe {
        let number = *libc::__errno_location();
        libc::write(tell, (&raw const number).cast(), size_of::<i32>());
        libc::_exit(127)
    }
}
