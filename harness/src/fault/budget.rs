//! How much a fault may still do: cases, time, and whether the run was interrupted. The clock decides
//! only when to stop, never what to visit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::limits;
use crate::recover::Hangs;

/// A share of the run's budget. One is given to each fault; threads of the fault share it.
#[derive(Debug)]
pub struct Budget {
    cases: u64,
    used: AtomicU64,
    started: Instant,
    time: Option<Duration>,
    /// So many cases are tried before the time counts in full.
    floor: u64,
    /// Time of preparations that is not counted, in nanoseconds.
    excused: AtomicU64,
    /// When the run's time is over, where it was given one.
    deadline: Option<Instant>,
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

impl Budget {
    /// A budget of at most `cases` cases and, where given, `time` from now on.
    pub fn new(cases: u64, time: Option<Duration>, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            cases,
            used: AtomicU64::new(0),
            started: Instant::now(),
            time,
            floor: 0,
            excused: AtomicU64::new(0),
            deadline: None,
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

    /// Where hangs of the program are counted.
    pub fn hangs(&self) -> &Hangs {
        &self.hangs
    }

    /// The same in a run whose time is over at `deadline`: nothing is waited for much longer.
    #[must_use]
    pub fn ending(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// When the run's time is over, where it was given one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A budget for confirming findings: without limits of its own, but the run's end and its interrupt.
    pub fn to_confirm(&self) -> Self {
        let budget = Self::new(u64::MAX, None, Arc::clone(&self.interrupted));
        Self { confirms: true, ..budget.ending(self.deadline).counting(&self.hangs) }
    }

    /// True where answers are waited for as long as the user says.
    pub fn confirms(&self) -> bool {
        self.confirms
    }

    /// The same, with so many cases that are tried even where the time is over before: a slow program
    /// or machine is judged by something too. They get up to [`limits::PATIENCE`] times the time.
    #[must_use]
    pub fn at_least(self, floor: u64) -> Self {
        Self { floor, ..self }
    }

    /// A budget without limits, for judging one case.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, None, Arc::default())
    }

    /// A budget of its own for a part of the work: `of_cases` of the cases and `of_time` of the time
    /// that are left.
    pub fn part(&self, of_cases: f64, of_time: f64) -> Self {
        let cases = match self.cases {
            u64::MAX => u64::MAX,
            cases => ((cases - self.used()) as f64 * of_cases).ceil() as u64,
        };
        let time = self.time.map(|time| time.saturating_sub(self.counted()).mul_f64(of_time));
        let part = Self::new(cases, time, Arc::clone(&self.interrupted)).ending(self.deadline);
        let floor = (self.floor as f64 * of_cases) as u64;
        Self { hung_before: self.hung_before, ..part.at_least(floor).counting(&self.hangs) }
    }

    /// Ends the preparations of a fault: a recording, say. Where they took more than half of the time,
    /// what is over is not counted, so that something is judged on a slow machine too.
    pub fn prepared(&self) {
        let Some(time) = self.time else { return };
        let over = self.counted().saturating_sub(time / 2);
        self.excused.fetch_add(over.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The time that counts so far.
    fn counted(&self) -> Duration {
        let excused = Duration::from_nanos(self.excused.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(excused)
    }

    /// Takes one case from the budget; false if it is spent. Ask before each case.
    pub fn take(&self) -> bool {
        if self.stopped().is_some() {
            return false;
        }
        self.used.fetch_add(1, Ordering::Relaxed) < self.cases
    }

    /// How many hangs end it: a few in all faults together, and one in each at least.
    fn bearable(&self) -> u32 {
        limits::HANGS.saturating_sub(self.hung_before).max(1)
    }

    /// Why nothing more may be done, if so.
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

    /// The part that is spent, 0 to 1; of cases or of time, whichever is nearer its end.
    pub fn spent(&self) -> f64 {
        let cases = self.used() as f64 / self.cases.max(1) as f64;
        cases.max(self.time_spent()).min(1.0)
    }

    /// The part of the time that is spent; of the longer time where the fewest cases are not done yet.
    fn time_spent(&self) -> f64 {
        let Some(time) = self.time else { return 0.0 };
        let spent = self.counted().as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE);
        if self.used() >= self.floor {
            return spent;
        }
        let done = self.used() as f64 / self.floor as f64;
        spent.min(done.max(spent / limits::PATIENCE))
    }
}

#[cfg(test)]
impl Budget {
    /// The same, as if it had been begun so long before.
    pub fn begun_before(self, ago: Duration) -> Self {
        let started = self.started.checked_sub(ago).expect("the machine is up that long");
        Self { started, ..self }
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
    fn the_fewest_cases_have_more_time_and_not_for_ever() {
        let budget = |seconds| {
            Budget::new(u64::MAX, Some(Duration::from_secs(10)), Arc::default())
                .at_least(4)
                .begun_before(Duration::from_secs(seconds))
        };
        let late = budget(15);
        assert_eq!((0..9).filter(|_| late.take()).count(), 4, "the fewest, and not one more");
        let later = budget(31);
        assert!(!later.take(), "three times the time is over");
    }
}
