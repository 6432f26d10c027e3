//! One flaw, seen by several faults: a failure that a kill shows needs no power cut, and one that shows
//! before any call failed needs no failing call. The plainest finding stands for the others, which are
//! its symptoms: mend that one first, and see what is left. Pure.

use std::collections::BTreeMap;

use crate::fault::Finding;
use crate::scenario::{FaultName, Strike};

/// Has findings stand for others that say less.
pub fn fold(findings: &mut Vec<Finding>) {
    let all = std::mem::take(findings);
    let plainer = |echo: &Finding| all.iter().position(|plain| is_echo(echo, plain));
    // What stands for it may itself be an echo.
    let root = |mut at: usize| {
        for _ in 0..all.len() {
            match plainer(&all[at]) {
                Some(other) => at = other,
                None => break,
            }
        }
        at
    };
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    for (at, finding) in all.iter().enumerate() {
        if root(at) == at {
            kept.insert(at, finding.clone());
        }
    }
    for (at, finding) in all.iter().enumerate() {
        let root = root(at);
        if let Some(plain) = kept.get_mut(&root).filter(|_| root != at) {
            plain.stand_for(finding.clone());
        }
    }
    findings.extend(kept.into_values());
}

/// True if `plain` shows with less what `echo` shows.
fn is_echo(echo: &Finding, plain: &Finding) -> bool {
    if (plain.note && !echo.note) || plain.grade() > echo.grade() {
        return false;
    }
    // What needs no fault at all is no fault's doing.
    let nothing_failed = matches!(&echo.case.strike, Strike::Io(strike) if strike.plan.is_empty());
    if nothing_failed && plain.fault == Some(FaultName::Power) && plain.is_one_flaw(echo) {
        return true;
    }
    if echo.kind != plain.kind {
        return false;
    }
    if plain.fault.is_none() && echo.fault == Some(FaultName::Io) {
        return nothing_failed;
    }
    match (echo.fault, plain.fault) {
        (Some(FaultName::Power), Some(FaultName::Kill)) => {
            !echo.takes_two() && !plain.takes_two() && head(echo) == head(plain)
        }
        // Nothing failed in it: it is a kill or a power cut like any other.
        (Some(FaultName::Io), Some(FaultName::Kill | FaultName::Power)) => nothing_failed,
        _ => false,
    }
}

/// A cause without what is told of the one case that stands for all.
fn head(finding: &Finding) -> &str {
    let sentence = &finding.cause.sentence;
    sentence.split_once(" (").map_or(sentence.as_str(), |(head, _)| head)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::Cause;
    use crate::oracle::Kind;
    use crate::scenario::{Case, IoStrike, KillStrike, PowerStrike, Profile};

    fn finding(strike: Strike, kind: Kind, cause: &str) -> Finding {
        let fault = strike.fault();
        Finding {
            id: format!("{}-{kind}", fault.map_or("none", FaultName::name)),
            kind,
            fault,
            profiles: BTreeSet::new(),
            note: false,
            states: 3,
            sentence: String::new(),
            cause: Cause { sentence: cause.into(), ..Cause::default() },
            source: None,
            behind: None,
            case: Case { strike, ..Case::default() },
            trace: None,
            image: None,
            evidence: String::new(),
            shows: Vec::new(),
            frequency: None,
        }
    }

    fn kill(cause: &str) -> Finding {
        finding(Strike::Kill(KillStrike::default()), Kind::LostAck, cause)
    }

    fn power(cause: &str) -> Finding {
        finding(Strike::Power(PowerStrike::default()), Kind::LostAck, cause)
    }

    fn io(plan: &str) -> Finding {
        let strike = IoStrike { plan: plan.into(), ..IoStrike::default() };
        finding(Strike::Io(strike), Kind::LostAck, "a call")
    }

    fn left(mut findings: Vec<Finding>) -> (usize, usize) {
        fold(&mut findings);
        (findings.len(), findings.iter().map(|finding| finding.shows.len()).sum())
    }

    #[test]
    fn a_moment_that_a_kill_shows_needs_no_power_cut() {
        let of = |event| format!("the store is stopped in a sync (stopped before event {event})");
        assert_eq!(left(vec![kill(&of(3)), power(&of(5))]), (1, 1));
        assert_eq!(left(vec![kill(&of(3)), power("what write puts into a can be lost")]), (2, 0));
        assert_eq!(left(vec![power(&of(5))]), (1, 0));
    }

    #[test]
    fn what_shows_before_any_call_failed_needs_no_failing_call() {
        assert_eq!(left(vec![power("a"), io("")]), (1, 1));
        assert_eq!(left(vec![kill("a"), io("")]), (1, 1));
        assert_eq!(left(vec![power("a"), io("fail:3:EIO:once")]), (2, 0));
        assert_eq!(left(vec![io("")]), (1, 0), "it is all there is");
    }

    #[test]
    fn what_a_clean_close_shows_needs_no_failing_call() {
        let none = || finding(Strike::None, Kind::LostAck, "no fault at all");
        assert_eq!(left(vec![none(), io("")]), (1, 1));
        assert_eq!(left(vec![none(), io("fail:3:EIO:once")]), (2, 0));
        assert_eq!(left(vec![none(), power("what write puts into a can be lost")]), (2, 0));
    }

    #[test]
    fn an_alarm_is_not_folded_into_a_note_nor_into_another_kind_or_a_harsher_grade() {
        let note = Finding { note: true, ..power("a") };
        assert_eq!(left(vec![note, io("")]), (2, 0));
        let torn = Finding { kind: Kind::TornBatch, ..power("a") };
        assert_eq!(left(vec![torn, io("")]), (2, 0));
        let graded = |profile| BTreeSet::from([profile]);
        let strict = Finding { profiles: graded(Profile::Strict), ..power("a") };
        let ext4 = Finding { profiles: graded(Profile::Ext4), ..io("") };
        assert_eq!(left(vec![strict, ext4]), (2, 0));
    }
}
