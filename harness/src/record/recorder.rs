//! A recorder: starts driver processes under trace, one after the other, on one timeline, and gives
//! the recording at the end. Nothing that it started outlives it, on any way out.

mod gather;
mod host;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::beginning::Beginning;
use super::lives::say;
use super::options::RecordOptions;
use super::output::Speech;
use super::service::{self, Start};
use super::spawn::{Command, Spawned, StandIn, Standard};
use super::timeline::{Shared, Watcher};
use crate::base::limits::STDERR_BYTES;
use crate::base::{HarnessError, Result, interrupt};
use crate::driver::process::RUN_VARIABLE;
use crate::driver::{DriverFault, Session, Target};
use crate::trace::Tree;

/// How often the user's interrupt is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a killed tree may take to be gone.
const GRAVE: Duration = Duration::from_secs(30);

/// A recorder of one directory. It is a [`Host`](crate::driver::Host): whoever drives a workload can drive it recorded.
#[derive(Debug)]
pub struct Recorder {
    target: Target,
    options: RecordOptions,
    shared: Arc<Shared>,
    orders: Option<mpsc::Sender<Start>>,
    tracing: Option<JoinHandle<std::io::Result<()>>>,
    initial: Tree,
    process: Option<Process>,
    /// A process that has finished with its store may be asked for another.
    keeps: bool,
    /// It waits for that.
    waiting: Option<Session>,
    run_folders: Vec<PathBuf>,
    stderr: String,
    overdue: bool,
}

/// The present process.
#[derive(Debug)]
struct Process {
    reading: JoinHandle<String>,
    _stand_in: StandIn,
    _run_folder: Option<tempfile::TempDir>,
}

impl Recorder {
    /// Reads the directory as it stands and prepares to trace `target`.
    pub fn new(target: &Target, options: &RecordOptions) -> Result<Self> {
        Self::with(target, options, Speech::Protocol)
    }

    pub(super) fn with(target: &Target, options: &RecordOptions, speech: Speech) -> Result<Self> {
        let (beginning, initial) = begin(options)?;
        let shared = Arc::new(Shared::default());
        let (orders, received) = mpsc::channel();
        let (theirs, wanted) = (shared.clone(), options.clone());
        let tracing = thread::Builder::new()
            .name("tracer".into())
            .spawn(move || service::serve(&theirs, &received, beginning, &wanted, speech))
            .map_err(|error| HarnessError::machine("starting the tracing thread", error))?;
        Ok(Self {
            target: target.clone(),
            options: options.clone(),
            shared,
            orders: Some(orders),
            tracing: Some(tracing),
            initial,
            process: None,
            keeps: false,
            waiting: None,
            run_folders: Vec::new(),
            stderr: String::new(),
            overdue: false,
        })
    }

    /// The same, and a process that says that it may be asked for several stores (`reopen`) is not ended
    /// when it has finished with one, but waits: see [`Recorder::take`].
    pub fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Places requests on the recording's timeline.
    pub fn watcher(&self) -> Watcher {
        Watcher::new(self.shared.clone())
    }

