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
}

impl Shares {
    /// Begins now.
    pub fn new(extent: Extent, interrupted: Arc<AtomicBool>) -> Self {
        Self { extent, started: Instant::now(), interrupted, hangs: Hangs::default() }
    }

    /// The share of `fault`, with `faults_left` still to run, itself included. Of a time budget it gets
    /// an equal part of what is left, so that a fault that ends early leaves more to the others; one that
    /// overruns leaves at least half of an equal part of the whole.
    pub fn of(&self, fault: FaultName, faults_left: u32) -> Budget {
        let (cases, time) = match self.extent {
            Extent::Default => (default_cases(fault), Some(limits::DEFAULT_FAULT_TIME)),
            Extent::Cases(cases) => (cases, None),
            Extent::Time(time) => {
                let left = time.saturating_sub(self.started.elapsed());
                let share =
                    (left / faults_left.max(1)).max(time / (2 * FaultName::ALL.len() as u32));
                (u64::MAX, Some(share.max(Duration::from_millis(1))))
            }
        };
        let fewest = limits::FEWEST_CASES[fault as usize];
        let deadline = match self.extent {
            Extent::Time(time) => self.started.checked_add(time),
            Extent::Default | Extent::Cases(_) => None,
        };
        Budget::new(cases, time, Arc::clone(&self.interrupted))
            .ending(deadline)
            .at_least(fewest)
            .counting(&self.hangs)
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
        let shares = Shares::new(Extent::Default, Arc::default());
        assert_eq!(shares.of(FaultName::Media, 3).cases(), limits::DEFAULT_MEDIA_CASES);
    }

    #[test]
    fn a_time_budget_is_shared_among_the_faults_that_are_left() {
        let shares = Shares::new(Extent::Time(Duration::from_secs(0)), Arc::default());
        let budget = shares.of(FaultName::Kill, 4);
        std::thread::sleep(Duration::from_millis(5));
        assert!(!budget.take(), "no time is left");
        assert_eq!(budget.cases(), u64::MAX);
    }

    #[test]
    fn a_fault_that_overran_does_not_take_all_from_the_others() {
        let time = Duration::from_secs(10);
        let started = Instant::now().checked_sub(2 * time).expect("the machine is up that long");
        let shares = Shares { started, ..Shares::new(Extent::Time(time), Arc::default()) };
        let budget = shares.of(FaultName::Io, 1);
        std::thread::sleep(Duration::from_millis(5));
        let fewest = limits::FEWEST_CASES[FaultName::Io as usize];
        assert!((0..=fewest).all(|_| budget.take()), "more than the fewest");
    }

    #[test]
    fn a_fault_whose_time_is_over_goes_on_to_its_fewest_cases() {
        let time = Duration::from_secs(60);
        let shares = Shares::new(Extent::Time(time), Arc::default());
        let late = shares.of(FaultName::Media, 1).begun_before(time + time / 2);
        let fewest = limits::FEWEST_CASES[FaultName::Media as usize];
        assert_eq!((0..2 * fewest).filter(|_| late.take()).count() as u64, fewest);
    }
}
