//! What of the run's budget each fault gets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::base::limits;
use crate::fault::Budget;
use crate::recover::Hangs;
use crate::scenario::{Extent, FaultName};

/// Deals out the budget, one fault after the other.
#[derive(Debug)]
pub struct Shares {
    extent: Extent,
    started: Instant,
    interrupted: Arc<AtomicBool>,
    hangs: Hangs,
    recovery: Duration,
}

impl Shares {
    /// Begins now, for a program of which one recovery takes this long.
    pub fn new(extent: Extent, interrupted: Arc<AtomicBool>, recovery: Duration) -> Self {
        let hangs = Hangs::default();
        Self { extent, started: Instant::now(), interrupted, hangs, recovery }
    }

    /// The share of `fault`, with `faults_left` still to run, itself included. Of a time budget it gets
    /// an equal part of what is left, so that a fault that ends early leaves more to the others.
    pub fn of(&self, fault: FaultName, faults_left: u32) -> Budget {
        let (cases, time) = match self.extent {
            Extent::Default => (default_cases(fault), Some(limits::DEFAULT_FAULT_TIME)),
            Extent::Cases(cases) => (cases, None),
            Extent::Time(time) => {
                let left = time.saturating_sub(self.started.elapsed());
                (u64::MAX, Some(left / faults_left.max(1)))
            }
        };
        let deadline = match self.extent {
            Extent::Time(_) => time.and_then(|time| Instant::now().checked_add(time)),
            Extent::Default | Extent::Cases(_) => None,
        };
        let run_ends = match self.extent {
            Extent::Time(time) => self.started.checked_add(time),
            Extent::Default | Extent::Cases(_) => None,
        };
        Budget::new(cases, time, Arc::clone(&self.interrupted))
            .ending(deadline)
            .in_run_until(run_ends)
            .counting(&self.hangs)
            .for_recoveries_of(self.recovery)
    }

    /// True once the user asked to stop.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// How many cases a run without any budget gives to a fault.
fn default_cases(fault: FaultName) -> u64 {
    match fault {
        FaultName::Kill => limits::DEFAULT_KILL_CASES,
        FaultName::Power => limits::DEFAULT_POWER_CASES,
        FaultName::Media => limits::DEFAULT_MEDIA_CASES,
        FaultName::Io => limits::DEFAULT_IO_CASES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_counts_cases_and_the_clock_only_caps_them() {
        let shares = Shares::new(Extent::Default, Arc::default(), Duration::ZERO);
        assert_eq!(shares.of(FaultName::Media, 3).cases(), limits::DEFAULT_MEDIA_CASES);
    }

    #[test]
    fn a_time_budget_is_shared_among_the_faults_that_are_left() {
        let time = Duration::from_secs(4000);
        let started = Instant::now().checked_sub(time / 2).expect("the machine is up that long");
        let shares =
            Shares { started, ..Shares::new(Extent::Time(time), Arc::default(), Duration::ZERO) };
        let quarter = shares.of(FaultName::Kill, 4).left().expect("a time");
        assert!(quarter <= time / 8 && quarter > time / 9, "{quarter:?}");
        assert_eq!(shares.of(FaultName::Kill, 4).cases(), u64::MAX);
        let none = Shares::new(Extent::Time(Duration::ZERO), Arc::default(), Duration::ZERO);
        assert!(!none.of(FaultName::Io, 1).take(), "no time is left");
    }
}
