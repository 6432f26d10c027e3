//! Starting the program under test so that it is traced before its first instruction. Between fork
//! and exec only async-signal-safe calls are made: other threads of this process may hold any lock.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{c_char, pid_t, sock_filter, sock_fprog};

use super::ptrace;

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

/// Starts `command` under trace of the calling thread, pinned to `cpu` if given. The returned pipe
/// says why the program could not be started: a raw error number, or nothing where it could.
pub fn start(
    command: &Command,
    standard: Standard,
    filter: &[sock_filter],
    cpu: Option<usize>,
) -> io::Result<(pid_t, OwnedFd)> {
    let program = command.argv.first().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    let program = c_string(find(program, command).as_os_str())?;
    let argv = command.argv.iter().map(|arg| c_string(arg)).collect::<io::Result<Vec<_>>>()?;
    let envp = environment(command)?;
    let cwd = command.cwd.as_deref().map(|cwd| c_string(cwd.as_os_str())).transpose()?;
    let argv = pointers(&argv);
    let envp = pointers(&envp);
    // Out of the way of 0, 1 and 2, so that no dup2 below destroys another's source.
    let stdin = above_standard(&standard.stdin)?;
    let stdout = above_standard(&standard.stdout)?;
    let stderr = above_standard(&standard.stderr)?;
    drop(standard);
    let (gate, open_gate) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let (gate, open_gate) = (above_standard(&gate)?, open_gate);
    let (failure, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let tell = above_standard(&tell)?;
    let mut cpus = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    if let Some(cpu) = cpu {
        // SAFETY: a zeroed cpu_set_t is a valid, empty set.
        unsafe { libc::CPU_SET(cpu, cpus.assume_init_mut()) };
    }
    let plan = Child {
        program: program.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        cwd: cwd.as_ref().map_or(std::ptr::null(), |cwd| cwd.as_ptr()),
        standard: [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()],
        gate: gate.as_raw_fd(),
        tell: tell.as_raw_fd(),
        filter: sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() },
        cpus: cpu.map(|_| cpus.as_ptr()),
    };
    let forking = crate::base::forks::forking();
    // SAFETY: the child makes only async-signal-safe calls on memory prepared above.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => return Err(io::Error::last_os_error()),
        // SAFETY: this is the child; `run` never returns.
        0 => unsafe { plan.run() },
        _ => drop(forking),
    }
    let seized = ptrace::seize(pid);
    if let Err(error) = seized {
        // SAFETY: our own child, not yet waited for, so its number cannot be another's.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        return Err(error);
    }
    // The byte may only be written once the child is traced. If this fails the child sees the end
    // of the pipe and leaves.
    nix::unistd::write(&open_gate, b"!")?;
    Ok((pid, failure))
}

struct Child {
    program: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    cwd: *const c_char,
    standard: [i32; 3],
    gate: i32,
    tell: i32,
    filter: sock_fprog,
    cpus: Option<*const libc::cpu_set_t>,
}

impl Child {
    /// The child's way to its program.
    ///
    /// # Safety
    ///
    /// Only in a freshly forked child; every pointer must be valid.
    unsafe fn run(&self) -> ! {
        // SAFETY: all calls are async-signal-safe and work on memory that the parent prepared.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            libc::setsid();
            let mut byte = 0u8;
            loop {
                let count = libc::read(self.gate, (&raw mut byte).cast(), 1);
                if count == 1 {
                    break;
                }
                if count == 0 || *libc::__errno_location() != libc::EINTR {
                    libc::_exit(127);
                }
            }
            for (target, source) in self.standard.iter().enumerate() {
                if libc::dup2(*source, target as i32) < 0 {
                    self.fail();
                }
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            for signal in 1..65 {
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            // Everything but 0, 1 and 2 closes at exec.
            libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            if !self.cwd.is_null() && libc::chdir(self.cwd) != 0 {
                self.fail();
            }
            if let Some(cpus) = self.cpus {
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus);
            }
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
                self.fail();
            }
            if libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                std::ptr::from_ref(&self.filter),
            ) != 0
            {
                self.fail();
            }
            libc::execve(self.program, self.argv, self.envp);
            self.fail()
        }
    }

    /// Tells the parent the error number and leaves.
    ///
    /// # Safety
    ///
    /// As for [`Child::run`].
    unsafe fn fail(&self) -> ! {
        // SAFETY: async-signal-safe calls on this structure's own memory.
        unsafe {
            let number = *libc::__errno_location();
            libc::write(self.tell, (&raw const number).cast(), size_of::<i32>());
            libc::_exit(127)
        }
    }
}

fn above_standard(fd: &impl std::os::fd::AsFd) -> io::Result<OwnedFd> {
    let fd: BorrowedFd = fd.as_fd();
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: F_DUPFD_CLOEXEC returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

fn environment(command: &Command) -> io::Result<Vec<CString>> {
    let kept = std::env::vars_os().filter(|(name, _)| !command.env.iter().any(|(n, _)| n == name));
    let mut list = Vec::new();
    for (name, value) in kept.chain(command.env.iter().cloned()) {
        let mut entry = name.as_bytes().to_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        list.push(CString::new(entry).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?);
    }
    Ok(list)
}

/// The program's path: as it is where it has a slash, else by PATH.
fn find(program: &OsStr, command: &Command) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return PathBuf::from(program);
    }
    let own = command.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_else(|| "/bin:/usr/bin".into());
    let executable = |candidate: &Path| {
        candidate.is_file()
            && nix::unistd::access(candidate, nix::unistd::AccessFlags::X_OK).is_ok()
    };
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| executable(candidate))
        .unwrap_or_else(|| PathBuf::from(program))
}
