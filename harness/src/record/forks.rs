//! A fork server: a program that is slow to start is started once, and stopped where it first reads its
//! standard input, before it can know anything of any store. From there it is forked for each recovery, by
//! system calls that it is made to make; the fork gets pipes of its own and then runs untraced, as if it had
//! just been started.
//!
//! A fork has all that its template had, but for what a fork does not hand on. So a template is one thread
//! without children, timers or alarms, with nothing open but its standard streams and a few devices, with no
//! memory that forks would share, and with a C library whose idea of the thread's number can be put right
//! ([`ForkServer::start`]). Any other program is started for each recovery.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use libc::{c_int, c_long, pid_t};

use super::arch::{self, Entered};
use super::memory;
use super::ptrace::{AtCall, Stopped};
use super::vigil::tree;
use crate::base::{Result, interrupt};
use crate::driver::{DriverProcess, Pipes, Session, Target, Template, Timeouts};

/// Longest time for a stopped program to take one step.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// Devices that two processes may have open at once without seeing each other.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];
/// Bytes for the path of a pipe's end.
const PATH_BYTES: usize = 64;

/// A program that waits to be forked. Belongs to the thread that started it.
#[derive(Debug)]
pub struct ForkServer {
    /// Before the template: a keeper sees the end of nothing that is traced.
    _traced: Traced,
    template: Template,
    /// Where it stands: at the entry of its first read.
    entered: Entered,
    /// Where the C library keeps the number of the thread.
    tid_at: u64,
    /// The thread's list of robust locks, and its length.
    robust: [u64; 2],
}

impl ForkServer {
    /// Starts `target` and brings it to its first read; nothing where it cannot be forked, or does not come
    /// there within this time.
    pub fn start(target: &Target, root: &Path, within: Duration) -> Result<Option<Self>> {
        let Some(template) = Template::start(target, root)? else { return Ok(None) };
        let deadline = Instant::now() + within;
        let mut traced = Traced::default();
        let Some(entered) = at_first_read(template.driver(), deadline, &mut traced) else {
            drop(traced);
            return Ok(None);
        };
        let (tid_at, robust) = (0, [0; 2]);
        let mut server = Self { _traced: traced, template, entered, tid_at, robust };
        Ok(server.prepare().map(|()| server))
    }

    /// Looks whether it can be forked, and learns what a fork needs.
    fn prepare(&mut self) -> Option<()> {
        let pid = self.template.driver();
        if self.template.has_spoken() || !is_alone(pid) || shares(pid) {
            return None;
        }
        let at = self.entered.scratch(16);
        let thread = Stopped::new(pid);
        let get_tid_address = u64::try_from(libc::PR_GET_TID_ADDRESS).ok()?;
        self.call(&thread, libc::SYS_prctl, [get_tid_address, at, 0, 0, 0, 0])?;
        self.tid_at = read_word(pid, at)?;
        // A C library that keeps something else there is not known well enough.
        let known = read_word(pid, self.tid_at)? as u32;
        if known != pid as u32 {
            return None;
        }
        self.call(&thread, libc::SYS_get_robust_list, [0, at, at + 8, 0, 0, 0])?;
        self.robust = [read_word(pid, at)?, read_word(pid, at + 8)?];
        Some(())
    }

    /// A fork and a session with it; nothing where that fails, and then it is of no use any more.
    pub fn fork(&mut self, timeouts: Timeouts) -> Result<Option<(DriverProcess, Session)>> {
        self.template.empty_run_folder()?;
        let pipes = Pipes::new()?;
        let Some(fork) = self.forked() else { return Ok(None) };
        let born = self.give(fork, &pipes);
        let adopted = match born {
            Some(()) => self.template.adopt(fork, pipes, timeouts)?,
            None => None,
        };
        let thread = Stopped::new(fork);
        if adopted.is_none() || thread.request(libc::PTRACE_DETACH, 0, 0).is_err() {
            drop(Traced(vec![fork]));
            return Ok(None);
        }
        Ok(adopted)
    }

