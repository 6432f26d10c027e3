//! Who judges a state: the run's own history, or the history and what an earlier recovery showed.

use std::fmt;

use crate::driver::Capabilities;
use crate::oracle::{CycleJudge, Cycles, Judge, Loss, Verdict, twice};
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

/// What happened to a store up to a crash: the cycles before its last one, that one's requests, and how
/// it ended.
#[derive(Clone, Debug)]
pub struct Happened {
    cycles: Cycles,
    history: History,
    crash: Moment,
    loss: Loss,
}

impl Happened {
    /// A first cycle of these requests, ended by `loss` at `crash`.
    pub fn first(
        capabilities: &Capabilities,
        history: History,
        (crash, loss): (Moment, Loss),
    ) -> Self {
        Self { cycles: Cycles::new(capabilities), history, crash, loss }
    }

    /// The cycles with the last one among them, if recovery opened.
    fn then(&self, recovery: &Recovery) -> Option<Cycles> {
        let Recovery::Opened(recovered) = recovery else { return None };
        let mut cycles = self.cycles.clone();
        cycles.then(&self.history, self.crash, self.loss, &recovered.contents);
        Some(cycles)
    }
}

/// Judges crashes inside a recovery. Until that recovery's `dump` was answered nothing was shown, and
/// what counts is the history before it, by the worse of the two losses; from then on it is the next
/// cycle.
#[derive(Debug)]
pub struct NestedCourt {
    before: std::rc::Rc<dyn Court>,
    happened: Happened,
    /// The recovery's own requests, with moments of the timeline on which it is crashed.
    history: History,
    /// Judges what comes after what the recovery showed.
    after: Option<CycleJudge<'static>>,
    shown: Option<Moment>,
}

impl NestedCourt {
    /// The court for crashes inside the recovery whose requests are `history`, which followed what
    /// `happened` and showed `recovery`. `before` judged the crash that led to it.
    pub fn new(
        before: std::rc::Rc<dyn Court>,
        happened: Happened,
        recovery: &Recovery,
        history: History,
    ) -> Self {
        let shown = history.operations.iter().find_map(|operation| {
            match (&operation.request, &operation.answered) {
                (Request::Dump, Some((moment, Answer::Ack))) => Some(*moment),
                _ => None,
            }
        });
        let after = happened.then(recovery).map(|cycles| cycles.into_judge(&history));
        Self { before, happened, history, after, shown }
    }

    /// Who judges what there was before a further crash at `moment`: this court once something was shown;
    /// until then whoever judged before, on whose timeline the crash stands that [`Self::happened`] gives.
    pub fn judge_of(self: std::rc::Rc<Self>, moment: Moment) -> std::rc::Rc<dyn Court> {
        match self.after {
            Some(_) if self.has_shown(moment) => self,
            _ => std::rc::Rc::clone(&self.before),
        }
    }

    /// True if `dump` had been answered by then.
    pub fn has_shown(&self, moment: Moment) -> bool {
        self.shown.is_some_and(|shown| shown < moment)
    }

