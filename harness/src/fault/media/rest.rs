//! Stores at rest: the workload run on a live directory, closed cleanly or killed at a seeded
//! acknowledgement, with a snapshot of the directory after every acknowledgement. Nothing is damaged
//! here.

use std::path::{Path, PathBuf};

use crate::base::{HarnessError, Result};
use crate::driver::drive::{End, Plan, Processes, Watch, drive};
use crate::driver::{Counter, Timeline};
use crate::fault::asked;
use crate::fault::context::Context;
use crate::image::Image;
use crate::media::Snapshots;
use crate::oracle::Loss;
use crate::workload::{Answer, History, Moment, OpNo, Request};

/// A store at rest, with how it came there.
#[derive(Clone, Debug)]
pub struct Rest {
    /// True if it was killed and not closed.
    pub killed: bool,
    /// What had been asked and promised.
    pub history: History,
    /// The moment after everything.
    pub end: Moment,
    /// What the directory holds.
    pub image: Image,
    /// What it held after each acknowledgement.
    pub snapshots: Snapshots,
    /// How many requests were answered.
    pub acknowledged: u32,
}

impl Rest {
    /// What struck before the damage.
    pub fn loss(&self) -> Loss {
        if self.killed { Loss::Kill } else { Loss::None }
    }
}

/// Runs the workload to its end, or kills the store after `kill_after` acknowledgements.
pub fn come_to_rest(ctx: &Context<'_>, kill_after: Option<u32>) -> Result<Rest> {
    let workload = asked::workload(ctx.options, &ctx.control.capabilities);
    rest_after(ctx, &workload.requests, kill_after)
}

/// Asks these requests, and kills the store after `kill_after` acknowledgements of them.
pub fn rest_after(
    ctx: &Context<'_>,
    requests: &[Request],
    kill_after: Option<u32>,
) -> Result<Rest> {
    let folder = tempfile::Builder::new()
        .prefix("media-")
        .tempdir_in(ctx.image_root)
        .map_err(|error| HarnessError::at("making a folder in", ctx.image_root, error))?;
    let dir = folder.path().join("store");
    std::fs::create_dir(&dir).map_err(|error| HarnessError::at("making", &dir, error))?;
    let mut watch = Watcher::new(&dir, kill_after);
    let mut host = Processes::new(ctx.target, asked::timeouts(ctx.options), folder.path());
    let plan = Plan {
        dir: &dir,
        requests,
        // One after the other, so that a snapshot lies between two requests.
        threads: 1,
        capabilities: Some(&ctx.control.capabilities),
    };
    let driven = drive(&mut host, &mut watch, &plan)?;
    match (&driven.end, kill_after) {
        (End::Finished, _) | (End::Stopped, Some(_)) => {}
        (end, _) => {
            return Err(HarnessError::setup(format!(
                "the workload ran in the control and not again before the damage: {end:?}"
            )));
        }
    }
    watch.failed?;
    let image = Image::load_after(&dir, &watch.last)?;
    let killed = driven.end == End::Stopped;
    Ok(Rest {
        killed,
        end: watch.counter.now(),
        history: watch.counter.into_history(),
        image,
        snapshots: watch.snapshots,
        acknowledged: watch.acknowledged,
    })
}

/// Counts, and looks at the directory after each acknowledgement.
struct Watcher {
    counter: Counter,
    dir: PathBuf,
    last: Image,
    snapshots: Snapshots,
    acknowledged: u32,
    kill_after: Option<u32>,
    failed: Result<()>,
}

impl Watcher {
    fn new(dir: &Path, kill_after: Option<u32>) -> Self {
        Self {
            counter: Counter::default(),
            dir: dir.to_owned(),
            last: Image::empty(),
            snapshots: Snapshots::default(),
            acknowledged: 0,
            kill_after,
            failed: Ok(()),
        }
    }

    fn look(&mut self) -> Result<()> {
        // A file may go while the directory is listed, where the store has threads of its own.
        let mut tries = 0;
        let image = loop {
            match Image::load_after(&self.dir, &self.last) {
                Err(_) if tries < 20 => tries += 1,
                image => break image?,
            }
        };
        self.last = image.clone();
        let moment = Moment(self.counter.now().0.saturating_sub(1));
        self.snapshots.push(moment, image);
        Ok(())
    }
}

impl Timeline for Watcher {
    fn asking(&mut self, op: OpNo, request: &Request) {
        self.counter.asking(op, request);
    }

    fn answered(&mut self, op: OpNo, answer: &Answer) {
        self.counter.answered(op, answer);
        self.acknowledged += 1;
        if self.failed.is_ok() {
            self.failed = self.look();
        }
    }
}

impl Watch for Watcher {
    fn stop(&mut self) -> bool {
        self.failed.is_err() || self.kill_after.is_some_and(|count| self.acknowledged >= count)
    }

    fn timeline(&mut self) -> &mut dyn Timeline {
        self
    }
}
