//! One recording from start to end: pipes, the tracing thread, the conversation, the clean-up.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libc::pid_t;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::mapping::Mappings;
use super::options::RecordOptions;
use super::output::{Output, Speech};
use super::recording::Recording;
use super::spawn::{self, Command, Standard};
use super::status::{self, Identity};
use super::strikes::Strikes;
use super::timeline::{Shared, Watcher};
use super::token::Token;
use super::tracer::{Seen, Tracer, say};
use super::world::World;
use super::{filter, handle};
use crate::base::limits::STDERR_BYTES;
use crate::base::{HarnessError, Result, Rng};
use crate::driver::{Session, Target, Timeline};
use crate::trace::{Trace, Tree};

/// How long a killed tree may take to be gone.
const GRAVE: Duration = Duration::from_secs(30);

/// Runs `target` under the recorder and lets `drive` talk to it. After `drive` returned, the program's
/// input ends and it may exit by itself; then whatever is left of it is killed. Nothing of it outlives
/// this call, on any way out of it.
pub fn record<T>(
    target: &Target,
    options: &RecordOptions,
    drive: impl FnOnce(&mut Session, &mut dyn Timeline) -> Result<T>,
) -> Result<(Recording, T)> {
    let broken = |what: &str| {
        let context = format!("recording {}: {what}", target.name);
        move |error: nix::errno::Errno| HarnessError::machine(context, error)
    };
    let (stdin, to) = pipe2(OFlag::O_CLOEXEC).map_err(broken("a pipe"))?;
    let (from, stdout) = pipe2(OFlag::O_CLOEXEC).map_err(broken("a pipe"))?;
    let command = Command {
        argv: target.argv.iter().map(OsString::from).collect(),
        env: target.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        cwd: options.cwd.clone(),
    };
    let running = Running::start(&command, stdin, stdout, Speech::Protocol, options)?;
    let death = running.death();
    let rest = from.try_clone().map_err(|error| HarnessError::machine("a pipe", error))?;
    let mut session = Session::new(to, from, death, options.timeouts)
        .map_err(|error| HarnessError::machine(format!("talking to {}", target.name), error))?;
    let mut watcher = Watcher(running.shared.clone());
    let answer = drive(&mut session, &mut watcher);
    drop(session);
    // Whatever it still prints is seen by the tracer; read it, so that a full pipe stops nobody.
    let draining = thread::Builder::new().name("output".into()).spawn(move || drain(&rest));
    let recording = running.finish(options.patience)?;
    if let Ok(draining) = draining {
        let _ = draining.join();
    }
    Ok((recording, answer?))
}

/// A program under trace, and the threads that serve it. Dropped, it kills what is left.
pub(super) struct Running {
    pub(super) shared: Arc<Shared>,
    main: pid_t,
    tracing: Option<thread::JoinHandle<std::io::Result<(Seen, Option<std::io::Error>)>>>,
    reading: Option<thread::JoinHandle<String>>,
    failure: OwnedFd,
    initial: Tree,
    name: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(tracing) = self.tracing.take() {
            self.shared.kill_all();
            // The end of the tracing thread ends what it traces, whatever happened to it.
            let _ = tracing.join();
        }
    }
}