    /// The number of a new fork, which is stopped before its first step.
    fn forked(&mut self) -> Option<pid_t> {
        let thread = Stopped::new(self.template.driver());
        let flags = libc::CLONE_PARENT
            | libc::CLONE_CHILD_SETTID
            | libc::CLONE_CHILD_CLEARTID
            | libc::SIGCHLD;
        let args = [flags as u64, 0, 0, self.tid_at, 0, 0];
        self.entered.becomes(&thread, libc::SYS_clone, args).ok()?;
        if step(&thread)? >> 16 != libc::PTRACE_EVENT_FORK {
            return None;
        }
        let fork = pid_t::try_from(thread.message().ok()?).ok()?;
        let mut traced = Traced(vec![fork]);
        let status = wait(fork)?;
        self.back(&thread)?;
        if status >> 16 != libc::PTRACE_EVENT_STOP {
            return None;
        }
        // It goes on, and whoever called is its keeper now.
        traced.0.clear();
        Some(fork)
    }

    /// Brings a new fork to its read, with pipes of its own.
    fn give(&self, fork: pid_t, pipes: &Pipes) -> Option<()> {
        let thread = Stopped::new(fork);
        self.entered.again(&thread).ok()?;
        to_entry(&thread)?;
        let at = self.entered.scratch(PATH_BYTES as u64);
        for (target, end) in (0u64..).zip(&pipes.theirs) {
            let mut path = format!("/proc/{}/fd/{}", std::process::id(), end.as_raw_fd());
            path.push('\0');
            write_bytes(fork, at, path.as_bytes())?;
            let how = if target == 0 { libc::O_RDONLY } else { libc::O_WRONLY };
            let here = libc::AT_FDCWD as i64 as u64;
            let opened = self.call(&thread, libc::SYS_openat, [here, at, how as u64, 0, 0, 0])?;
            self.call(&thread, libc::SYS_dup2, [opened, target, 0, 0, 0, 0])?;
            self.call(&thread, libc::SYS_close, [opened, 0, 0, 0, 0, 0])?;
        }
        let [head, length] = self.robust;
        if head != 0 {
            self.call(&thread, libc::SYS_set_robust_list, [head, length, 0, 0, 0, 0])?;
        }
        self.entered.restore(&thread).ok()
    }

    /// Has a thread that stands at the entry of its read make another call, and brings it back; the result,
    /// or nothing where it is an error.
    fn call(&self, thread: &Stopped, number: c_long, args: [u64; 6]) -> Option<u64> {
        self.entered.becomes(thread, number, args).ok()?;
        step(thread)?;
        let Some(AtCall::Exit(result)) = thread.call().ok()? else { return None };
        self.entered.again(thread).ok()?;
        to_entry(thread)?;
        u64::try_from(result).ok()
    }

    /// Brings the template from inside its fork back to the entry of its read.
    fn back(&self, thread: &Stopped) -> Option<()> {
        step(thread)?;
        let Some(AtCall::Exit(1..)) = thread.call().ok()? else { return None };
        self.entered.again(thread).ok()?;
        to_entry(thread)
    }
}

/// Brings a program that has just been started to the entry of its first read of its standard input. Nothing
/// where it ends before that, or shows before that that it is never forked.
fn at_first_read(pid: pid_t, deadline: Instant, traced: &mut Traced) -> Option<Entered> {
    // What it starts on its way is not traced: a wrapper may ask other programs which one to become.
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
    let thread = Stopped::new(pid);
    thread.request(libc::PTRACE_SEIZE, 0, options as usize).ok()?;
    traced.0.push(pid);
    thread.request(libc::PTRACE_INTERRUPT, 0, 0).ok()?;
    let mut status = wait_until(pid, deadline)?;
    loop {
        let event = status >> 16;
        let is_call = event == 0 && libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80;
        let mut signal = 0;
        if is_call {
            if let Some(AtCall::Entry { number, args }) = thread.call().ok()? {
                let name = arch::name(number).unwrap_or_default();
                if matches!(name, "read" | "readv") && args[0] == 0 {
                    // From now on its forks are.
                    let options = options | libc::PTRACE_O_TRACEFORK;
                    thread.request(libc::PTRACE_SETOPTIONS, 0, options as usize).ok()?;
                    return Entered::of(&thread).ok();
                }
                if !may_come_to_a_read(pid, name, &args) {
                    return None;
                }
            }
        } else if event == 0 {
            signal = libc::WSTOPSIG(status);
        }
        if interrupt::is_final() {
            return None;
        }
        thread.request(libc::PTRACE_SYSCALL, 0, signal as usize).ok()?;
        status = wait_until(pid, deadline)?;
    }
}

