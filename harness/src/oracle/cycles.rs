//! Crash after crash on one store: kill cycles, and crashes inside or after a recovery. What
//! recovery's `dump` showed is the initial state of the next cycle ([`Cycles::then`]), and each cycle
//! is first judged as a history of its own. Only what fails there is judged again as one long history
//! over all cycles, in which nothing counts as promised that an earlier crash was allowed to take:
//!
//! * what that calls illegal has that name (`lost-ack`, `torn-batch`, …);
//! * what only an operation explains that an earlier recovery showed absent is `resurrected`;
//! * what is left was shown and is gone: `vanished`.
//!
//! A second crash that comes before the first recovery's `dump` was answered is none of this: nothing
//! was shown. Judge it with the first history, at the first crash, by [`Loss::worse`] of the two.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::judge::Judge;
use super::legal::{self, contradictions};
use super::solve::Found;
use super::table::{Segment, Table};
use super::verdict::{Kind, Loss, Verdict, Violation};
use super::{resurrected, sentence, vanished};
use crate::driver::Capabilities;
use crate::recover::{Recovered, Recovery};
use crate::workload::{Contents, History, Key, Moment, OpNo, Value};

/// What happened to one store so far.
#[derive(Clone, Debug)]
pub struct Cycles {
    capabilities: Capabilities,
    past: Vec<Past>,
    /// What was written before something that was not legal was shown: it explains nothing any more, but it
    /// was written.
    forgotten: BTreeSet<(Key, Value)>,
    /// What recovery showed last.
    shown: Contents,
    /// True if an `open` was ever acknowledged.
    born: bool,
}

#[derive(Clone, Debug)]
struct Past {
    history: History,
    crash: Moment,
    loss: Loss,
    /// What the contents shown afterwards are explained by.
    kept: BTreeSet<OpNo>,
    /// What they contradict.
    absent: BTreeSet<OpNo>,
}

impl Cycles {
    /// A store that has not crashed yet.
    pub fn new(capabilities: &Capabilities) -> Cycles {
        let capabilities = capabilities.clone();
        Cycles {
            capabilities,
            past: Vec::new(),
            forgotten: BTreeSet::new(),
            shown: Contents::new(),
            born: false,
        }
    }

    /// The initial state of the next cycle.
    pub fn initial(&self) -> &Contents {
        &self.shown
    }

    /// Adds a cycle: its history, what ended it, and what recovery then showed. If that was not
    /// legal, what came before no longer explains anything and is forgotten.
    pub fn then(&mut self, history: &History, crash: Moment, loss: Loss, shown: &Contents) {
        let history = self.continued(history);
        let judge = Judge::new(&history, &self.capabilities);
        let case = judge.case(crash, loss, shown);
        let strange = !case.goals.strangers.is_empty();
        self.shown = shown.clone();
        self.born = true;
        let found = legal::explain(&case, judge.clauses());
        let explanation = match found {
            Found::Legal(explanation) if !strange => explanation,
            _ => {
                self.forget(&history);
                return;
            }
        };
        let cut = &case.cut;
        let (mut kept, mut absent) = (BTreeSet::new(), BTreeSet::new());
        for at in 0..cut.visible as u32 {
            let Some(op) = sentence::op(cut, at) else { continue };
            if explanation.chosen[at as usize] {
                kept.insert(op);
            } else if !contradictions(cut, &explanation, at).is_empty() {
                absent.insert(op);
            }
        }
        self.past.push(Past { history, crash, loss, kept, absent });
    }

    fn forget(&mut self, last: &History) {
        let histories = self.past.iter().map(|past| &past.history).chain([last]);
        let operations = histories.flat_map(|history| &history.operations);
        let mutations = operations.flat_map(|operation| operation.request.mutations());
        self.forgotten.extend(
            mutations.filter_map(|change| Some((change.key().clone(), change.value()?.clone()))),
        );
        self.past.clear();
    }

    /// True if what is there under this key was written before something illegal was shown.
    fn is_forgotten(&self, contents: &Contents, key: &Key) -> bool {
        let value = contents.get(key);
        value.is_some_and(|value| self.forgotten.contains(&(key.clone(), value.clone())))
    }

    /// A history whose initial state is what was shown last, whatever it says itself.
    fn continued(&self, history: &History) -> History {
        let mut history = history.clone();
        if self.born {
            history.initial = self.shown.clone();
        }
        history
    }