impl Running {
    /// Starts the program under trace.
    pub(super) fn start(
        command: &Command,
        stdin: OwnedFd,
        stdout: OwnedFd,
        speech: Speech,
        options: &RecordOptions,
    ) -> Result<Self> {
        let name = command.argv.first().map(|word| word.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let context = format!("recording {name}");
        let failed = |error: std::io::Error| HarnessError::machine(context.clone(), error);
        let (world, initial) = World::read(&options.root)
            .map_err(|error| HarnessError::at("reading", &options.root, error))?;
        let root = File::open(&options.root)
            .map_err(|error| HarnessError::at("opening", &options.root, error))?;
        let root_device = status::of(&root).map_err(failed)?.identity.dev;
        drop(root);
        let identity = |fd: &OwnedFd| status::of(fd).map(|status| status.identity);
        let (stdin_identity, stdout_identity) =
            (identity(&stdin).map_err(failed)?, identity(&stdout).map_err(failed)?);
        let (errors, stderr) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let reading = thread::Builder::new()
            .name("stderr".into())
            .spawn(move || keep_end(errors))
            .map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let place = Place { world, stdin_identity, stdout_identity, root_device, speech };
        let (tell, told) = mpsc::sync_channel(1);
        let (command, theirs) = (command.clone(), shared.clone());
        let standard = Standard { stdin, stdout, stderr };
        let (options, seed) = (options.clone(), Rng::new(options.seed).fork("token"));
        let tracing = thread::Builder::new()
            .name("tracer".into())
            .spawn(move || {
                let over = Over(theirs.clone());
                let traced = trace(&command, standard, place, &options, seed, &theirs, &tell);
                drop(over);
                traced
            })
            .map_err(failed)?;
        let Ok((main, failure)) = told.recv() else {
            // The thread ended before it had started anything.
            let error = match tracing.join() {
                Ok(Err(error)) => error,
                _ => std::io::Error::other("the tracing thread is gone"),
            };
            return Err(failed(error));
        };
        let (tracing, reading) = (Some(tracing), Some(reading));
        Ok(Self { shared, main, tracing, reading, failure, initial, name })
    }

    /// A descriptor that becomes readable when the program itself ends.
    pub(super) fn death(&self) -> Option<OwnedFd> {
        handle::of_process(self.main).ok()
    }

    /// Waits for the end, or makes it, and gathers what was seen.
    pub(super) fn finish(mut self, patience: Duration) -> Result<Recording> {
        let overdue = !self.shared.wait_over(patience);
        if overdue {
            self.shared.kill_all();
            if !self.shared.wait_over(GRAVE) {
                let text = format!("{} cannot be ended: a process hangs in the kernel", self.name);
                return Err(HarnessError::broken(text));
            }
        }
        let joined = match self.tracing.take() {
            Some(tracing) => tracing.join(),
            None => return Err(HarnessError::broken("recorded twice")),
        };
        let context = format!("tracing {}", self.name);
        let (seen, trouble) = match joined {
            Ok(Ok(traced)) => traced,
            Ok(Err(error)) => return Err(HarnessError::machine(context, error)),
            Err(_) => return Err(HarnessError::broken(format!("{context}: the tracer panicked"))),
        };
        if let Some(error) = trouble {
            return Err(HarnessError::machine(context, error));
        }
        if let Some(error) = spawn::failure(&self.failure) {
            return Err(HarnessError::machine(format!("starting {}", self.name), error));
        }
        let stderr =
            self.reading.take().and_then(|reading| reading.join().ok()).unwrap_or_default();
        let events = std::mem::take(&mut self.shared.lock().events);
        let initial = std::mem::take(&mut self.initial);
        let paths = |set: std::collections::BTreeSet<Vec<u8>>| {
            set.into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect()
        };
        Ok(Recording {
            trace: Trace { initial, events, unmodelled: seen.unmodelled, blind: seen.blind },
            exit: seen.status.map_or_else(|| "never ended".into(), say),
            clean: seen.status == Some(0),
            overdue,
            operations: seen.operations,
            looks: seen.looks,
            struck: seen.struck,
            stderr,
            outside_written: paths(seen.outside_written),
            outside_read: paths(seen.outside_read),
        })
    }
}

/// Says that nothing is traced any more, also when the tracing thread panics.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set_over();
    }
}

struct Place {
    world: World,
    stdin_identity: Identity,
    stdout_identity: Identity,
    root_device: (u32, u32),
    speech: Speech,
}

/// The tracing thread's whole life.
fn trace(
    command: &Command,
    standard: Standard,
    place: Place,
    options: &RecordOptions,
    rng: Rng,
    shared: &Arc<Shared>,
    tell: &mpsc::SyncSender<(pid_t, OwnedFd)>,
) -> std::io::Result<(Seen, Option<std::io::Error>)> {
    let own_mask = options.cpu.map(pin).transpose()?;
    let filter = filter::program(options.trace_reads);
    let (main, failure) = spawn::start(command, standard, &filter, options.cpu)?;
    let mut tracer = Tracer {
        shared: shared.clone(),
        world: place.world,
        threads: Default::default(),
        token: Token::new(rng),
        mappings: Mappings::default(),
        strikes: Strikes::new(options.plan.clone()),
        output: Output::new(place.speech),
        stdout: place.stdout_identity,
        stdin_identity: Some(place.stdin_identity),
        root_device: place.root_device,
        own_mask,
        reads: options.trace_reads,
        seen: Seen::default(),
        main,
        killed: false,
        backlog: Default::default(),
        next_number: 0,
        trouble: None,
    };
    tracer.know(main);
    let _ = tell.send((main, failure));
    tracer.run()?;
    Ok((tracer.seen, tracer.trouble))
}

/// Moves this thread to one processor. Returns the processors that it had before.
fn pin(cpu: usize) -> std::io::Result<Vec<u8>> {
    let mut before = vec![0u8; size_of::<libc::cpu_set_t>()];
    // SAFETY: the buffer has the size that is passed.
    let size =
        unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, before.len(), before.as_mut_ptr()) };
    if size < 0 {
        return Err(std::io::Error::last_os_error());
    }
    before.truncate(size as usize);
    let mut only = nix::sched::CpuSet::new();
    only.set(cpu)?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &only)?;
    Ok(before)
}

/// Reads a pipe to its end and forgets what it says.
fn drain(pipe: &OwnedFd) {
    let mut piece = [0; 4096];
    loop {
        match nix::unistd::read(pipe, &mut piece) {
            Ok(0) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let ready = PollFd::new(pipe.as_fd(), PollFlags::POLLIN);
                if !matches!(poll(&mut [ready], PollTimeout::NONE), Ok(_) | Err(Errno::EINTR)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

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
