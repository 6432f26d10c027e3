//! The thin layer over ptrace and wait: a thread that is stopped is a value of type [`Stopped`], and
//! only such a value can be asked or changed. The death of a traced thread is an ordinary answer
//! (`ESRCH`), never a failure of the recorder.

use std::io;

use libc::{c_int, c_long, c_void, pid_t};

/// One traced thread in a stop.
#[derive(Debug)]
pub struct Stopped(pid_t);

/// A system call at whose entry a thread is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// The filter's mark ([`super::filter`]).
    pub data: u32,
}

/// A stop at a call, without a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCall {
    /// Before it.
    Entry {
        /// Its number.
        number: u64,
        /// Its arguments.
        args: [u64; 6],
    },
    /// After it, with what it returned; negative is `-errno`.
    Exit(i64),
}

/// How a stopped thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// To its next traced call.
    Free,
    /// To the exit of the call that it stands in.
    ToExit,
    /// It stays in its group stop until it is continued by SIGCONT.
    Listen,
}

/// What a wait returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The filter stopped a call.
    Filtered,
    /// The exit of a call.
    CallExit,
    /// A `PTRACE_EVENT_*` other than those below.
    Event(c_int),
    /// A group stop, an interrupt, or a new thread's first stop; with the signal.
    Stop(c_int),
    /// A signal is about to be delivered.
    Signal(c_int),
    /// The thread is gone: a wait status.
    Gone(c_int),
}

/// Waits for any traced thread or child of this thread. `None` where none is left.
pub fn wait() -> io::Result<Option<(pid_t, Change)>> {
    loop {
        let mut status: c_int = 0;
        // SAFETY: waitpid writes one int to a valid place.
        let tid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
        if tid > 0 {
            return Ok(Some((tid, change(status))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

fn change(status: c_int) -> Change {
    if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
        return Change::Gone(status);
    }
    let signal = libc::WSTOPSIG(status);
    let event = status >> 16;
    match event {
        0 if signal == libc::SIGTRAP | 0x80 => Change::CallExit,
        0 => Change::Signal(signal),
        libc::PTRACE_EVENT_SECCOMP => Change::Filtered,
        libc::PTRACE_EVENT_STOP => Change::Stop(signal),
        _ => Change::Event(event),
    }
}

/// Takes `pid`, a child that runs and waits at its gate, under trace without stopping it.
pub fn seize(pid: pid_t) -> io::Result<()> {
    let options = libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC;
    Stopped(pid).request(libc::PTRACE_SEIZE, 0, options as usize).map(drop)
}

/// Stops a running thread; the stop is reported by [`wait`].
pub fn interrupt(tid: pid_t) -> io::Result<()> {
    Stopped(tid).request(libc::PTRACE_INTERRUPT, 0, 0).map(drop)
}

impl Stopped {
    /// The thread `tid`, of which [`wait`] has just reported a stop.
    pub fn new(tid: pid_t) -> Self {
        Self(tid)
    }

    /// Its number.
    pub fn tid(&self) -> pid_t {
        self.0
    }

    /// One raw ptrace request.
    pub fn request(
        &self,
        request: libc::c_uint,
        address: usize,
        data: usize,
    ) -> io::Result<c_long> {
        // SAFETY: every caller passes what the request is documented to take; requests that write
        // do so through a pointer to memory that outlives the call.
        let result =
            unsafe { libc::ptrace(request, self.0, address as *mut c_void, data as *mut c_void) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }

    fn info(&self) -> io::Result<libc::ptrace_syscall_info> {
        let mut info = std::mem::MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        self.request(libc::PTRACE_GET_SYSCALL_INFO, size, info.as_mut_ptr() as usize)?;
        // SAFETY: the structure was zeroed and every bit pattern of it is valid.
        Ok(unsafe { info.assume_init() })
    }

    /// The call at whose entry the filter stopped the thread.
    pub fn entry(&self) -> io::Result<CallEntry> {
        let info = self.info()?;
        if info.op != libc::PTRACE_SYSCALL_INFO_SECCOMP {
            return Err(io::Error::other(format!("stop of kind {} where a call was due", info.op)));
        }
        // SAFETY: `op` says which member of the union is filled.
        let call = unsafe { info.u.seccomp };
        Ok(CallEntry { number: call.nr, args: call.args, data: call.ret_data })
    }

    /// The call at whose entry or exit the thread is stopped; nothing in any other stop.
    pub fn call(&self) -> io::Result<Option<AtCall>> {
        let info = self.info()?;
        Ok(match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: `op` says which member of the union is filled.
                let entry = unsafe { info.u.entry };
                Some(AtCall::Entry { number: entry.nr, args: entry.args })
            }
            // SAFETY: as above.
            libc::PTRACE_SYSCALL_INFO_EXIT => Some(AtCall::Exit(unsafe { info.u.exit }.sval)),
            _ => None,
        })
    }

    /// What the call at whose exit the thread is stopped returned; negative is `-errno`.
    pub fn result(&self) -> io::Result<i64> {
        let info = self.info()?;
        if info.op != libc::PTRACE_SYSCALL_INFO_EXIT {
            return Err(io::Error::other(format!(
                "stop of kind {} where an exit was due",
                info.op
            )));
        }
        // SAFETY: `op` says which member of the union is filled.
        Ok(unsafe { info.u.exit }.sval)
    }

    /// True if the signal that is about to be delivered was sent to this very thread by this process.
    pub fn was_signalled_by_us(&self) -> bool {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        if self.request(libc::PTRACE_GETSIGINFO, 0, info.as_mut_ptr() as usize).is_err() {
            return false;
        }
        // SAFETY: zeroed, then filled by the kernel; signals sent by tkill carry the sender.
        let info = unsafe { info.assume_init() };
        // SAFETY: as above.
        info.si_code == libc::SI_TKILL && unsafe { info.si_pid() } as u32 == std::process::id()
    }

    /// The message of an event: the new thread's number, or the former one at an exec.
    pub fn message(&self) -> io::Result<u64> {
        let mut message: libc::c_ulong = 0;
        self.request(libc::PTRACE_GETEVENTMSG, 0, std::ptr::from_mut(&mut message) as usize)?;
        Ok(message)
    }

    /// Lets the thread go on, delivering `signal` where it is not 0. A thread that was killed
    /// meanwhile is no error: [`wait`] will say so.
    pub fn resume(self, how: Resume, signal: c_int) -> io::Result<()> {
        let request = match how {
            Resume::Free => libc::PTRACE_CONT,
            Resume::ToExit => libc::PTRACE_SYSCALL,
            Resume::Listen => libc::PTRACE_LISTEN,
        };
        match self.request(request, 0, signal as usize) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other.map(drop),
        }
    }
}
