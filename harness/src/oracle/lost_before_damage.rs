//! `lost-before-damage`: something that was acknowledged before the damaged bytes were written is
//! gone, warned of or not. Judged of damage, with `damage=prefix`, but not of a rollback.

use super::case::Case;
use super::legal::Clauses;
use super::lost_ack;
use super::solve::Explanation;
use super::verdict::{Kind, Violation};

/// The violation, given what explains the contents when nothing is required.
pub(super) fn violation(case: &Case<'_>, rest: Clauses, without: &Explanation) -> Violation {
    let lost = lost_ack::violation(case, rest, without);
    let sentence = format!("{}; the damaged bytes were written later", lost.sentence);
    Violation { kind: Kind::LostBeforeDamage, sentence, ..lost }
}
