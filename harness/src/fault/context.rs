//! What every fault is given: the target, the options, what the control run showed, where to put
//! temporary files, how much to do, and whom to tell.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::base::{Rng, limits};
use crate::driver::{Capabilities, Target, Timeouts};
use crate::oracle::Kind;
use crate::scenario::Options;
use crate::workload::{Contents, History};

use super::asked;
use super::budget::Budget;
use super::observer::Observer;
use super::recordings::Recordings;
use crate::recover::Setup;

/// What the run without any fault showed.
#[derive(Clone, Debug)]
pub struct Control {
    /// What the driver promises, as said at its first `open`; later ones must be the same.
    pub capabilities: Capabilities,
    /// The control workload with its answers.
    pub history: History,
    /// What the store held after it was closed and opened again.
    pub contents: Contents,
    /// Every `warn` of the control run. Where there is one, the driver's warnings are no evidence
    /// that it reported damage (ORACLE.md, `silent-loss`).
    pub warnings: Vec<String>,
    /// What clean closings and openings show wrong, without any fault.
    pub clean: BTreeSet<Kind>,
    /// False if the store does not open after a clean close: no fault shows anything more then.
    pub opens: bool,
    /// The program may be started once and forked for each recovery.
    pub forks: bool,
    /// The longest that an answer took, of each kind; nothing where there was no control run.
    pub slowest: Option<Timeouts>,
    /// How long it took.
    pub timing: Timing,
}

/// How fast the program is without any fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The whole control.
    pub took: Duration,
    /// To start, open an empty store, close it and end.
    pub start: Duration,
    /// To recover one more store: with a start, or a fork, where the driver cannot `reopen`.
    pub recovery: Duration,
    /// The whole workload, from its first `open` to its last `close`.
    pub workload: Duration,
}

/// What a fault works with.
#[derive(Clone)]
pub struct Context<'a> {
    /// How the driver is started.
    pub target: &'a Target,
    /// The run's options.
    pub options: &'a Options,
    /// What the control run showed.
    pub control: &'a Control,
    /// The run's temporary root on a real file system: an existing directory, where what needs no speed
    /// goes.
    pub run_root: &'a Path,
    /// The same on a memory file system where there is one: stores that are killed or recorded, and
    /// crash states. A kill loses nothing there either, and an fsync costs nothing.
    pub image_root: &'a Path,
    /// What was recorded for the faults before.
    pub recordings: &'a Recordings,
    /// This fault's own randomness.
    pub rng: Rng,
    /// How much may be done.
    pub budget: &'a Budget,
    /// Whom to tell.
    pub observer: &'a dyn Observer,
}

impl Context<'_> {
    /// How the driver is started for recovery.
    pub fn setup(&self) -> Setup {
        Setup {
            target: self.target.clone(),
            capabilities: self.control.capabilities.clone(),
            timeouts: asked::timeouts(self.options),
            first: self.control.slowest.map(|took| asked::timeouts(self.options).first(&took)),
            deadline: self.budget.deadline(),
            confirms: self.budget.confirms(),
            forks: self.control.forks,
            root: self.image_root.to_path_buf(),
            hangs: self.budget.hangs().clone(),
            interrupted: self.budget.flag(),
            usage: asked::usage(self.options, &self.control.capabilities).into(),
        }
    }

    /// How long a process is waited for that does more than recover, or whose calls are traced: a few times
    /// the first limits, and never longer than the user says. What gives no answer by then is confirmed
    /// later.
    pub fn brief_timeouts(&self) -> Timeouts {
        let user = asked::timeouts(self.options);
        match &self.setup().first {
            Some(first) => {
                let first = self.budget.hangs().first(first, &user);
                first.times(limits::SECOND_LOOK).min(&user)
            }
            None => user,
        }
    }
}