    /// What had happened when a further crash by `loss` struck at `moment`. A recovery that had shown
    /// nothing is no cycle: what was there before it was struck twice.
    pub fn happened(&self, moment: Moment, loss: Loss) -> Happened {
        match &self.after {
            Some(after) if self.has_shown(moment) => {
                let (cycles, history) = (after.cycles().clone(), self.history.clone());
                Happened { cycles, history, crash: moment, loss }
            }
            _ => {
                let before = self.happened.clone();
                Happened { loss: before.loss.worse(loss), ..before }
            }
        }
    }
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
        match &self.after {
            Some(after) if self.has_shown(moment) => after.at(moment, loss, recovery),
            _ => {
                let Happened { crash, loss: first, .. } = self.happened;
                let mut verdict = self.before.at(crash, first.worse(loss), recovery);
                for violation in &mut verdict.violations {
                    violation.sentence = twice(&violation.sentence, crash, first, loss);
                }
                verdict
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::oracle::Kind;
    use crate::recover::Recovered;
    use crate::workload::{Contents, Key, Mutation, Operation, Value};

    fn contents(pairs: &[(&str, &str)]) -> Contents {
        pairs.iter().map(|(key, value)| (Key::from(*key), Value::from(*value))).collect()
    }

    fn opened(pairs: &[(&str, &str)]) -> Recovery {
        Recovery::Opened(Recovered { contents: contents(pairs), ..Recovered::default() })
    }

    /// Requests that begin at 0, 10, 20, … and are answered 5 later.
    fn history(requests: Vec<Request>) -> History {
        let operations = requests.into_iter().enumerate().map(|(at, request)| Operation {
            request,
            begun: Moment(at as u64 * 10),
            answered: Some((Moment(at as u64 * 10 + 5), Answer::Ack)),
        });
        History { operations: operations.collect(), ..History::default() }
    }

    fn put(key: &str, value: &str) -> Request {
        Request::Write(Mutation::Put(Key::from(key), Value::from(value)))
    }

    #[test]
    fn what_is_written_after_a_recovery_is_judged_also_where_the_one_before_it_showed_nothing() {
        let capabilities = Capabilities::default();
        let first = history(vec![Request::Open, put("a", "1")]);
        let judge = Rc::new(Judge::new(&first, &capabilities));
        let happened = Happened::first(&capabilities, first, (Moment(20), Loss::Kill));
        let requests = || history(vec![Request::Open, Request::Dump, put("b", "2")]);
        let shown = opened(&[("a", "1")]);
        let outer = NestedCourt::new(judge, happened, &shown, requests());
        // Inside the first recovery, before and after it showed anything.
        for moment in [Moment(7), Moment(17)] {
            let happened = outer.happened(moment, Loss::Power);
            let before: Rc<dyn Court> = Rc::new(Ended(Kind::Hole));
            let inner = NestedCourt::new(before, happened, &shown, requests());
            let kinds = |pairs: &[(&str, &str)]| -> Vec<Kind> {
                let verdict = inner.at(Moment(30), Loss::Power, &opened(pairs));
                verdict.violations.iter().map(|violation| violation.kind).collect()
            };
            assert_eq!(kinds(&[("a", "1"), ("b", "2")]), [], "{moment:?}");
            assert_eq!(kinds(&[("a", "1")]), [Kind::LostAck], "{moment:?}");
            assert_eq!(kinds(&[("b", "2")]), [Kind::LostAck], "{moment:?}");
        }
    }

    #[test]
    fn a_recovery_that_showed_nothing_leaves_the_judgement_to_the_history_before_it() {
        let capabilities = Capabilities::default();
        let first = history(vec![Request::Open, put("a", "1")]);
        let judge: Rc<dyn Court> = Rc::new(Judge::new(&first, &capabilities));
        // A power cut late in a long history; the recovery's own moments are small.
        let cut = (Moment(500), Loss::Power);
        let happened = Happened::first(&capabilities, first, cut);
        let requests = || history(vec![Request::Open, Request::Dump, put("b", "2")]);
        let shown = opened(&[("a", "1")]);
        let outer = Rc::new(NestedCourt::new(judge, happened, &shown, requests()));
        // It is killed in its `open`, and so is the next: `b` was never written.
        let early = Moment(3);
        let happened = outer.happened(early, Loss::Kill);
        let before = Rc::clone(&outer).judge_of(early);
        let inner = NestedCourt::new(before, happened, &shown, requests());
        assert_eq!(inner.at(early, Loss::Kill, &opened(&[("a", "1")])).violations, []);
        let late = Rc::clone(&outer).judge_of(Moment(17));
        let lost = late.at(Moment(30), Loss::Power, &opened(&[("a", "1")]));
        assert_eq!(lost.violations[0].kind, Kind::LostAck, "once it has shown, it judges");
    }

    /// A court that must not be asked any more.
    #[derive(Debug)]
    struct Ended(Kind);

    impl Court for Ended {
        fn key(&self, _: Moment, _: Loss) -> u64 {
            0
        }

        fn at(&self, _: Moment, _: Loss, _: &Recovery) -> Verdict {
            panic!("{}: something was shown since", self.0)
        }
    }
}