    /// Starts the program with these descriptors. Its death makes the returned one readable.
    pub(super) fn spawn(&mut self, stdin: OwnedFd, stdout: OwnedFd) -> Result<OwnedFd> {
        let name = self.target.name.clone();
        let machine = |error| HarnessError::machine(format!("recording {name}"), error);
        let (errors, stderr) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| machine(errno.into()))?;
        let mut env: Vec<(OsString, OsString)> =
            self.target.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let run_folder = match &self.options.run_root {
            None => None,
            Some(root) => {
                let folder = tempfile::Builder::new().prefix("run-").tempdir_in(root);
                let folder = folder
                    .map_err(|error| HarnessError::at("making a private folder in", root, error))?;
                self.run_folders.extend(folder.path().canonicalize().ok());
                env.push((RUN_VARIABLE.into(), folder.path().into()));
                Some(folder)
            }
        };
        let argv = self.target.argv.iter().map(OsString::from).collect();
        let command = Command { argv, env, cwd: self.options.cwd.clone() };
        let standard = Standard { stdin, stdout, stderr };
        let (tell, told) = mpsc::sync_channel(1);
        self.shared.begin();
        let order = Start { command, standard, tell };
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        if !matches!(sent, Some(Ok(()))) {
            return Err(HarnessError::broken(format!("the tracer of {name} is gone")));
        }
        let Spawned { failure, death, stand_in, .. } = match told.recv() {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => return Err(machine(error)),
            Err(_) => return Err(HarnessError::broken(format!("the tracer of {name} is gone"))),
        };
        let reading = thread::Builder::new()
            .name("stderr".into())
            .spawn(move || keep_end(errors))
            .map_err(machine)?;
        self.process = Some(Process { reading, _stand_in: stand_in, _run_folder: run_folder });
        // The pipe ends when the program has begun, or says why it has not.
        let mut said = [0; 4];
        if File::from(failure).read_exact(&mut said).is_ok() {
            #[expect(clippy::host_endian_bytes, reason = "written by our own child")]
            let number = i32::from_ne_bytes(said);
            let error = std::io::Error::from_raw_os_error(number);
            let program = self.target.argv.first().cloned().unwrap_or_default();
            return Err(HarnessError::setup(format!("cannot start {name} ({program}): {error}")));
        }
        Ok(death)
    }

    /// Waits for the end of everything that the present process started; kills it after `limit`.
    /// True if that was not needed.
    pub(super) fn wait(&mut self, limit: Duration) -> bool {
        let ended = self.ends_within(limit);
        if !ended {
            self.shared.kill_all();
            self.shared.wait_over(GRAVE);
        }
        if let Some(process) = self.process.take() {
            self.stderr = process.reading.join().unwrap_or_default();
        }
        ended
    }

    /// True if everything ends within `limit`, and before the user's interrupt ends the wait.
    fn ends_within(&self, limit: Duration) -> bool {
        let started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            if self.shared.wait_over(left.min(LOOK_EVERY)) {
                return true;
            }
            if started.elapsed() >= limit || interrupt::gives_up(started.elapsed()) {
                return false;
            }
        }
    }

    fn died(&self) -> DriverFault {
        let how = match self.shared.lock().status {
            Some(0) => "it exited with success before its time".into(),
            Some(status) => format!("it {}", say(status)),
            None => "it ended".into(),
        };
        DriverFault::Died { how, stderr: self.stderr.clone() }
    }

    /// Begins a recording of the directory as it stands now.
    fn begin_again(&mut self) -> Result<()> {
        let (beginning, initial) = begin(&self.options)?;
        self.initial = initial;
        self.shared.lock().next = Some(beginning);
        Ok(())
    }

    /// The same, with the process that waits; false where it did anything since it began to.
    fn begin_at_rest(&mut self) -> Result<bool> {
        self.begin_again()?;
        Ok(self.shared.lock().is_at_rest())
    }
}

/// The begin of a recording, with the first picture of its directory.
fn begin(options: &RecordOptions) -> Result<(Beginning, Tree)> {
    Beginning::read(options).map_err(|error| HarnessError::at("reading", &options.root, error))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(tracing) = self.tracing.take() {
            self.shared.kill_all();
            // The end of the tracing thread ends what it traces, whatever happened to it.
            let _ = tracing.join();
        }
    }
}

/// What came of an order.
pub(super) type Started = std::io::Result<Spawned>;

/// Reads to the end and keeps the end.
fn keep_end(pipe: OwnedFd) -> String {
    let mut pipe = File::from(pipe);
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count) = pipe.read(&mut piece)
        && count > 0
    {
        kept.extend_from_slice(&piece[..count]);
        if kept.len() > 2 * STDERR_BYTES {
            kept.drain(..kept.len() - STDERR_BYTES);
        }
    }
    let start = kept.len().saturating_sub(STDERR_BYTES);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}
