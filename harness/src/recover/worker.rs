//! A worker: one directory that becomes image after image, and one driver process that recovers
//! from each, kept alive where the driver can `reopen`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::converse::{self, Talk, converse};
use super::hangs::Hangs;
use super::outcome::{Recovery, Stage};
use super::patience::Patience;
use super::reasons::Reasons;
use crate::base::limits::{self, RECOVERY_ROOM_BYTES, RECOVERY_ROOM_FACTOR};
use crate::base::{HarnessError, Result};
use crate::driver::{Capabilities, DriverFault, DriverProcess, Room, Session, Target, Timeouts};
use crate::image::{Image, Workdir};
use crate::record::ForkServer;
use crate::workload::{Answer, Contents, Key, Mutation, Request, Value};

/// How long a driver that answered everything is waited for before it is killed.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a driver is started for recovery.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The driver.
    pub target: Target,
    /// What it said of itself in the control run.
    pub capabilities: Capabilities,
    /// How long its answers may take by the user's word.
    pub timeouts: Timeouts,
    /// The first limits, by what the control run took; nothing where there was none.
    pub first: Option<Timeouts>,
    /// When the run's time is over, where it was given one.
    pub deadline: Option<Instant>,
    /// A finding is confirmed: answers are waited for as long as the user says.
    pub confirms: bool,
    /// A program that is slow to start may be started once and forked.
    pub forks: bool,
    /// A folder for directories and private folders.
    pub root: PathBuf,
    /// Where hangs are counted.
    pub hangs: Hangs,
    /// Set when the run is to end: a recovery that takes long is then given up.
    pub interrupted: Arc<AtomicBool>,
    /// What a recovered store is asked where it is used.
    pub usage: Arc<[Request]>,
}

impl Setup {
    /// A setup outside of any run: nothing is known but what the user says.
    pub fn new(
        target: Target,
        capabilities: Capabilities,
        timeouts: Timeouts,
        root: impl Into<PathBuf>,
    ) -> Self {
        Self {
            target,
            capabilities,
            timeouts,
            first: None,
            deadline: None,
            confirms: false,
            forks: true,
            root: root.into(),
            hangs: Hangs::default(),
            interrupted: Arc::default(),
            usage: Arc::default(),
        }
    }
}

/// A process that waits for `open`.
struct Ready {
    process: DriverProcess,
    session: Session,
    patience: Patience,
}

/// Recovers images one after another.
#[derive(Debug)]
pub struct Worker {
    setup: Setup,
    workdir: Workdir,
    folder: tempfile::TempDir,
    /// What the driver may make the directory take.
    room_bytes: u64,
    live: Option<(DriverProcess, Session)>,
    refusals: Refusals,
    reasons: Reasons,
    server: Server,
    /// The process of the latest recovery was a fork.
    forked: bool,
}

/// Where processes come from that are used once.
#[derive(Debug)]
enum Server {
    /// Each is started; whether they are slow to start is not known yet.
    Unknown,
    /// Each is started, always.
    None,
    /// A program that took this long to start, and is to be started once and forked.
    Wanted(Duration),
    /// That program.
    Forks(Box<ForkServer>),
}

/// What is known of a process that answered `refused` and is asked again: the protocol lets `open` follow
/// `close`, and there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Refusals {
    /// The process that lives did not refuse.
    #[default]
    None,
    /// It did. If the next store does not open either, a fresh process is asked too.
    Live,
    /// What one refused stands in the way of the next: no process is asked again after it.
    Final,
}

