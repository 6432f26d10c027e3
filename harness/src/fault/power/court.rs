//! Who judges a state: the run's own history, or the history and what an earlier recovery showed.

use std::fmt;

use crate::driver::Capabilities;
use crate::oracle::{Cycles, Judge, Loss, Verdict};
use crate::recover::Recovery;
use crate::workload::{Answer, History, Moment, Request};

/// Judges recoveries of states of one timeline.
pub trait Court: fmt::Debug {
    /// Two moments with the same key get the same verdict on the same recovery.
    fn key(&self, moment: Moment, loss: Loss) -> u64;
    /// The verdict.
    fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict;
}

impl Court for Judge {
    fn key(&self, moment: Moment, loss: Loss) -> u64 {
        self.promise_key(moment, loss)
    }

    fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        Judge::at(self, moment, loss, recovery)
    }
}

/// Judges crashes inside a recovery. Until that recovery's `dump` was answered nothing was shown, and
/// what counts is the history before it, by the worse of the two losses; from then on it is the next
/// cycle.
#[derive(Debug)]
pub struct NestedCourt {
    before: std::rc::Rc<dyn Court>,
    crash: Moment,
    loss: Loss,
    /// The recovery's own requests, with moments of the timeline on which it is crashed.
    history: History,
    cycles: Option<Cycles>,
    shown: Option<Moment>,
}

impl NestedCourt {
    /// The court for crashes inside the recovery whose requests are `history`, which followed a crash
    /// by `loss` at `crash` and showed `recovery`. `cycles` is what happened up to that crash,
    /// `before` who judged it.
    pub fn new(
        before: std::rc::Rc<dyn Court>,
        cycles: Option<Cycles>,
        (crash, loss): (Moment, Loss),
        history: History,
    ) -> Self {
        let shown = history.operations.iter().find_map(|operation| {
            match (&operation.request, &operation.answered) {
                (Request::Dump, Some((moment, Answer::Ack))) => Some(*moment),
                _ => None,
            }
        });
        Self { before, crash, loss, history, cycles, shown }
    }

    /// True if `dump` had been answered by then.
    fn has_shown(&self, moment: Moment) -> bool {
        self.shown.is_some_and(|shown| shown < moment)
    }

    /// What had happened when a further crash by `loss` struck at `moment`, and recovery then showed
    /// `recovery`; nothing where no chain of cycles can be judged.
    pub fn cycles_then(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Option<Cycles> {
        let Recovery::Opened(recovered) = recovery else { return None };
        let mut cycles = self.cycles.clone()?;
        if !self.has_shown(moment) {
            return None;
        }
        cycles.then(&self.history, moment, loss, &recovered.contents);
        Some(cycles)
    }
}

/// The cycle that a first crash by `loss` at `crash` ended, if recovery opened.
pub fn first_cycle(
    capabilities: &Capabilities,
    history: &History,
    (crash, loss): (Moment, Loss),
    recovery: &Recovery,
) -> Option<Cycles> {
    let Recovery::Opened(recovered) = recovery else { return None };
    let mut cycles = Cycles::new(capabilities);
    cycles.then(history, crash, loss, &recovered.contents);
    Some(cycles)
}

impl Court for NestedCourt {
    fn key(&self, moment: Moment, loss: Loss) -> u64 {
        let passed = |at: &Moment| u64::from(*at < moment);
        let passed = self.history.operations.iter().map(|operation| {
            let answered = operation.answered.as_ref().map_or(0, |(at, _)| passed(at));
            passed(&operation.begun) + answered
        });
        passed.sum::<u64>() * 3 + loss as u64
    }

    fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        match &self.cycles {
            Some(cycles) if self.has_shown(moment) => {
                cycles.judge(&self.history).at(moment, loss, recovery)
            }
            _ => self.before.at(self.crash, self.loss.worse(loss), recovery),
        }
    }
}