/// False for a call after which a program is not forked any more: it starts a thread, or waits without end for
/// events as an event loop does, which reads only when there is something to read.
fn may_come_to_a_read(pid: pid_t, name: &str, args: &[u64; 6]) -> bool {
    let is_thread = |flags: u64| flags & libc::CLONE_THREAD as u64 != 0;
    // A timeout in milliseconds; any negative one is none.
    let is_endless = |timeout: u64| (timeout as i32) < 0;
    !match name {
        "clone" => is_thread(args[0]),
        // The flags are the first word of the structure.
        "clone3" => read_word(pid, args[0]).is_none_or(is_thread),
        "poll" => is_endless(args[2]),
        "epoll_wait" | "epoll_pwait" => is_endless(args[3]),
        "ppoll" => args[2] == 0,
        "epoll_pwait2" => args[3] == 0,
        "select" | "pselect6" => args[4] == 0,
        _ => false,
    }
}

/// Processes and threads under the trace of this thread. Dropping it kills them, and waits for them as their
/// tracer must before their parent can.
#[derive(Debug, Default)]
struct Traced(Vec<pid_t>);

impl Drop for Traced {
    fn drop(&mut self) {
        for tid in &self.0 {
            // SAFETY: a plain kill of what is traced by us and was not waited for.
            unsafe { libc::kill(*tid, libc::SIGKILL) };
        }
        // A process goes after its threads.
        for tid in self.0.iter().rev() {
            let mut status = 0;
            // SAFETY: one int is written to a valid place.
            while unsafe { libc::waitpid(*tid, &raw mut status, libc::__WALL) } == *tid
                && libc::WIFSTOPPED(status)
            {}
        }
    }
}

/// Lets a thread go on to its next stop, which must be one of its own making: a call or an event.
fn step(thread: &Stopped) -> Option<c_int> {
    thread.request(libc::PTRACE_SYSCALL, 0, 0).ok()?;
    let status = wait(thread.tid())?;
    let is_call = libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80;
    (is_call || status >> 16 != 0).then_some(status)
}

/// Lets a thread go on to the entry of its next call.
fn to_entry(thread: &Stopped) -> Option<()> {
    // The exit of the call before may come first.
    for _ in 0..2 {
        step(thread)?;
        if let Some(AtCall::Entry { .. }) = thread.call().ok()? {
            return Some(());
        }
    }
    None
}

/// The next stop of a traced thread.
fn wait(tid: pid_t) -> Option<c_int> {
    wait_until(tid, Instant::now() + STEP_WITHIN)
}

fn wait_until(tid: pid_t, deadline: Instant) -> Option<c_int> {
    let mut naps = 0u32;
    loop {
        let mut status = 0;
        // SAFETY: one int is written to a valid place; the thread is traced by this one.
        let found = unsafe { libc::waitpid(tid, &raw mut status, libc::WNOHANG | libc::__WALL) };
        if found == tid {
            return libc::WIFSTOPPED(status).then_some(status);
        }
        let failed = found < 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINTR);
        if failed || Instant::now() >= deadline {
            return None;
        }
        naps += 1;
        match naps {
            0..64 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}

/// True if the process is one thread without children, and nothing but its standard streams and a few devices
/// is open in it.
fn is_alone(pid: pid_t) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let no_children = tree::children(pid).is_some_and(|children| children.is_empty());
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let harmless = |entry: io::Result<fs::DirEntry>| {
        let Ok(entry) = entry else { return false };
        let is_standard = ["0", "1", "2"].iter().any(|fd| entry.file_name() == *fd);
        let device = fs::read_link(entry.path());
        is_standard || device.is_ok_and(|path| DEVICES.iter().any(|known| path == Path::new(known)))
    };
    threads == 1 && no_children && !tree::may_be_woken(pid) && open.into_iter().all(harmless)
}

/// True if a fork would share memory with its template, or that cannot be told.
fn shares(pid: pid_t) -> bool {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return true };
    let rights = |line: &str| line.split_ascii_whitespace().nth(1).map(str::to_owned);
    let writes = |rights: &str| rights.ends_with('s') && rights.contains('w');
    maps.lines().any(|line| rights(line).is_none_or(|rights| writes(&rights)))
}

#[expect(clippy::host_endian_bytes, reason = "memory of this machine's own")]
fn read_word(pid: pid_t, at: u64) -> Option<u64> {
    use std::os::unix::fs::FileExt;
    let mut word = [0; 8];
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    memory.read_exact_at(&mut word, at).ok()?;
    Some(u64::from_ne_bytes(word))
}

fn write_bytes(pid: pid_t, at: u64, bytes: &[u8]) -> Option<()> {
    let written = memory::write(pid, at, bytes).ok()?;
    (written == bytes.len()).then_some(())
}

#[cfg(test)]
mod tests;
