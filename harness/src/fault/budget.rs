//! How much a fault may still do: cases, time, and whether the run was interrupted. The clock decides
//! only when to stop, never what to visit.
//!
//! Time has two ends. Visiting stops early enough to group, explain and confirm what failed; where
//! nothing failed, it goes on for longer. At the deadline everything stops: what is not confirmed by then
//! is reported as unconfirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::limits;
use crate::recover::Hangs;

/// One part of so many of the time that is kept is for confirming, the others for explaining.
const CONFIRMING: u32 = 3;

/// A share of the run's budget. One is given to each fault; threads of the fault share it.
#[derive(Debug)]
pub struct Budget {
    cases: u64,
    used: AtomicU64,
    started: Instant,
    time: Option<Duration>,
    /// When everything has to be done, where the user gave a time.
    deadline: Option<Instant>,
    /// When the whole run has to be done, where the user gave a time.
    run_ends: Option<Instant>,
    /// How long one recovery takes in a process that is ready for it, as the control measured it.
    recovery: Duration,
    /// True once something failed: the end of the time is then kept for explaining it.
    failing: AtomicBool,
    /// A finding is confirmed.
    confirms: bool,
    interrupted: Arc<AtomicBool>,
    hangs: Hangs,
    /// How many there had been when this budget began.
    hung_before: u32,
}

/// Why a fault stopped before its cases were exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The number of cases is reached.
    Cases,
    /// The time is spent.
    Time,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// Recovery gave no answer so often that waiting for more shows nothing new.
    Hangs,
}

impl Stop {
    /// The reason as reports give it, after a colon.
    pub fn words(self) -> &'static str {
        match self {
            Stop::Cases => "the number of cases is reached",
            Stop::Time => "the time is over",
            Stop::Interrupted => "interrupted",
            Stop::Hangs => "recovery hung too often",
        }
    }
}

