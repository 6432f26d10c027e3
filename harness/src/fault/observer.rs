//! The one stream of events that a run tells to whoever listens: terminal, log, tests. It carries
//! what happens while it happens; what came out of it is the outcome, not the stream.

use super::budget::Budget;
use super::context::Timing;
use super::finding::Finding;
use super::outcome::Totals;
use crate::scenario::FaultName;

/// Something that happened during a run.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The control run began.
    ControlStarted,
    /// The control run passed.
    ControlPassed {
        /// How fast the program was.
        timing: Timing,
    },
    /// A fault began.
    FaultStarted(FaultName),
    /// A fault went on; told as often as the fault likes, the listener thins it out.
    Working {
        /// Which fault.
        fault: FaultName,
        /// Its counts so far.
        totals: &'a Totals,
        /// How many findings it has so far.
        findings: usize,
        /// What is left of its budget.
        budget: &'a Budget,
    },
    /// A fault saw a failing case for the first time; not confirmed yet.
    Suspected(&'a Finding),
    /// A fault's cases are all judged, and what failed is grouped and explained.
    Concluding(FaultName),
    /// A finding is being confirmed and made smaller.
    Confirming {
        /// Which fault's.
        fault: FaultName,
        /// The how-many-th it is, from 0.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// A finding was confirmed in fresh processes.
    Confirmed(&'a Finding),
    /// A fault ended.
    FaultFinished {
        /// Which fault.
        fault: FaultName,
        /// Its counts.
        totals: &'a Totals,
    },
    /// Something worth a line.
    Note(&'a str),
}

/// Listens to a run. Called from several threads.
pub trait Observer: Sync {
    /// Something happened.
    fn on(&self, progress: Progress<'_>);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: Progress<'_>) {}
}
