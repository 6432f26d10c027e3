//! How much is judged before a saved case is answered: a number of recoveries, and a time that counts
//! once the fewest were done.

use std::time::Instant;

use crate::base::{HarnessError, Result, limits};
use crate::fault::Budget;

/// What may still be done.
#[derive(Debug)]
pub struct Effort<'a> {
    budget: &'a Budget,
    started: Instant,
    /// States that were judged.
    pub states: u64,
    recoveries: u64,
    /// At most this many recoveries.
    most: u64,
    ended: Option<&'static str>,
}

impl<'a> Effort<'a> {
    /// An effort of as many recoveries as `budget` has cases, [`limits::REPLAY_CASES`] where it has no
    /// end.
    pub fn new(budget: &'a Budget) -> Self {
        Self::of(budget, limits::REPLAY_CASES)
    }

    /// The same with `most` where the budget has no end: of whole runs, say, there are fewer.
    pub fn of(budget: &'a Budget, most: u64) -> Self {
        let most = match budget.cases() {
            u64::MAX => most,
            cases => cases,
        };
        let started = Instant::now();
        Self { budget, started, states: 0, recoveries: 0, most, ended: None }
    }

    /// True if another state may be judged, which counts as one; `recoveries` have been done so far.
    /// An error once the user asked to stop: half an answer is none.
    pub fn take(&mut self, recoveries: u64) -> Result<bool> {
        if self.budget.interrupted() {
            return Err(HarnessError::Interrupted);
        }
        self.recoveries = self.recoveries.max(recoveries);
        if self.recoveries >= self.most {
            self.ended = Some("over the number of cases");
        } else if self.recoveries >= limits::REPLAY_FEWEST
            && self.started.elapsed() >= limits::REPLAY_TIME
        {
            self.ended = Some("the time was over");
        } else {
            self.states += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives another share: up to this part of the whole, 0 to 1.
    pub fn upto(&self, part: f64) -> u64 {
        (self.most as f64 * part).ceil() as u64
    }

    /// Why not everything was judged, in words that end a sentence; nothing where it was.
    pub fn left_out(&self) -> String {
        self.ended.map_or_else(String::new, |why| format!(", further ones not: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_ends_at_its_number_of_recoveries_and_says_so() {
        let budget = Budget::new(3, None, std::sync::Arc::default());
        let mut effort = Effort::new(&budget);
        assert!(effort.take(0).unwrap() && effort.take(2).unwrap());
        assert_eq!(effort.left_out(), "");
        assert!(!effort.take(3).unwrap());
        assert_eq!(
            (effort.states, effort.left_out().as_str()),
            (2, ", further ones not: over the number of cases")
        );
    }
}