impl Budget {
    /// A budget of at most `cases` cases and, where given, `time` from now on.
    pub fn new(cases: u64, time: Option<Duration>, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            cases,
            used: AtomicU64::new(0),
            started: Instant::now(),
            time,
            deadline: None,
            run_ends: None,
            recovery: Duration::ZERO,
            failing: AtomicBool::new(false),
            confirms: false,
            interrupted,
            hangs: Hangs::default(),
            hung_before: 0,
        }
    }

    /// The same, which ends also after [`limits::HANGS`] hangs; those of earlier faults count, but one
    /// more there may always be.
    #[must_use]
    pub fn counting(self, hangs: &Hangs) -> Self {
        Self { hangs: hangs.clone(), hung_before: hangs.count(), ..self }
    }

    /// The same, for a program of which one recovery takes this long.
    #[must_use]
    pub fn for_recoveries_of(self, recovery: Duration) -> Self {
        Self { recovery, ..self }
    }

    /// Where hangs of the program are counted.
    pub fn hangs(&self) -> &Hangs {
        &self.hangs
    }

    /// The same with a deadline: nothing is waited for much longer.
    #[must_use]
    pub fn ending(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// The same in a run that has to be done by then.
    #[must_use]
    pub fn in_run_until(self, run_ends: Option<Instant>) -> Self {
        Self { run_ends, ..self }
    }

    /// When everything has to be done, explanations and confirmations included, where the user gave a
    /// time.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A budget for confirming a finding: without limits of its own, but the deadline and the interrupt. A
    /// hang takes long to prove, so the first of a fault may take of the time of the faults to come.
    pub fn to_confirm(&self, is_first_hang: bool) -> Self {
        let budget = Self::new(u64::MAX, None, Arc::clone(&self.interrupted));
        let deadline = if is_first_hang { self.run_ends.or(self.deadline) } else { self.deadline };
        Self { confirms: true, ..budget.ending(deadline).counting(&self.hangs) }
    }

    /// True where answers are waited for as long as the user says.
    pub fn confirms(&self) -> bool {
        self.confirms
    }

    /// A budget without limits, for judging one case.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, None, Arc::default())
    }

    /// A budget of its own for a part of the work: `of_cases` of the cases and `of_time` of the time
    /// that are left, without the time in which the whole confirms what failed.
    pub fn part(&self, of_cases: f64, of_time: f64) -> Self {
        let cases = match self.cases {
            u64::MAX => u64::MAX,
            cases => ((cases - self.used()) as f64 * of_cases).ceil() as u64,
        };
        let time = self.time.map(|time| {
            let until = time.saturating_sub(self.kept(time) / CONFIRMING);
            until.saturating_sub(self.elapsed()).mul_f64(of_time)
        });
        let deadline = self.deadline.map(|whole| match time {
            Some(time) => whole.min(Instant::now() + time),
            None => whole,
        });
        let part = Self::new(cases, time, Arc::clone(&self.interrupted)).ending(deadline);
        let part = part.in_run_until(self.run_ends);
        let part = part.counting(&self.hangs).for_recoveries_of(self.recovery);
        Self { hung_before: self.hung_before, ..part }
    }

    /// Takes one case from the budget; false if it is spent. Ask before each case.
    pub fn take(&self) -> bool {
        if self.stopped().is_some() {
            return false;
        }
        self.used.fetch_add(1, Ordering::Relaxed) < self.cases
    }

    /// Says that something failed: time is kept for confirming and explaining it.
    pub fn note_failure(&self) {
        self.failing.store(true, Ordering::Relaxed);
    }

    /// How many hangs end it: a few in all faults together, and one in each at least.
    fn bearable(&self) -> u32 {
        limits::HANGS.saturating_sub(self.hung_before).max(1)
    }

    /// Why nothing more may be visited, if so.
    pub fn stopped(&self) -> Option<Stop> {
        if self.interrupted() {
            Some(Stop::Interrupted)
        } else if self.hangs.count() - self.hung_before >= self.bearable() {
            Some(Stop::Hangs)
        } else if self.time_spent() >= 1.0 {
            Some(Stop::Time)
        } else if self.used.load(Ordering::Relaxed) >= self.cases {
            Some(Stop::Cases)
        } else {
            None
        }
    }

    /// True once the user asked to stop.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// What the user's wish to stop sets.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// The most cases that may be taken in all: how many to plan for, seeded, before any is run.
    pub fn cases(&self) -> u64 {
        self.cases
    }

    /// How many were taken.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed).min(self.cases)
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is left until the deadline; nothing where no time was given.
    pub fn left(&self) -> Option<Duration> {
        self.time.map(|time| time.saturating_sub(self.elapsed()))
    }

    /// The part of what may be visited that is spent, 0 to 1; of cases or of time, whichever is nearer
    /// its end.
    pub fn spent(&self) -> f64 {
        let cases = self.used() as f64 / self.cases.max(1) as f64;
        cases.max(self.time_spent()).min(1.0)
    }

    /// True at the deadline, and once the user asked to stop.
    pub fn is_over(&self) -> bool {
        self.interrupted() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// True a moment after the deadline, and once the user asked to stop. So long the first finding of a
    /// fault may still be tried.
    pub fn is_past(&self) -> bool {
        let late = |deadline: Instant| Instant::now() >= deadline + limits::CONFIRM_GRACE;
        self.interrupted() || self.deadline.is_some_and(late)
    }

    /// True when explaining has to end, so that confirming has its time.
    pub fn must_confirm(&self) -> bool {
        self.is_too_late_for(Duration::ZERO)
    }

    /// The same where the next step of explaining takes so long.
    pub fn is_too_late_for(&self, step: Duration) -> bool {
        let kept = |time: Duration| time.saturating_sub(self.kept(time) / CONFIRMING);
        self.interrupted() || self.time.is_some_and(|time| self.elapsed() + step >= kept(time))
    }

    /// The end of the time that is kept for explaining and confirming, where something failed.
    fn kept(&self, time: Duration) -> Duration {
        let wanted = limits::WRAP_UP + self.recovery * limits::WRAP_UP_RECOVERIES;
        wanted.min(time.mul_f64(limits::WRAP_UP_SHARE))
    }

    /// The part of the visiting time that is spent.
    fn time_spent(&self) -> f64 {
        let Some(time) = self.time else { return 0.0 };
        let kept = match self.failing.load(Ordering::Relaxed) {
            true => self.kept(time),
            // What is under way has to be settled.
            false => self.recovery.min(time / 4),
        };
        let visiting = time.saturating_sub(kept).as_secs_f64().max(f64::MIN_POSITIVE);
        self.elapsed().as_secs_f64() / visiting
    }
}

