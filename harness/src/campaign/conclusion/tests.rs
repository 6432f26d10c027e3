//! Outcomes of faults put together: what the run ends with, and what its line says.

use super::*;
use crate::explore::{Covered, Part};
use crate::fault::{Cause, Lines};
use crate::scenario::{Case, IoStrike, KillStrike, PowerStrike, Profile, Strike};

fn finding(kind: Kind, profiles: &[Profile], note: bool) -> Finding {
    Finding {
        id: kind.name().into(),
        kind,
        fault: Some(FaultName::Power),
        profiles: profiles.iter().copied().collect(),
        note,
        states: 1,
        sentence: String::new(),
        cause: Cause::default(),
        lines: Lines::default(),
        case: Case::default(),
        trace: None,
        image: None,
        evidence: String::new(),
        shows: Vec::new(),
        frequency: None,
    }
}

fn concluded(change: impl FnOnce(&mut FaultOutcome, &mut Options)) -> Conclusion {
    let mut options = Options { faults: vec![FaultName::Power], ..Options::default() };
    let mut outcome = FaultOutcome::default();
    outcome.judged.insert(Kind::LostAck);
    outcome.called_for.insert(Kind::LostAck);
    outcome.totals.states = 1;
    outcome.totals.covered.lossy = 1;
    change(&mut outcome, &mut options);
    let mut conclusion = Conclusion::begin(&TargetText::Engine("x".into()), "x", &options);
    conclusion.take(Some(FaultName::Power), outcome);
    conclusion.decide();
    conclusion
}

#[test]
fn one_flaw_that_two_faults_show_is_told_once() {
    let moment = |fault| {
        let mut one = finding(Kind::LostAck, &[], false);
        let parts = [("after", "an acknowledgement"), ("before", "write of log")];
        one.cause.parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Finding { id: format!("{fault}"), fault: Some(fault), frequency: Some((1, 1)), ..one }
    };
    let conclusion = concluded(|outcome, _| {
        outcome.findings = vec![moment(FaultName::Power), moment(FaultName::Kill)];
    });
    let found: Vec<_> = conclusion.findings.iter().map(|one| one.fault).collect();
    assert_eq!(found, [Some(FaultName::Kill)]);
    assert_eq!(conclusion.findings[0].shows.len(), 1);
}

#[test]
fn a_run_without_findings_that_judged_what_it_should_held() {
    let conclusion = concluded(|_, _| {});
    assert_eq!(conclusion.outcome, Outcome::Held);
    assert!(conclusion.not_judged.contains(&Kind::TornBatch));
}

#[test]
fn a_property_called_for_and_never_judged_is_not_measured() {
    let conclusion = concluded(|outcome, _| {
        outcome.called_for.insert(Kind::Hole);
    });
    assert_eq!(conclusion.outcome, Outcome::NotMeasured);
    assert_eq!(conclusion.missed, [Kind::Hole].into());
}

#[test]
fn a_fault_that_judged_no_case_is_not_measured_whatever_the_control_showed() {
    let conclusion = concluded(|outcome, _| outcome.totals.covered.lossy = 0);
    assert_eq!(conclusion.outcome, Outcome::NotMeasured);
    assert_eq!(conclusion.idle, [FaultName::Power]);
}

#[test]
fn a_fault_that_saw_too_little_says_which_option_gets_further() {
    let noted = |conclusion: &Conclusion, text: &str| {
        assert!(conclusion.notes.iter().any(|note| note.contains(text)), "{:?}", conclusion.notes);
    };
    let slow = concluded(|outcome, options| {
        outcome.totals.covered = Covered { groups: Part { seen: 0, all: 9 }, ..Covered::default() };
        outcome.totals.elapsed = Duration::from_secs(4);
        options.faults = vec![FaultName::Power];
    });
    noted(&slow, "--budget 8s would get there");
    let counted = concluded(|outcome, options| {
        outcome.totals.covered = Covered { groups: Part { seen: 0, all: 9 }, ..Covered::default() };
        options.extent = Extent::Cases(5);
    });
    noted(&counted, "--cases 20 would get there");
    let empty = concluded(|outcome, _| {
        outcome.totals.covered = Covered::default();
        outcome.totals.recoveries = 1;
    });
    noted(&empty, "the program left nothing that could be lost");
    let thin = concluded(|outcome, options| {
        outcome.totals.covered.groups = Part { seen: 3, all: 10 };
        options.min_coverage = 0.5;
    });
    assert_eq!((thin.outcome, &thin.thin[..]), (Outcome::NotMeasured, &[FaultName::Power][..]));
    let enough = concluded(|outcome, options| {
        outcome.totals.covered.groups = Part { seen: 5, all: 10 };
        options.min_coverage = 0.5;
    });
    assert_eq!(enough.outcome, Outcome::Held);
}

#[test]
fn what_was_seen_once_and_never_tried_again_is_no_violation() {
    let unconfirmed =
        Finding { frequency: Some((0, 0)), ..finding(Kind::LostAck, &[Profile::Ext4], false) };
    let alone = concluded(|outcome, _| outcome.findings.push(unconfirmed.clone()));
    assert_eq!(alone.outcome, Outcome::NotMeasured);
    let beside = concluded(|outcome, _| {
        outcome.findings.push(unconfirmed.clone());
        outcome.findings.push(finding(Kind::Hole, &[Profile::Ext4], false));
    });
    assert_eq!(beside.outcome, Outcome::Violated);
    let note = Finding { note: true, ..unconfirmed.clone() };
    assert_eq!(concluded(|outcome, _| outcome.findings.push(note)).outcome, Outcome::Held);
}