    /// Compiles the next cycle's history, which goes on with what was shown last.
    pub fn judge(&self, history: &History) -> CycleJudge<'_> {
        CycleJudge::new(Cow::Borrowed(self), history)
    }

    /// The same, for a judge that is kept.
    pub fn into_judge(self, history: &History) -> CycleJudge<'static> {
        CycleJudge::new(Cow::Owned(self), history)
    }

    /// One history over the cycles from number `from` on. `absent` says whether what a recovery
    /// showed absent may still turn up.
    fn over(&self, from: usize, last: &History, absent: bool) -> Judge {
        let segments: Vec<Segment<'_>> = self.past[from..]
            .iter()
            .map(|past| Segment {
                history: &past.history,
                crash: past.crash,
                kept: &past.kept,
                absent: if absent { None } else { Some(&past.absent) },
            })
            .collect();
        let table = Table::chained(&segments, last, &self.capabilities);
        Judge::of(table, &self.capabilities, true)
    }

    /// The first cycle after the last power cut: what was shown before it was durable in whole.
    fn after_last_power_cut(&self) -> usize {
        let cut = self.past.iter().rposition(|past| past.loss == Loss::Power);
        cut.map_or(0, |at| at + 1)
    }
}

/// The next cycle made ready for judging.
#[derive(Debug)]
pub struct CycleJudge<'a> {
    cycles: Cow<'a, Cycles>,
    history: History,
    alone: Judge,
    whole: OnceLock<Judge>,
}

impl<'a> CycleJudge<'a> {
    fn new(cycles: Cow<'a, Cycles>, history: &History) -> Self {
        let history = cycles.continued(history);
        let table = Table::new(&history, &cycles.capabilities);
        let alone = Judge::of(table, &cycles.capabilities, cycles.born);
        CycleJudge { cycles, history, alone, whole: OnceLock::new() }
    }

    /// What happened before this cycle.
    pub fn cycles(&self) -> &Cycles {
        &self.cycles
    }

    /// The cycle as a history of its own.
    pub fn alone(&self) -> &Judge {
        &self.alone
    }

    /// Judges what recovery made of a state that `loss` left at `moment` of this cycle.
    pub fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        let mut verdict = self.alone.at(moment, loss, recovery);
        let Recovery::Opened(recovered) = recovery else { return verdict };
        for violation in &mut verdict.violations {
            let strange = matches!(violation.kind, Kind::GhostKey | Kind::CorruptValue);
            let contents = &recovered.contents;
            if strange && violation.keys.iter().all(|key| self.cycles.is_forgotten(contents, key)) {
                let (shown, alone) = (&self.cycles.shown, [violation.clone()]);
                let after = sentence::after(loss, moment);
                *violation = resurrected::violation(shown, contents, &alone, &after);
                verdict.judged.insert(Kind::Resurrected);
            }
        }
        if self.cycles.past.is_empty() {
            return verdict;
        }
        verdict.judged.extend([Kind::Resurrected, Kind::Vanished]);
        if verdict.violations.is_empty() {
            return verdict;
        }
        let judged = std::mem::take(&mut verdict.judged);
        let alone = std::mem::take(&mut verdict.violations);
        let mut named = self.over_all_cycles(moment, loss, recovered, alone);
        named.judged.extend(judged);
        named
    }

    fn over_all_cycles(
        &self,
        moment: Moment,
        loss: Loss,
        recovered: &Recovered,
        alone: Vec<Violation>,
    ) -> Verdict {
        let whole = self.whole.get_or_init(|| self.cycles.over(0, &self.history, true));
        let verdict = whole.contents(moment, loss, recovered);
        if !verdict.violations.is_empty() {
            return verdict;
        }
        let contents = &recovered.contents;
        let shown = self.cycles.over(0, &self.history, false);
        let after = sentence::after(loss, moment);
        let violation = if shown.is_legal(moment, loss, contents) {
            let mut violation = vanished::violation(&self.cycles.shown, contents, &alone, &after);
            violation.note = self.may_vanish(moment, loss, contents);
            violation
        } else {
            resurrected::violation(&self.cycles.shown, contents, &alone, &after)
        };
        Verdict { violations: vec![violation], ..verdict }
    }

    /// True where what vanished is worth a word only: shown after a kill, and gone after a power cut,
    /// without `reads=durable`; or the driver promises nothing against kills before a close.
    fn may_vanish(&self, moment: Moment, loss: Loss, contents: &Contents) -> bool {
        let capabilities = &self.cycles.capabilities;
        if capabilities.reads_durable {
            return false;
        }
        match loss {
            Loss::None => false,
            Loss::Kill => capabilities.kill == crate::driver::KillPromise::Close,
            Loss::Power => {
                let from = self.cycles.after_last_power_cut();
                let since = self.cycles.over(from, &self.history, false);
                since.is_legal(moment, loss, contents)
            }
        }
    }
}