#[cfg(test)]
impl Budget {
    /// The same, as if it had been begun so long before.
    pub fn begun_before(self, ago: Duration) -> Self {
        let started = self.started.checked_sub(ago).expect("the machine is up that long");
        let deadline = self.deadline.and_then(|deadline| deadline.checked_sub(ago));
        Self { started, deadline, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_three_cases_gives_three() {
        let budget = Budget::new(3, None, Arc::default());
        assert_eq!((0..5).filter(|_| budget.take()).count(), 3);
        assert_eq!(budget.used(), 3);
        assert_eq!(budget.stopped(), Some(Stop::Cases));
    }

    #[test]
    fn an_interrupted_or_late_budget_gives_none() {
        let flag = Arc::new(AtomicBool::new(true));
        assert!(!Budget::new(3, None, flag).take());
        let late = Budget::new(3, Some(Duration::ZERO), Arc::default());
        assert!(!late.take());
        assert_eq!(late.stopped(), Some(Stop::Time));
    }

    #[test]
    fn a_step_that_would_end_too_late_is_not_begun() {
        let ten = Duration::from_secs(10);
        let budget = Budget::new(9, Some(ten), Arc::default());
        assert!(!budget.must_confirm() && !budget.is_too_late_for(Duration::from_secs(2)));
        assert!(budget.is_too_late_for(ten));
        assert!(!Budget::unlimited().is_too_late_for(ten));
    }

    #[test]
    fn a_few_hangs_end_a_fault_and_then_one_the_next() {
        let hangs = Hangs::default();
        let budget = Budget::new(9, None, Arc::default()).counting(&hangs);
        (1..limits::HANGS).for_each(|_| hangs.note());
        assert!(budget.take());
        hangs.note();
        assert!(!budget.take());
        assert_eq!(budget.part(1.0, 1.0).stopped(), Some(Stop::Hangs));
        let next = Budget::new(9, None, Arc::default()).counting(&hangs);
        assert!(next.take());
        hangs.note();
        assert_eq!(next.stopped(), Some(Stop::Hangs));
    }

    #[test]
    fn a_failure_keeps_the_end_of_the_time_for_explaining_and_a_third_of_that_for_confirming() {
        let time = Duration::from_secs(100);
        let begun = |seconds| {
            Budget::new(u64::MAX, Some(time), Arc::default())
                .ending(Instant::now().checked_add(time))
                .for_recoveries_of(Duration::from_secs(10))
                .begun_before(Duration::from_secs(seconds))
        };
        let kept = time.mul_f64(limits::WRAP_UP_SHARE).as_secs();
        let budget = begun(100 - kept + 1);
        assert!(budget.take(), "nothing failed");
        budget.note_failure();
        assert_eq!(budget.stopped(), Some(Stop::Time));
        assert!(!budget.must_confirm() && !budget.is_over());
        let later = begun(100 - kept / 3 + 1);
        assert!(later.must_confirm() && !later.is_over());
        assert!(begun(101).is_over());
    }

    #[test]
    fn the_first_hang_of_a_fault_is_confirmed_within_the_time_of_the_run() {
        let now = Instant::now();
        let (soon, late) = (now + Duration::from_secs(9), now + Duration::from_secs(99));
        let budget = Budget::unlimited().ending(Some(soon)).in_run_until(Some(late));
        assert_eq!(budget.to_confirm(true).deadline(), Some(late));
        assert_eq!(budget.to_confirm(false).deadline(), Some(soon));
        assert_eq!(Budget::unlimited().to_confirm(true).deadline(), None);
    }

    #[test]
    fn a_fast_program_keeps_less_of_a_long_time() {
        let hour = Duration::from_secs(3600);
        let budget = Budget::new(u64::MAX, Some(hour), Arc::default())
            .for_recoveries_of(Duration::from_millis(1))
            .begun_before(hour - 2 * limits::WRAP_UP);
        budget.note_failure();
        assert!(budget.take());
    }
}
