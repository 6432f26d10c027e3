//! The judge: one history compiled, then as many verdicts as there are crash states. [`Judge::at`] is
//! the oracle's entry; what it judges beyond a plain crash stands in the sister files `media`,
//! `chain`, `io` and `again`.
//!
//! Judged of every case: death and hanging, refusal, strange values and keys, and the clauses that
//! the driver's capabilities call for. Not judged here: anything that needs a second opening, an
//! earlier recovery or damaged bytes.

use std::sync::OnceLock;

use super::case::Case;
use super::goals::Goals;
use super::legal::{self, Clauses};
use super::promise::Promise;
use super::sentence;
use super::solve::Found;
use super::table::{Cut, Entry, NEVER, Table};
use super::verdict::{Kind, Loss, Verdict, Violation};
use super::{corrupt_value, ghost_key, recovery_crashed, recovery_hung, refused};
use crate::driver::Capabilities;
use crate::recover::{Recovered, Recovery};
use crate::workload::{Contents, History, Moment, OpNo};

/// A history made ready for judging.
#[derive(Debug)]
pub struct Judge {
    pub(super) capabilities: Capabilities,
    pub(super) table: Table,
    /// The same with batches in parts; made when first needed.
    parts: OnceLock<Table>,
    /// True if an `open` had been acknowledged before this history began.
    pub(super) born_before: bool,
    /// Moments at which what was promised may change, sorted.
    promises: Vec<u64>,
}

impl Judge {
    /// Compiles the whole history of a run of a driver that says `capabilities` of itself.
    pub fn new(history: &History, capabilities: &Capabilities) -> Judge {
        Judge::of(Table::new(history, capabilities), capabilities, !history.initial.is_empty())
    }

    pub(super) fn of(table: Table, capabilities: &Capabilities, born_before: bool) -> Judge {
        let mut promises = vec![table.born];
        let moments = |entry: &Entry| [entry.begun, entry.answered, entry.void];
        promises.extend(table.entries.iter().flat_map(moments));
        promises.extend(table.barriers.iter().map(|barrier| barrier.acked));
        promises.sort_unstable();
        promises.dedup();
        let capabilities = capabilities.clone();
        Judge { capabilities, table, parts: OnceLock::new(), born_before, promises }
    }

    /// Judges what recovery made of a state that `loss` left at `moment`.
    pub fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        let cut = self.table.cut(moment);
        let after = sentence::after(loss, moment);
        let mut verdict = Verdict::default();
        let born = self.born_before || self.table.born < cut.crash;
        verdict.judged.extend(match born {
            true => &[Kind::Refused, Kind::RecoveryCrashed, Kind::RecoveryHung][..],
            // Nothing had been promised about such a store: whatever it does is a note.
            false => &[Kind::RefusedUnborn],
        });
        let after_birth = match born {
            true => after.clone(),
            false => format!("{after}{}", refused::UNBORN),
        };
        let note = !born;
        match recovery {
            Recovery::Refused { stage, text, .. } => {
                verdict.violations.push(refused::violation(born, *stage, text, &after));
            }
            Recovery::Crashed { stage, how, stderr, .. } => {
                let violation = recovery_crashed::violation(*stage, how, stderr, &after_birth);
                verdict.judged.insert(violation.kind);
                verdict.violations.push(Violation { note, ..violation });
            }
            Recovery::Hung { stage, hang } => {
                let violation = recovery_hung::violation(*stage, *hang, &after_birth);
                verdict.judged.insert(violation.kind);
                let note = note || violation.note;
                verdict.violations.push(Violation { note, ..violation });
            }
            Recovery::Opened(recovered) => {
                verdict.merge(self.contents(moment, loss, recovered));
            }
        }
        verdict
    }

    /// Identifies what had been asked and promised by `moment`: two moments of this history with the
    /// same key get the same verdict on the same recovery, so that one may be kept for the other.
    pub fn promise_key(&self, moment: Moment, loss: Loss) -> u64 {
        let crash = moment.0.saturating_add(self.table.shift);
        let passed = self.promises.partition_point(|promise| *promise < crash) as u64;
        passed * 3 + loss as u64
    }

    /// The operations that had to survive `loss` at `moment`.
    pub fn required(&self, moment: Moment, loss: Loss) -> Vec<OpNo> {
        let cut = self.table.cut(moment);
        let required = Promise::at(&cut, &self.capabilities, loss).required(&cut);
        required.into_iter().filter_map(|at| sentence::op(&cut, at)).collect()
    }

    /// True if `contents` are legal after `loss` at `moment`.
    pub fn is_legal(&self, moment: Moment, loss: Loss, contents: &Contents) -> bool {
        let case = self.case(moment, loss, contents);
        let strange = !case.goals.strangers.is_empty();
        !strange && !matches!(legal::explain(&case, self.clauses()), Found::Illegal)
    }

    pub(super) fn case<'a>(
        &'a self,
        moment: Moment,
        loss: Loss,
        contents: &'a Contents,
    ) -> Case<'a> {
        let cut = self.table.cut(moment);
        Case {
            promise: Promise::at(&cut, &self.capabilities, loss),
            goals: Goals::new(&cut, contents, &[]),
            judge: self,
            ignored: Vec::new(),
            after: sentence::after(loss, moment),
            cut,
            moment,
            contents,
        }
    }

    /// The table with batches in parts: only what is not legal needs it.
    pub(super) fn parts(&self) -> &Table {
        self.parts.get_or_init(|| self.table.split())
    }

    /// The clauses that the driver's capabilities call for.
    pub(super) fn clauses(&self) -> Clauses {
        Clauses { promise: true, batch: true, prefix: self.capabilities.order_prefix }
    }

    pub(super) fn contents(&self, moment: Moment, loss: Loss, recovered: &Recovered) -> Verdict {
        let case = self.case(moment, loss, &recovered.contents);
        let mut verdict = integrity(&case, recovered);
        let judged = legal::judge(&case, self.clauses());
        verdict.violations.extend(judged.violations);
        verdict.violations.sort_by_key(|violation| violation.kind);
        verdict.undecided = judged.undecided;
        if case.promise.covers_any(&case.cut) {
            verdict.judged.insert(Kind::LostAck);
        }
        if has_batch(&case.cut) {
            verdict.judged.insert(Kind::TornBatch);
        }
        if self.capabilities.order_prefix {
            verdict.judged.insert(Kind::Hole);
        }
        verdict
    }
}

/// True if a batch of more than one change had begun.
pub(super) fn has_batch(cut: &Cut<'_>) -> bool {
    cut.table.entries[..cut.visible].iter().any(|entry| entry.changes.len() > 1)
}

/// Strange values and keys.
pub(super) fn integrity(case: &Case<'_>, recovered: &Recovered) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.judged.extend([Kind::CorruptValue, Kind::GhostKey]);
    let contradiction = recovered.contradiction.as_ref();
    verdict.violations.extend(contradiction.map(|text| corrupt_value::contradiction(case, text)));
    verdict.violations.extend(corrupt_value::judge(case));
    verdict.violations.extend(ghost_key::judge(case));
    verdict
}

/// Later than every moment of any history.
pub const END: Moment = Moment(NEVER / 4);