impl Worker {
    /// A worker with a directory of its own below `setup.root`.
    pub fn new(setup: &Setup) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("recover-")
            .tempdir_in(&setup.root)
            .map_err(|error| HarnessError::at("making", &setup.root, error))?;
        let workdir = Workdir::new(folder.path().join("store"))?;
        Ok(Self {
            setup: setup.clone(),
            workdir,
            folder,
            room_bytes: RECOVERY_ROOM_BYTES,
            live: None,
            refusals: Refusals::None,
            reasons: Reasons::default(),
            server: match setup.forks && !setup.confirms && !setup.capabilities.reopen {
                true => Server::Unknown,
                false => Server::None,
            },
            forked: false,
        })
    }

    /// What the driver makes of `image`. An answer that does not come within the first limit is a hang
    /// until it is confirmed; see [`Setup::confirms`].
    pub fn recover(&mut self, image: &Image) -> Result<Recovery> {
        self.once(image)
    }

    /// The directory as the last recovery left it.
    pub fn left(&mut self) -> Result<Image> {
        self.workdir.note_recovery()?;
        Ok(self.workdir.holds().clone())
    }

    fn once(&mut self, image: &Image) -> Result<Recovery> {
        // A driver that ended while it was idle says nothing about this image: take a new one, once.
        let used = self.live.is_some();
        let refused = used && self.refusals == Refusals::Live;
        match self.attempt(image)? {
            Recovery::Crashed { stage: Stage::Open, .. } if used => self.attempt(image),
            recovery
                if refused && is_refusal(&recovery) && self.reasons.are_to_be_asked(&recovery) =>
            {
                self.live = None;
                let fresh = self.attempt(image)?;
                let same = fresh.gives_the_reason_of(&recovery);
                self.reasons.note(&recovery, same);
                if !same {
                    (self.live, self.refusals) = (None, Refusals::Final);
                }
                Ok(fresh)
            }
            recovery => Ok(recovery),
        }
    }

    fn attempt(&mut self, image: &Image) -> Result<Recovery> {
        self.become_image(image)?;
        let recovery = self.talk(&[], &[])?.0;
        let opened = matches!(recovery, Recovery::Opened(_));
        if !self.forked || opened || !self.reasons.are_to_be_asked(&recovery) {
            return Ok(recovery);
        }
        // What fails in a fork counts only if it does in a process that was started for it.
        let server = std::mem::replace(&mut self.server, Server::None);
        self.become_image(image)?;
        let started = self.talk(&[], &[])?.0;
        let same = started.is_like(&recovery);
        self.reasons.note(&recovery, same);
        if same {
            self.server = server;
        }
        Ok(started)
    }

    fn become_image(&mut self, image: &Image) -> Result<()> {
        if !self.setup.capabilities.reopen {
            self.live = None;
        }
        self.workdir.become_image(image)?;
        self.workdir.lend();
        self.room_bytes = room_bytes(image);
        Ok(())
    }

    fn process(&mut self) -> Result<(DriverProcess, Session)> {
        self.forked = false;
        if let Some(live) = self.live.take() {
            return Ok(live);
        }
        let Setup { target, root, timeouts, .. } = &self.setup;
        if let Server::Wanted(took) = self.server {
            // Every call of its start is seen, which slows it down.
            let within = took.saturating_mul(limits::TRACED_START) + FAREWELL;
            let started = ForkServer::start(target, root, within)?;
            self.server = started.map_or(Server::None, |server| Server::Forks(server.into()));
        }
        if let Server::Forks(server) = &mut self.server {
            if let Some(fork) = server.fork(*timeouts)? {
                self.forked = true;
                return Ok(fork);
            }
            self.server = Server::None;
        }
        DriverProcess::spawn(target, root, *timeouts)
    }

    fn keep(&mut self, mut process: DriverProcess, mut session: Session) {
        if self.setup.capabilities.reopen {
            self.live = Some((process, session));
        } else {
            session.end_input();
            // What it does after `close` was answered is no part of recovery.
            let _ = process.finish(FAREWELL);
        }
    }

    /// Recovers `image`, closes and opens again: what both showed; nothing second if the first did not
    /// open. Where the driver can `sync`, one stands between the first `open` and its `dump`, so that
    /// the first contents are those that recovery built and not those of a second opening (see
    /// [`crate::driver::serve`]).
    pub fn stable(&mut self, image: &Image) -> Result<(Recovery, Option<Recovery>)> {
        self.become_image(image)?;
        self.forget_refusals();
        let between: &[Request] = if self.setup.capabilities.sync { &[Request::Sync] } else { &[] };
        self.twice(between)
    }

    /// Recovers `image`, closes and opens again, with nothing between `open` and `dump`.
    pub fn reopened(&mut self, image: &Image) -> Result<(Recovery, Option<Recovery>)> {
        self.become_image(image)?;
        self.forget_refusals();
        self.twice(&[])
    }

    /// What follows is not asked again: no process that refused is asked at all.
    fn forget_refusals(&mut self) {
        if self.refusals == Refusals::Live {
            self.live = None;
        }
    }

    fn twice(&mut self, between: &[Request]) -> Result<(Recovery, Option<Recovery>)> {
        let (first, _) = self.talk(between, &[])?;
        let second = match first {
            Recovery::Opened(_) => Some(self.talk(&[], &[])?.0),
            _ => None,
        };
        Ok((first, second))
    }

    /// Recovers `image`, which showed `shown`, puts a pair, closes and opens again. The pair is as long as
    /// most of those there: where recovery left what it dropped behind the end of a log, the put takes
    /// the place of a record of that length, and what follows may seem to be valid again.
    pub fn writable(&mut self, image: &Image, shown: &Contents) -> Result<Tried> {
        self.become_image(image)?;
        self.forget_refusals();
        let key = Key::from("unplug.writable");
        let value = Value::new("w".repeat(usual(shown).saturating_sub(key.as_str().len()).max(1)));
        let put = Request::Write(Mutation::Put(key.clone(), value.clone()));
        let (mut first, mut answer) = self.talk(&[], std::slice::from_ref(&put))?;
        if matches!(answer, Some(Answer::Err(_))) {
            // `err` is a legal answer to one write. A store that takes none says it again.
            self.become_image(image)?;
            (first, answer) = self.talk(&[], &[put.clone(), put])?;
        }
        let second = self.talk(&[], &[])?.0;
        Ok(Tried { key, value, first, answer, second })
    }

    /// One recovery of the directory as it is, with requests `before` and `after` the dump; the answer
    /// to the last of those after it.
    fn talk(
        &mut self,
        before: &[Request],
        after: &[Request],
    ) -> Result<(Recovery, Option<Answer>)> {
        let dir = self.workdir.path().to_path_buf();
        let Ready { mut process, mut session, patience } = self.ready()?;
        let mut answer = None;
        let talk = converse(&mut session, &dir, before, after, &mut answer);
        self.setup.hangs.answered(&session.slowest(), &patience.first);
        if matches!(self.server, Server::Unknown) && session.start_took() >= limits::FORKED_FROM {
            self.server = Server::Wanted(session.start_took());
        }
        match talk {
            Talk::Done(recovery) => {
                let refused = is_refusal(&recovery);
                if !refused || self.refusals != Refusals::Final {
                    self.keep(process, session);
                }
                if self.refusals != Refusals::Final {
                    self.refusals = if refused { Refusals::Live } else { Refusals::None };
                }
                Ok((recovery, answer))
            }
            Talk::DoneWith(recovery) => Ok((recovery, answer)),
            Talk::Failed(_, DriverFault::Abandoned) => Err(HarnessError::Interrupted),
            Talk::Failed(stage, fault) => {
                let counts = !self.setup.confirms && !self.forked;
                if matches!(fault, DriverFault::Hung { .. }) && counts {
                    self.setup.hangs.note();
                }
                Ok((converse::failed(stage, process.explain(fault)), answer))
            }
        }
    }

    /// A process that waits for `open`, with the limits of what is asked of it.
    fn ready(&mut self) -> Result<Ready> {
        let (process, mut session) = self.process()?;
        let patience = Patience::of(&self.setup);
        session.wait_briefly(patience.most);
        session.watch(patience.watching(&process));
        session.heed(Arc::clone(&self.setup.interrupted));
        let dir = self.workdir.path().to_path_buf();
        session.limit_room(Room { dir, limit_bytes: self.room_bytes });
        Ok(Ready { process, session, patience })
    }

    /// What a fresh process makes of `image`, from which `recovery` did not open; nothing where the reason is
    /// believed.
    pub fn second_opinion(
        &mut self,
        image: &Image,
        recovery: &Recovery,
    ) -> Result<Option<Recovery>> {
        if !self.reasons.are_to_be_asked(recovery) {
            return Ok(None);
        }
        let fresh = self.confirm(image)?;
        self.reasons.note(recovery, fresh.is_like(recovery));
        Ok(Some(fresh))
    }

    /// What the driver makes of `image` in a fresh process, which is never a fork, and a fresh directory.
    pub fn confirm(&self, image: &Image) -> Result<Recovery> {
        Worker::new(&Setup { forks: false, ..self.setup.clone() })?.recover(image)
    }

    /// True if it is known that the program is started for each recovery that needs a process.
    pub fn never_forks(&self) -> bool {
        matches!(self.server, Server::None)
    }

    /// The folder in which this worker's directory lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A put that was tried on a recovered store.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// What recovery had shown.
    pub first: Recovery,
    /// The put's answer; nothing if the driver died or hung instead, or never opened.
    pub answer: Option<Answer>,
    /// What was there after the put and a clean close.
    pub second: Recovery,
}

/// True if `open` was answered with `refused` or `err`.
fn is_refusal(recovery: &Recovery) -> bool {
    matches!(recovery, Recovery::Refused { stage: Stage::Open, .. })
}

/// How many bytes the key and the value of most pairs have; of as many the fewest.
fn usual(shown: &Contents) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (key, value) in shown {
        *counts.entry(key.as_str().len() + value.as_str().len()).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(length, count)| (**count, Reverse(**length)));
    most.map_or(0, |(length, _)| *length)
}

mod used;

/// The most bytes that the recovery of an image may make its directory take on disk.
pub fn room_bytes(image: &Image) -> u64 {
    RECOVERY_ROOM_BYTES.max(image.file_bytes().saturating_mul(RECOVERY_ROOM_FACTOR))
}

#[cfg(test)]
mod tests;
