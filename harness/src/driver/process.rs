//! Driver processes: started below a keeper, with pipes and a private folder; ended with their whole
//! tree in every exit path.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;

use super::fault::DriverFault;
use super::keeper::{self, Standard};
use super::patience::Hang;
use super::room::LOOK_EVERY;
use super::session::Session;
use super::target::{Target, Timeouts};
use crate::base::limits::STDERR_BYTES;
use crate::base::{HarnessError, Result, interrupt};

/// The environment variable that names a driver's private folder.
pub const RUN_VARIABLE: &str = "UNPLUG_RUN";

/// A running driver. Dropping it ends the driver and everything that it started.
#[derive(Debug)]
pub struct DriverProcess {
    keeper: libc::pid_t,
    /// Its end tells the keeper to end the tree.
    control: Option<OwnedFd>,
    death: OwnedFd,
    /// Where the keeper says how this fork of a driver ended; nothing where the keeper ends with it.
    report: Option<OwnedFd>,
    /// The process below the same keeper that it was forked from.
    template: Option<libc::pid_t>,
    status: Option<ExitStatus>,
    stderr: Arc<Mutex<Tail>>,
    stderr_reader: Option<JoinHandle<()>>,
    _run_folder: Option<TempDir>,
}

impl DriverProcess {
    /// Starts `target` with a private folder below `root`, and a session with it.
    pub fn spawn(target: &Target, root: &Path, timeouts: Timeouts) -> Result<(Self, Session)> {
        let Some(program) = target.argv.first() else {
            return Err(HarnessError::input("the driver's command is empty"));
        };
        let run_folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(root)
            .map_err(|error| HarnessError::at("making a private folder in", root, error))?;
        let machine = |error| HarnessError::machine(format!("starting {}", target.name), error);
        let ((hold, control), (stdin, to)) = (pipe()?, pipe()?);
        let ((from, stdout), (errors, stderr)) = (pipe()?, pipe()?);
        let standard = Standard { stdin, stdout, stderr };
        let argv: Vec<_> = target.argv.iter().map(Into::into).collect();
        let mut env: Vec<_> =
            target.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        env.push((RUN_VARIABLE.into(), run_folder.path().into()));
        let keeper = keeper::start(&argv, &env, &standard, &hold, None).map_err(|error| {
            HarnessError::setup(format!("cannot start {} ({program}): {error}", target.name))
        })?;
        drop((standard, hold));
        let (stderr, stderr_reader) = read_tail(errors);
        let death = pidfd(keeper).map_err(machine)?;
        let watch = death.try_clone().map_err(machine)?;
        let session = Session::new(to, from, Some(watch), timeouts).map_err(machine)?;
        let process = Self {
            keeper,
            control: Some(control),
            death,
            report: None,
            template: None,
            status: None,
            stderr,
            stderr_reader: Some(stderr_reader),
            _run_folder: Some(run_folder),
        };
        Ok((process, session))
    }

    /// A process that was forked from a driver below `keeper`, which says through `report` how it ended.
    /// Nothing of it and of what it started is left then.
    pub(super) fn forked(
        (keeper, template): (libc::pid_t, libc::pid_t),
        death: OwnedFd,
        report: OwnedFd,
        errors: OwnedFd,
    ) -> Self {
        let (stderr, stderr_reader) = read_tail(errors);
        Self {
            keeper,
            control: None,
            death,
            report: Some(report),
            template: Some(template),
            status: None,
            stderr,
            stderr_reader: Some(stderr_reader),
            _run_folder: None,
        }
    }

    /// The keeper below which the driver and all that it started lie.
    pub fn keeper(&self) -> libc::pid_t {
        self.keeper
    }

    /// The process below the same keeper that it was forked from, if it was.
    pub fn template(&self) -> Option<libc::pid_t> {
        self.template
    }

    /// Ends the driver with SIGKILL, and its whole tree; returns when nothing of it is left.
    pub fn kill(&mut self) -> ExitStatus {
        self.control = None;
        if self.report.is_some() && self.status.is_none() {
            let none = std::ptr::null::<libc::siginfo_t>();
            let death = self.death.as_raw_fd();
            // SAFETY: a signal to the very process that the descriptor stands for.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, death, libc::SIGKILL, none, 0) };
        }
        self.reap()
    }

