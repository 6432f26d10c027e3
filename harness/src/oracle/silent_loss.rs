//! `silent-loss`: damaged bytes lost data, and no `warn` between `open` and the answer to `dump`, nor
//! `refused`, said so. Judged of damage, with `corruption=detected`, but not of a rollback.

use super::case::Case;
use super::legal::Clauses;
use super::lost_ack;
use super::solve::Explanation;
use super::verdict::{Kind, Violation};

/// The violation, given what explains the contents when nothing is required.
pub(super) fn violation(case: &Case<'_>, rest: Clauses, without: &Explanation) -> Violation {
    let lost = lost_ack::violation(case, rest, without);
    let sentence = format!("{}; the store said nothing of it", lost.sentence);
    Violation { kind: Kind::SilentLoss, sentence, ..lost }
}