#[test]
fn what_one_fault_calls_for_is_not_judged_by_another() {
    let options = Options::default();
    let mut conclusion = Conclusion::begin(&TargetText::Engine("x".into()), "x", &options);
    for (fault, judged) in [(FaultName::Kill, true), (FaultName::Power, false)] {
        let mut outcome = FaultOutcome::default();
        outcome.called_for.insert(Kind::LostAck);
        outcome.judged.extend(judged.then_some(Kind::LostAck));
        outcome.totals.covered.lossy = 1;
        conclusion.take(Some(fault), outcome);
    }
    conclusion.decide();
    assert_eq!(conclusion.missed, [Kind::LostAck].into());
    assert_eq!(conclusion.outcome, Outcome::NotMeasured);
}

#[test]
fn what_the_recorder_cannot_see_is_not_measured() {
    let unmodelled = concluded(|outcome, _| {
        outcome.unmodelled.insert("vmsplice".into(), 3);
    });
    let blind = concluded(|outcome, _| outcome.blind.push("set-id program".into()));
    assert_eq!(unmodelled.outcome, Outcome::NotMeasured);
    assert_eq!(blind.outcome, Outcome::NotMeasured);
}

#[test]
fn a_violation_outranks_what_was_not_measured() {
    let conclusion = concluded(|outcome, _| {
        outcome.blind.push("set-id program".into());
        outcome.findings.push(finding(Kind::LostAck, &[Profile::Ext4], false));
    });
    assert_eq!(conclusion.outcome, Outcome::Violated);
    assert_eq!(conclusion.exit_code(), 1);
}

#[test]
fn what_only_strict_shows_is_a_note_unless_asked_for() {
    let strict = finding(Kind::LostAck, &[Profile::Strict], false);
    let push = |outcome: &mut FaultOutcome| outcome.findings.push(strict.clone());
    assert_eq!(concluded(|outcome, _| push(outcome)).outcome, Outcome::Held);
    let by_fail_on = concluded(|outcome, options| {
        push(outcome);
        options.fail_on = Profile::Strict;
    });
    let by_profile = concluded(|outcome, options| {
        push(outcome);
        options.profiles = [Profile::Strict].into();
    });
    assert_eq!(by_fail_on.outcome, Outcome::Violated);
    assert_eq!(by_profile.outcome, Outcome::Violated);
}

#[test]
fn findings_come_worst_first_and_notes_last() {
    let conclusion = concluded(|outcome, _| {
        outcome.findings = vec![
            finding(Kind::LostAck, &[Profile::Strict], false),
            finding(Kind::CrashedOnError, &[], false),
            finding(Kind::Hole, &[], false),
            finding(Kind::RefusedUnborn, &[], false),
        ];
    });
    let kinds: Vec<Kind> = conclusion.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Hole, Kind::CrashedOnError, Kind::LostAck, Kind::RefusedUnborn]);
}

#[test]
fn of_one_kind_what_one_crash_shows_comes_first_and_then_what_most_cases_show() {
    let nested = Strike::Power(PowerStrike {
        nested: vec![PowerStrike::default()],
        ..PowerStrike::default()
    });
    let conclusion = concluded(|outcome, _| {
        let one = |id: &str, states, strike: &Strike, profiles: &[Profile]| Finding {
            id: id.into(),
            states,
            case: Case { strike: strike.clone(), ..Case::default() },
            ..finding(Kind::LostAck, profiles, false)
        };
        outcome.findings = vec![
            one("after a failed call", 900, &Strike::Io(IoStrike::default()), &[]),
            one("inside recovery", 800, &nested, &[Profile::Ext4]),
            one("on btrfs", 700, &Strike::Power(PowerStrike::default()), &[Profile::Btrfs]),
            one("few", 5, &Strike::Power(PowerStrike::default()), &[Profile::Ext4]),
            one("many", 6, &Strike::Power(PowerStrike::default()), &[Profile::Ext4]),
            one("killed", 1, &Strike::Kill(KillStrike::default()), &[]),
        ];
    });
    let order: Vec<&str> = conclusion.findings.iter().map(|one| one.id.as_str()).collect();
    let expected = ["killed", "many", "few", "on btrfs", "after a failed call", "inside recovery"];
    assert_eq!(order, expected);
}

#[test]
fn an_interrupted_run_that_held_so_far_does_not_exit_as_held() {
    let mut conclusion = concluded(|_, _| {});
    conclusion.complete = false;
    assert_eq!(conclusion.exit_code(), 130);
}

#[test]
fn a_fault_that_was_asked_for_and_never_ran_has_not_held() {
    let conclusion = concluded(|_, options| options.faults.push(FaultName::Io));
    assert_eq!(conclusion.outcome, Outcome::NotMeasured);
}

#[test]
fn a_note_and_a_violation_of_one_cause_have_identifiers_of_their_own() {
    let conclusion = concluded(|outcome, _| {
        outcome.findings =
            vec![finding(Kind::LostAck, &[], true), finding(Kind::LostAck, &[], false)];
    });
    let ids: Vec<&str> = conclusion.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["lost-ack", "lost-ack-note"]);
}