    /// Waits at most `limit` for the driver to end by itself; whether it did so with success. Its tree
    /// is gone afterwards in either case.
    pub fn finish(&mut self, limit: Duration) -> std::result::Result<(), DriverFault> {
        if !self.wait(limit) {
            self.kill();
            let waiting_for = "its exit after the end of its input".into();
            let (after_ms, hang) = (limit.as_millis() as u64, Hang::Limit);
            return Err(DriverFault::Hung { waiting_for, after_ms, hang });
        }
        let status = self.reap();
        if status.success() { Ok(()) } else { Err(self.died(status)) }
    }

    /// Completes a fault that a session reported: ends the tree, and says how the driver died and what
    /// it wrote to its standard error.
    pub fn explain(&mut self, fault: DriverFault) -> DriverFault {
        match fault {
            DriverFault::Died { how, .. } => {
                // It closed its output first; give it the moment to die of what killed it.
                let ended = self.wait(Duration::from_secs(1));
                let status = if ended { self.reap() } else { self.kill() };
                if ended {
                    return self.died(status);
                }
                DriverFault::Died { how, stderr: self.stderr() }
            }
            fault => {
                self.kill();
                fault
            }
        }
    }

    /// The end of what the driver wrote to its standard error; all of it once the driver is gone.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    fn died(&self, status: ExitStatus) -> DriverFault {
        DriverFault::Died { how: describe(status), stderr: self.stderr() }
    }

    /// True if the tree is gone within `limit`.
    fn wait(&mut self, limit: Duration) -> bool {
        if self.status.is_some() {
            return true;
        }
        let started = Instant::now();
        let deadline = started + limit;
        loop {
            keeper::revive(self.keeper);
            let left = deadline.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let end = self.report.as_ref().unwrap_or(&self.death);
            let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if Instant::now() >= deadline => return false,
                Ok(0) if interrupt::gives_up(started.elapsed()) => return false,
                Ok(1..) => return true,
                _ => {}
            }
        }
    }

    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        let status = ExitStatus::from_raw(match &self.report {
            None => keeper::reap(self.keeper),
            Some(report) => reported(self.keeper, report),
        });
        self.status = Some(status);
        if let Some(reader) = self.stderr_reader.take() {
            let _ = reader.join();
        }
        status
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a standard error to its end on a thread of its own.
fn read_tail(errors: OwnedFd) -> (Arc<Mutex<Tail>>, JoinHandle<()>) {
    let mut errors = std::fs::File::from(errors);
    let stderr = Arc::new(Mutex::new(Tail::default()));
    let shared = Arc::clone(&stderr);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = errors.read(&mut chunk) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).push(&chunk[..count]);
        }
    });
    (stderr, reader)
}

/// The wait status of a fork, which its keeper reports; that of a kill where the keeper is gone.
#[expect(clippy::host_endian_bytes, reason = "written by our own child")]
fn reported(keeper: libc::pid_t, report: &OwnedFd) -> i32 {
    loop {
        keeper::revive(keeper);
        let mut fds = [PollFd::new(report.as_fd(), PollFlags::POLLIN)];
        let every = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::MAX);
        if !matches!(poll(&mut fds, every), Ok(1..)) {
            continue;
        }
        let mut status = [0; size_of::<i32>()];
        return match nix::unistd::read(report, &mut status) {
            Ok(4) => i32::from_ne_bytes(status),
            _ => libc::SIGKILL,
        };
    }
}

/// A wait status in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, Some(0)) => "it exited with success before its time".into(),
        (None, Some(code)) => format!("it exited with status {code}"),
        (None, None) => "it ended".into(),
    }
}

/// A new pipe: the end to read from and the end to write to, both closed when another program is executed.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| HarnessError::machine("making a pipe", errno))
}

pub(super) fn pidfd(pid: libc::pid_t) -> std::io::Result<OwnedFd> {
    // SAFETY: a system call with plain numbers; the descriptor that it returns is ours alone.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * STDERR_BYTES {
            self.bytes.drain(..self.bytes.len() - STDERR_BYTES);
            self.cut = true;
        }
    }

    pub(super) fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(STDERR_BYTES);
        let text = String::from_utf8_lossy(&self.bytes[start..]);
        if self.cut || start > 0 { format!("…{text}") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests;
