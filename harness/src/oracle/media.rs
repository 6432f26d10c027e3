//! Damage at rest: what is judged when bytes were changed under a store that was closed or had
//! crashed.
//!
//! Without `corruption=detected` nothing was promised about damaged bytes, and a recovery that dies or
//! hangs is a note. With it death and hanging are violations, and so are strange values and keys,
//! torn batches and `silent-loss`; with `damage=prefix` besides `lost-before-damage`, and `hole` where
//! the driver says `order=prefix` too. `refused` is always an honest answer.
//!
//! Only what was promised against a power cut can be lost silently: a damaged end of what was never
//! synced is what a power cut leaves as well, and no store can tell the two apart.

use super::case::Case;
use super::judge::{Judge, has_batch, integrity};
use super::legal::{self, Clauses};
use super::promise::Promise;
use super::solve::Found;
use super::verdict::{Kind, Loss, Verdict, Violation};
use super::{hole, lost_before_damage, recovery_crashed, recovery_hung, silent_loss, torn_batch};
use crate::recover::{Recovered, Recovery, Stage};
use crate::workload::Moment;

/// What is known of the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// How the store came to rest: [`Loss::None`] closed cleanly, [`Loss::Kill`] killed,
    /// [`Loss::Power`] a crash state of a power cut.
    pub loss: Loss,
    /// When.
    pub moment: Moment,
    /// The damaged bytes were written after this moment: what was acknowledged by then was written
    /// before them. Nothing where that is not known.
    pub written_after: Option<Moment>,
    /// The whole damaged directory equals, byte for byte, a legal crash state of an earlier moment.
    pub rollback: bool,
    /// The driver warned in the control run too, so its warnings are no evidence.
    pub control_warned: bool,
}

impl Judge {
    /// Judges what recovery made of a damaged state.
    pub fn damaged(&self, damage: &Damage, recovery: &Recovery) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.judged.extend([Kind::RecoveryCrashed, Kind::RecoveryHung]);
        let after = "after damage at rest";
        let note = !self.capabilities.corruption_detected;
        match recovery {
            // A value that nobody promised to check was printed as it was, with the end of a line in it, say.
            Recovery::Crashed { stage: Stage::Dump, garbled: true, .. }
                if !self.capabilities.corruption_detected => {}
            Recovery::Crashed { stage, how, stderr, .. } => {
                let violation = recovery_crashed::violation(*stage, how, stderr, after);
                verdict.violations.push(Violation { note, ..violation });
            }
            Recovery::Hung { stage, hang } => {
                let violation = recovery_hung::violation(*stage, *hang, after);
                let note = note || violation.note;
                verdict.violations.push(Violation { note, ..violation });
            }
            Recovery::Opened(recovered) if self.capabilities.corruption_detected => {
                verdict.merge(self.damaged_contents(damage, recovered));
            }
            Recovery::Refused { .. } if self.capabilities.corruption_detected => {
                // The loss was reported: both properties were put to the test and hold.
                let nothing = Recovered::default();
                let case = self.damaged_case(damage, &nothing);
                verdict.judged.extend(self.losses(damage, &case).map(|(kind, _)| kind));
            }
            Recovery::Opened(_) | Recovery::Refused { .. } => {}
        }
        verdict
    }

    fn damaged_case<'a>(&'a self, damage: &Damage, recovered: &'a Recovered) -> Case<'a> {
        let mut case = self.case(damage.moment, damage.loss, &recovered.contents);
        let power = Promise::at(&case.cut, &self.capabilities, Loss::Power);
        case.promise = case.promise.and(power);
        case.after = "after damage at rest".into();
        case
    }

    /// The promises whose loss is judged, each with its kind.
    fn losses(
        &self,
        damage: &Damage,
        case: &Case<'_>,
    ) -> impl Iterator<Item = (Kind, Promise)> + use<> {
        let before = damage.written_after.filter(|_| self.capabilities.damage_prefix);
        let before = before.map(|moment| {
            let moment = moment.0.saturating_add(case.cut.table.shift).saturating_add(1);
            (Kind::LostBeforeDamage, case.promise.until(moment))
        });
        let judged = [Some((Kind::SilentLoss, case.promise)), before].into_iter().flatten();
        let judged =
            judged.filter(|(_, promise)| !damage.rollback && promise.covers_any(&case.cut));
        judged.collect::<Vec<_>>().into_iter()
    }

    fn damaged_contents(&self, damage: &Damage, recovered: &Recovered) -> Verdict {
        let mut case = self.damaged_case(damage, recovered);
        let mut verdict = integrity(&case, recovered);
        let bare = Clauses { promise: false, batch: true, prefix: false };
        if has_batch(&case.cut) {
            verdict.judged.insert(Kind::TornBatch);
        }
        let whole = legal::explain(&case, bare);
        verdict.undecided = matches!(whole, Found::Undecided);
        if matches!(whole, Found::Illegal) {
            let torn = legal::explain(&case, Clauses { batch: false, ..bare });
            if let Found::Legal(torn) = torn {
                verdict.violations.push(torn_batch::violation(&case, &torn));
            }
            return verdict;
        }
        if self.capabilities.damage_prefix && self.capabilities.order_prefix {
            verdict.judged.insert(Kind::Hole);
            let holed = legal::explain(&case, Clauses { prefix: true, ..bare });
            if let (Found::Illegal, Found::Legal(holed)) = (holed, &whole) {
                verdict.violations.push(hole::violation(&case, holed));
            }
        }
        let warned = !recovered.warnings.is_empty() && !damage.control_warned;
        for (kind, promise) in self.losses(damage, &case) {
            verdict.judged.insert(kind);
            case.promise = promise;
            let found = legal::explain(&case, Clauses { promise: true, ..bare });
            if let (Found::Illegal, Found::Legal(without)) = (found, &whole) {
                verdict.violations.extend(match kind {
                    Kind::SilentLoss if warned => None,
                    Kind::SilentLoss => Some(silent_loss::violation(&case, bare, without)),
                    _ => Some(lost_before_damage::violation(&case, bare, without)),
                });
            }
        }
        verdict.violations.sort_by_key(|violation| violation.kind);
        verdict
    }
}
