//! The running store: what its dumps showed, whether it died of the failure, whether it still answers.
//! Pure.

use super::court::Court;
use super::examined::{Examined, Place};
use super::run::{Hit, Run};
use crate::driver::{DriverFault, End};
use crate::oracle::{Kind, Verdict, Violation, crashed_on_error};
use crate::persistence::ProfileSet;

/// What the running store said and showed.
pub fn running(run: &Run, court: &Court, seen: &mut Examined) {
    let failure = run.hit.as_ref().map_or_else(String::new, Hit::failure);
    for living in court.living(&run.driven.dumps, &failure) {
        let mut verdict = living.verdict;
        // It is judged like a recovery from a kill right then, and none came.
        let kill = format!(" after a kill at {}", living.moment.0);
        for violation in &mut verdict.violations {
            let sentence = violation.sentence.replacen(&kill, "", 1);
            violation.sentence = format!("in the running store's dump {}, {sentence}", living.op.0);
        }
        if run.hit.is_none() {
            verdict.judged.remove(&Kind::CrashedOnError);
        }
        seen.states += 1;
        seen.take(verdict, &Place::Running, ProfileSet::EMPTY, "");
    }
    let mut verdict = Verdict::default();
    if run.hit.is_some() {
        verdict.judged.extend([Kind::CrashedOnError, Kind::RecoveryHung]);
        match &run.driven.end {
            End::Failed(hung @ DriverFault::Hung { .. }) => {
                verdict.violations.push(hung_on_error(&hung.to_string(), &failure));
            }
            End::Failed(fault) => {
                let how = fault.to_string();
                verdict.violations.push(crashed_on_error(first_line(&how), &failure));
                seen.take(verdict, &Place::Running, ProfileSet::EMPTY, &how);
                return;
            }
            End::Finished | End::NotOpened(_) | End::Stopped => {}
        }
    }
    seen.take(verdict, &Place::Running, ProfileSet::EMPTY, "");
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn hung_on_error(how: &str, failure: &str) -> Violation {
    Violation {
        kind: Kind::RecoveryHung,
        sentence: format!("the program no longer answers after {failure}: {how}"),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    }
}
