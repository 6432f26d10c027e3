//! `crashed-on-error`: the program died of an injected failure. Graded below all others: some engines
//! choose to. What counts is what recovery finds afterwards, and that is judged like any crash.
//!
//! A failure inside recovery has three honest answers: it succeeds all the same, it is refused, or
//! (graded so) it dies. To open with less than was promised is none of them.

use super::judge::Judge;
use super::recovery_hung;
use super::sentence;
use super::verdict::{Kind, Loss, Verdict, Violation};
use crate::recover::Recovery;
use crate::workload::Moment;

/// The violation of a program that died when `failure` was injected: `how` says of what.
pub fn crashed_on_error(how: &str, failure: &str) -> Violation {
    Violation {
        kind: Kind::CrashedOnError,
        sentence: format!("the program died of {failure}: {how}"),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    }
}

impl Judge {
    /// Judges a recovery in which `failure` was injected.
    pub fn failing_recovery(
        &self,
        moment: Moment,
        loss: Loss,
        failure: &str,
        recovery: &Recovery,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.judged.extend([Kind::CrashedOnError, Kind::RecoveryHung]);
        match recovery {
            Recovery::Refused { .. } => {}
            Recovery::Opened(recovered) => {
                verdict.merge(self.contents(moment, loss, recovered));
            }
            Recovery::Crashed { how, .. } => {
                verdict.violations.push(crashed_on_error(how, failure));
            }
            Recovery::Hung { stage, hang } => {
                let after = sentence::after(loss, moment);
                verdict.violations.push(recovery_hung::violation(*stage, *hang, &after));
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Hang;
    use crate::oracle::END;
    use crate::oracle::written::{capabilities, history, opened};
    use crate::recover::Stage;

    #[test]
    fn a_failure_inside_recovery_may_be_refused_but_not_taken_for_the_end_of_the_log() {
        let judge = Judge::new(&history("put a 1; put b 2"), &capabilities());
        let kinds = |recovery: &Recovery| -> Vec<Kind> {
            let verdict = judge.failing_recovery(END, Loss::Kill, "EIO at call 3 (read)", recovery);
            verdict.violations.iter().map(|violation| violation.kind).collect()
        };
        let text = String::new;
        let refused = Recovery::Refused { stage: Stage::Open, text: text(), warnings: Vec::new() };
        let died = Recovery::Crashed {
            stage: Stage::Open,
            how: "SIGABRT".into(),
            stderr: text(),
            garbled: false,
        };
        assert_eq!(kinds(&opened("a=1 b=2")), []);
        assert_eq!(kinds(&refused), []);
        assert_eq!(kinds(&opened("a=1")), [Kind::LostAck]);
        assert_eq!(kinds(&died), [Kind::CrashedOnError]);
        assert_eq!(
            kinds(&Recovery::Hung { stage: Stage::Open, hang: Hang::Limit }),
            [Kind::RecoveryHung]
        );
    }
}
