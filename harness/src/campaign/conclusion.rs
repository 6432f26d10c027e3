//! What a run comes to: the outcome by the rules of ORACLE.md, and everything that the report says.
//! Pure: it decides from what the faults handed back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::echo;
use crate::fault::{FaultOutcome, Finding, Totals};
use crate::oracle::Kind;
use crate::scenario::{FaultName, Options, Outcome, TargetText};

/// A finished run, or as much of it as was done.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// How it ended.
    pub outcome: Outcome,
    /// False if it was interrupted.
    pub complete: bool,
    /// What was run.
    pub target: TargetText,
    /// What reports call it.
    pub target_name: String,
    /// What the driver promised, in its words.
    pub capabilities: Vec<String>,
    /// How it was run.
    pub options: Options,
    /// The `warn`s of the control run.
    pub control_warnings: Vec<String>,
    /// All faults together.
    pub totals: Totals,
    /// The totals of each fault that ran.
    pub faults: BTreeMap<FaultName, Totals>,
    /// What failed, in the order of [`Finding::order`].
    pub findings: Vec<Finding>,
    /// The properties that were judged in at least one case.
    pub judged: BTreeSet<Kind>,
    /// Properties that were judged in no case.
    pub not_judged: BTreeSet<Kind>,
    /// Of those the ones that the faults and the capabilities call for.
    pub missed: BTreeSet<Kind>,
    /// Faults that were asked for and judged no case at all, for want of time or of anything to strike.
    pub idle: Vec<FaultName>,
    /// Calls that changed files and are not modelled.
    pub unmodelled: BTreeMap<String, u64>,
    /// What the recorder could not see past.
    pub blind: Vec<String>,
    /// Worth a line.
    pub notes: Vec<String>,
    /// Cases in which damage left exactly an earlier legal state.
    pub rollback_exempt: u64,
    /// Cases in which the oracle gave up its search; they count as held.
    pub undecided: u64,
    /// Why the harness is broken, if it is.
    pub broken: Option<String>,
}

impl Conclusion {
    /// A run of which nothing is known yet.
    pub fn begin(target: &TargetText, target_name: &str, options: &Options) -> Self {
        Self {
            outcome: Outcome::HarnessBroken,
            complete: true,
            target: target.clone(),
            target_name: target_name.to_owned(),
            capabilities: Vec::new(),
            options: options.clone(),
            control_warnings: Vec::new(),
            totals: Totals::default(),
            faults: BTreeMap::new(),
            findings: Vec::new(),
            judged: BTreeSet::new(),
            not_judged: BTreeSet::new(),
            missed: BTreeSet::new(),
            idle: Vec::new(),
            unmodelled: BTreeMap::new(),
            blind: Vec::new(),
            notes: Vec::new(),
            rollback_exempt: 0,
            undecided: 0,
            broken: None,
        }
    }

    /// Takes in what one fault handed back; `called_for` collects over all faults.
    pub fn take(
        &mut self,
        fault: Option<FaultName>,
        outcome: FaultOutcome,
        called_for: &mut BTreeSet<Kind>,
    ) {
        self.totals.add(&outcome.totals);
        if let Some(fault) = fault {
            if outcome.totals.states == 0 && outcome.findings.is_empty() {
                self.idle.push(fault);
                let help = if outcome.blind.is_empty() { "; give it more --budget" } else { "" };
                self.notes.push(format!("{fault}: judged no case at all{help}"));
            }
            self.faults.insert(fault, outcome.totals);
        }
        self.findings.extend(outcome.findings);
        // The control is one state without any fault: it measures no property of a crash.
        if fault.is_some() {
            self.judged.extend(&outcome.judged);
        }
        called_for.extend(outcome.called_for);
        for (name, count) in outcome.unmodelled {
            *self.unmodelled.entry(name).or_default() += count;
        }
        for text in outcome.blind {
            if !self.blind.contains(&text) {
                self.blind.push(text);
            }
        }
        self.notes.extend(outcome.notes);
        self.rollback_exempt += outcome.rollback_exempt;
        self.undecided += outcome.undecided;
    }

    /// Decides the outcome once everything is in.
    pub fn decide(&mut self, called_for: &BTreeSet<Kind>) {
        let fail_on = self.fail_on();
        for finding in &mut self.findings {
            let too_harsh = finding.grade().is_some_and(|grade| grade > fail_on);
            finding.note |= too_harsh || finding.kind == Kind::RefusedUnborn;
        }
        self.findings.sort_by(Finding::order);
        self.notes.extend(echo::fold(&mut self.findings));
        let never = |kind: &Kind| *kind != Kind::RefusedUnborn && !self.judged.contains(kind);
        self.not_judged = Kind::ALL.into_iter().filter(never).collect();
        self.missed = called_for.difference(&self.judged).copied().collect();
        self.outcome = if self.findings.iter().any(|finding| !finding.note) {
            Outcome::Violated
        } else if self.broken.is_some() {
            Outcome::HarnessBroken
        } else if self.unmeasured() {
            Outcome::NotMeasured
        } else {
            Outcome::Held
        };
    }

    /// True if something was asked for that this run can say nothing about.
    fn unmeasured(&self) -> bool {
        !(self.unmodelled.is_empty()
            && self.blind.is_empty()
            && self.missed.is_empty()
            && self.idle.is_empty())
    }

    /// The harshest profile whose findings count: where only `strict` is judged, it counts.
    fn fail_on(&self) -> crate::scenario::Profile {
        let judged = self.options.profiles.iter().next().copied();
        judged.map_or(self.options.fail_on, |mildest| mildest.max(self.options.fail_on))
    }

    /// The exit code of `unplug run`.
    pub fn exit_code(&self) -> u8 {
        match (self.outcome, self.complete) {
            (Outcome::Held | Outcome::NotMeasured, false) => 130,
            (outcome, _) => outcome.exit_code(),
        }
    }

    /// Wall time, from the parts.
    pub fn elapsed(&self) -> Duration {
        self.totals.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Cause;
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
            source: None,
            case: Case::default(),
            trace: None,
            image: None,
            evidence: String::new(),
            frequency: None,
        }
    }

    fn concluded(change: impl FnOnce(&mut FaultOutcome, &mut Options)) -> Conclusion {
        let mut options = Options::default();
        let mut outcome = FaultOutcome::default();
        outcome.judged.insert(Kind::LostAck);
        outcome.called_for.insert(Kind::LostAck);
        outcome.totals.states = 1;
        change(&mut outcome, &mut options);
        let mut conclusion = Conclusion::begin(&TargetText::Engine("x".into()), "x", &options);
        let mut called_for = BTreeSet::new();
        conclusion.take(Some(FaultName::Power), outcome, &mut called_for);
        conclusion.decide(&called_for);
        conclusion
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
        let conclusion = concluded(|outcome, _| outcome.totals.states = 0);
        assert_eq!(conclusion.outcome, Outcome::NotMeasured);
        assert_eq!(conclusion.idle, [FaultName::Power]);
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
        let expected =
            ["killed", "many", "few", "on btrfs", "after a failed call", "inside recovery"];
        assert_eq!(order, expected);
    }

    #[test]
    fn an_interrupted_run_that_held_so_far_does_not_exit_as_held() {
        let mut conclusion = concluded(|_, _| {});
        conclusion.complete = false;
        assert_eq!(conclusion.exit_code(), 130);
    }
}
