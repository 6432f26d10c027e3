//! The running store: what its dumps showed, whether it died of the failure, whether it still answers.
//! Pure.

use super::court::Court;
use super::examined::{Examined, Place};
use super::run::{Hit, Run};
use crate::driver::{DriverFault, Dump, End, Hang};
use crate::oracle::{Kind, Verdict, Violation, crashed_on_error};
use crate::persistence::ProfileSet;
use crate::workload::OpNo;

/// What the running store said and showed.
pub fn running(run: &Run, court: &Court, seen: &mut Examined) {
    living(court, &run.driven.dumps, run.hit.as_ref(), seen);
    let failure = run.hit.as_ref().map_or_else(String::new, Hit::failure);
    let mut verdict = Verdict::default();
    if run.hit.is_some() {
        verdict.judged.extend([Kind::CrashedOnError, Kind::RecoveryHung]);
        match &run.driven.end {
            End::Failed(hung @ DriverFault::Hung { hang, .. }) => {
                verdict.violations.push(hung_on_error(&hung.to_string(), *hang, &failure));
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

/// What the dumps of the running store showed.
pub fn living(court: &Court, dumps: &[(OpNo, Dump)], hit: Option<&Hit>, seen: &mut Examined) {
    let failure = hit.map_or_else(String::new, Hit::failure);
    for living in court.living(dumps, &failure) {
        let mut verdict = living.verdict;
        // It is judged like a recovery from a kill right then, and none came.
        let kill = format!(" after a kill at {}", living.moment.0);
        for violation in &mut verdict.violations {
            let sentence = violation.sentence.replacen(&kill, "", 1);
            let dump = living.op.0;
            violation.sentence = match hit.is_some_and(|hit| court.reopens(hit.event, living.op)) {
                true => format!("in dump {dump}, after the store was opened again, {sentence}"),
                false => format!("in the running store's dump {dump}, {sentence}"),
            };
        }
        if hit.is_none() {
            verdict.judged.remove(&Kind::CrashedOnError);
        }
        seen.states += 1;
        seen.take(verdict, &Place::Running, ProfileSet::EMPTY, "");
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn hung_on_error(how: &str, hang: Hang, failure: &str) -> Violation {
    let mut sentence = format!("the program no longer answers after {failure}: {how}");
    if let Hang::Cut { of, .. } = hang {
        let of = of.as_secs_f64();
        sentence.push_str(&format!(
            "; it was not waited for as long as --timeout-op says ({of} s), because the budget ended"
        ));
    }
    Violation {
        kind: Kind::RecoveryHung,
        sentence,
        keys: Vec::new(),
        operations: Vec::new(),
        note: matches!(hang, Hang::Cut { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Capabilities;
    use crate::fault::io::testkit::{self, dump, put};
    use crate::workload::{Answer, Request};
    use std::time::Duration;

    /// What is found of a store that was opened, took one put, dumped this, and ended so.
    fn found(shown: &[(&str, &str)], end: End, struck: bool) -> (Vec<Kind>, Examined) {
        let requests = [(Request::Open, false), (put("a", "1"), false), (Request::Dump, false)];
        let mut run = testkit::run(&requests, vec![dump(2, shown)], end);
        run.hit = run.hit.filter(|_| struck);
        let capabilities = Capabilities::default();
        let court = Court::new(None, run.history.clone(), &run.driven.dumps, &capabilities);
        let mut seen = Examined::default();
        running(&run, &court, &mut seen);
        (seen.failing.iter().map(|failing| failing.violation.kind).collect(), seen)
    }

    fn died() -> End {
        End::Failed(DriverFault::Died {
            how: "killed by SIGABRT".into(),
            stderr: "log: EIO".into(),
        })
    }

    #[test]
    fn a_program_that_dies_of_a_failing_call_is_told_with_what_it_said() {
        let (kinds, seen) = found(&[("a", "1")], died(), true);
        assert_eq!(kinds, [Kind::CrashedOnError]);
        assert!(seen.failing[0].violation.sentence.contains("killed by SIGABRT"));
        assert!(seen.failing[0].evidence.contains("log: EIO"));
        assert!(seen.judged.contains(&Kind::CrashedOnError));
    }

    #[test]
    fn a_program_that_no_longer_answers_after_a_failing_call_hangs() {
        let waiting_for = "request 4 (sync)".to_owned();
        let hung = |hang| {
            let waiting_for = waiting_for.clone();
            End::Failed(DriverFault::Hung { waiting_for, after_ms: 9000, hang })
        };
        let (kinds, seen) = found(&[("a", "1")], hung(Hang::Limit), true);
        assert!(!seen.failing[0].violation.note);
        let cut = Hang::Cut { after: Duration::from_secs(9), of: Duration::from_secs(10) };
        let unproven = found(&[("a", "1")], hung(cut), true).1;
        let told = &unproven.failing[0].violation;
        assert!(told.note && told.sentence.contains("the budget ended"), "{}", told.sentence);
        assert_eq!(kinds, [Kind::RecoveryHung]);
        assert!(seen.failing[0].violation.sentence.contains("request 4 (sync)"));
    }

    #[test]
    fn a_running_store_is_judged_by_what_it_shows_and_not_as_if_it_had_been_killed() {
        let (kinds, seen) = found(&[], End::Finished, true);
        assert_eq!(kinds, [Kind::LostAck]);
        let sentence = &seen.failing[0].violation.sentence;
        assert!(sentence.starts_with("in the running store's dump 2, "), "{sentence}");
        assert!(!sentence.contains("kill"), "{sentence}");
        assert_eq!(found(&[("a", "1")], End::Finished, true).0, []);
    }

    #[test]
    fn what_a_dump_shows_after_another_opening_is_not_the_running_stores() {
        let requests = [
            (Request::Open, false),
            (put("a", "1"), false),
            (Request::Close, false),
            (Request::Open, false),
            (Request::Dump, false),
        ];
        let run = testkit::run(&requests, vec![dump(4, &[])], End::Finished);
        let capabilities = Capabilities::default();
        let court = Court::new(None, run.history.clone(), &run.driven.dumps, &capabilities);
        let mut seen = Examined::default();
        running(&run, &court, &mut seen);
        let sentence = &seen.failing[0].violation.sentence;
        assert!(
            sentence.starts_with("in dump 4, after the store was opened again, "),
            "{sentence}"
        );
    }

    #[test]
    fn refusing_and_ending_are_answers_and_no_crash() {
        for end in [End::Finished, End::Stopped, End::NotOpened(Answer::Err("EIO".into()))] {
            assert_eq!(found(&[("a", "1")], end, true).0, []);
        }
    }

    #[test]
    fn without_a_failing_call_nothing_is_judged_to_be_its_consequence() {
        let (kinds, seen) = found(&[("a", "1")], died(), false);
        assert_eq!(kinds, []);
        assert!(!seen.judged.contains(&Kind::CrashedOnError));
    }
}
