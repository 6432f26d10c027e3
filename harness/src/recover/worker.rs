//! A worker: one directory that becomes image after image, and one driver process that recovers
//! from each, kept alive where the driver can `reopen`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::converse::{self, Talk, ask, converse};
use super::outcome::{Recovery, Stage};
use crate::base::Result;
use crate::driver::{Capabilities, DriverFault, DriverProcess, Session, Target, Timeouts};
use crate::image::{Image, Workdir};
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
    /// How long its answers may take.
    pub timeouts: Timeouts,
    /// A folder for directories and private folders.
    pub root: PathBuf,
}

/// Recovers images one after another.
#[derive(Debug)]
pub struct Worker {
    setup: Setup,
    workdir: Workdir,
    folder: tempfile::TempDir,
    live: Option<(DriverProcess, Session)>,
}

impl Worker {
    /// A worker with a directory of its own below `setup.root`.
    pub fn new(setup: &Setup) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("recover-")
            .tempdir_in(&setup.root)
            .map_err(|error| crate::base::HarnessError::at("making", &setup.root, error))?;
        let workdir = Workdir::new(folder.path().join("store"))?;
        Ok(Self { setup: setup.clone(), workdir, folder, live: None })
    }

    /// What the driver makes of `image`. A hang counts only if it is one at three times the limit, in
    /// a fresh process.
    pub fn recover(&mut self, image: &Image) -> Result<Recovery> {
        let recovery = self.once(image)?;
        if !matches!(recovery, Recovery::Hung { .. }) {
            return Ok(recovery);
        }
        let patient = Setup { timeouts: self.setup.timeouts.to_confirm(), ..self.setup.clone() };
        Worker::new(&patient)?.once(image)
    }

    /// The directory as the last recovery left it.
    pub fn left(&mut self) -> Result<Image> {
        self.workdir.note_recovery()?;
        Ok(self.workdir.holds().clone())
    }

    fn once(&mut self, image: &Image) -> Result<Recovery> {
        // A driver that ended while it was idle says nothing about this image: take a new one, once.
        let used = self.live.is_some();
        match self.attempt(image)? {
            Recovery::Crashed { stage: Stage::Open, .. } if used => self.attempt(image),
            recovery => Ok(recovery),
        }
    }

    fn attempt(&mut self, image: &Image) -> Result<Recovery> {
        self.become_image(image)?;
        let dir = self.workdir.path().to_path_buf();
        let (mut process, mut session) = self.process()?;
        match converse(&mut session, &dir) {
            Talk::Done(recovery) => {
                self.keep(process, session);
                Ok(recovery)
            }
            Talk::DoneWith(recovery) => Ok(recovery),
            Talk::Failed(stage, fault) => Ok(converse::failed(stage, process.explain(fault))),
        }
    }

    fn become_image(&mut self, image: &Image) -> Result<()> {
        if !self.setup.capabilities.reopen {
            self.live = None;
        }
        self.workdir.become_image(image)?;
        self.workdir.lend();
        Ok(())
    }

    fn process(&mut self) -> Result<(DriverProcess, Session)> {
        match self.live.take() {
            Some(live) => Ok(live),
            None => DriverProcess::spawn(&self.setup.target, &self.setup.root, self.setup.timeouts),
        }
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

    /// Runs `requests` on the directory as it is. The dumps, in order; or what went wrong, in words.
    fn script(
        &mut self,
        requests: &[Request],
        dir: &Path,
    ) -> Result<std::result::Result<Vec<Contents>, String>> {
        let mut dumps = Vec::new();
        let mut live: Option<(DriverProcess, Session)> = None;
        let fresh = !self.setup.capabilities.reopen;
        for request in requests {
            let (mut process, mut session) = match live.take() {
                Some((mut process, mut session)) if fresh && *request == Request::Open => {
                    session.end_input();
                    let _ = process.finish(FAREWELL);
                    self.process()?
                }
                Some(live) => live,
                None => self.process()?,
            };
            let answered = match ask(&mut session, request, dir) {
                Ok(answered) => answered,
                Err(fault @ DriverFault::Hung { .. }) => return Ok(Err(fault.to_string())),
                Err(fault) => return Ok(Err(process.explain(fault).to_string())),
            };
            let word = crate::driver::session::word(request);
            match answered.answer {
                Answer::Ack => dumps.extend(answered.dump.map(|dump| dump.contents)),
                Answer::Err(text) => return Ok(Err(format!("{word}: err {text}"))),
                Answer::Refused(text) => return Ok(Err(format!("{word}: refused {text}"))),
            }
            live = Some((process, session));
        }
        if let Some((process, session)) = live {
            self.keep(process, session);
        }
        Ok(Ok(dumps))
    }

    /// Recovers `image`, closes and opens again: nothing if both show the same, else what differs.
    /// Where the driver can `sync`, one stands between the first `open` and its `dump`, so that the
    /// first contents are those that recovery built and not those of a second opening (see
    /// [`crate::driver::serve`]).
    pub fn stable(&mut self, image: &Image) -> Result<Option<String>> {
        self.become_image(image)?;
        let dir = self.workdir.path().to_path_buf();
        let mut requests = vec![Request::Open];
        if self.setup.capabilities.sync {
            requests.push(Request::Sync);
        }
        requests.extend([Request::Dump, Request::Close]);
        requests.extend(converse::REQUESTS);
        Ok(match self.script(&requests, &dir)? {
            Err(text) => Some(format!("opening again failed: {text}")),
            Ok(dumps) => match &dumps[..] {
                [first, second] if first != second => Some(difference(first, second)),
                _ => None,
            },
        })
    }

    /// Recovers `image`, puts a pair, closes and opens again: nothing if it is there with all the rest,
    /// else what is wrong.
    pub fn writable(&mut self, image: &Image) -> Result<Option<String>> {
        self.become_image(image)?;
        let dir = self.workdir.path().to_path_buf();
        let (key, value) = (Key::from("unplug.writable"), Value::from("w"));
        let put = Request::Write(Mutation::Put(key.clone(), value.clone()));
        let mut requests = vec![Request::Open, put, Request::Close];
        requests.extend(converse::REQUESTS);
        Ok(match self.script(&requests, &dir)? {
            Err(text) => Some(format!("writing after recovery failed: {text}")),
            Ok(dumps) => match dumps.first().and_then(|dump| dump.get(&key)) {
                Some(found) if *found == value => None,
                Some(found) => Some(format!("a put after recovery came back as {found:?}")),
                None => Some("a put after recovery, acknowledged, was gone after a reopen".into()),
            },
        })
    }

    /// What the driver makes of `image` in a fresh process and directory.
    pub fn confirm(&self, image: &Image) -> Result<Recovery> {
        Worker::new(&self.setup)?.recover(image)
    }

    /// The folder in which this worker's directory lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The first key whose values differ, in words.
fn difference(first: &Contents, second: &Contents) -> String {
    let keys: std::collections::BTreeSet<&Key> = first.keys().chain(second.keys()).collect();
    let differing = |key: &&&Key| first.get(key) != second.get(key);
    let count = keys.iter().filter(differing).count();
    match keys.iter().find(differing) {
        Some(key) => {
            let show = |contents: &Contents| match contents.get(key) {
                Some(value) => format!("{value:?}"),
                None => "absent".into(),
            };
            let (first, second) = (show(first), show(second));
            format!("{key} was {first} and, opened again, {second} ({count} keys differ)")
        }
        None => "the contents differ".into(),
    }
}

#[cfg(test)]
mod tests;
