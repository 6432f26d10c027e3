//! `recovery-hung`: no answer comes. How that is known is the business of whoever ran the recovery. Always
//! judged, whatever the bytes; where the run ended before it was known it is worth a word and no alarm.

use std::time::Duration;

use super::recovery_crashed::during;
use super::verdict::{Kind, Violation};
use crate::driver::Hang;
use crate::recover::Stage;

/// The violation.
pub(super) fn violation(stage: Stage, hang: Hang, after: &str) -> Violation {
    let during = during(stage);
    let sentence = match hang {
        Hang::Limit => format!("recovery does not answer {during} in time {after}"),
        Hang::Burning => format!(
            "recovery does not answer {during} {after}: it computes without end and makes no system call"
        ),
        Hang::Asleep => format!(
            "recovery does not answer {during} {after}: all its threads sleep, and nothing is left that \
             could wake one"
        ),
        Hang::Cut { after: waited, of } => format!(
            "recovery did not answer {during} within {} s {after}; it was not waited for as long as \
             {} says ({} s), because the budget ended",
            seconds(waited),
            option(stage),
            seconds(of)
        ),
    };
    Violation {
        kind: Kind::RecoveryHung,
        sentence,
        keys: Vec::new(),
        operations: Vec::new(),
        note: matches!(hang, Hang::Cut { .. }),
    }
}

/// The option that says how long an answer may take.
fn option(stage: Stage) -> &'static str {
    match stage {
        Stage::Open => "--timeout-open",
        Stage::Dump | Stage::Close => "--timeout-op",
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_that_was_not_waited_for_to_the_end_is_a_note_that_says_so() {
        let cut = Hang::Cut { after: Duration::from_millis(2_340), of: Duration::from_secs(30) };
        let found = violation(Stage::Open, cut, "after a kill at 7");
        assert!(found.note);
        for part in ["within 2.3 s", "--timeout-open says (30 s)", "the budget ended"] {
            assert!(found.sentence.contains(part), "{}", found.sentence);
        }
        for hang in [Hang::Limit, Hang::Burning, Hang::Asleep] {
            assert!(!violation(Stage::Dump, hang, "after a kill at 7").note);
        }
    }
}
