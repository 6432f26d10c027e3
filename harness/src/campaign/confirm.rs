//! Each finding is judged again from its saved case, in fresh processes, before anybody is told; then
//! made smaller as far as it keeps failing alike.

use std::time::Instant;

use crate::base::{Result, limits};
use crate::fault::{Context, Fault, Finding};
use crate::oracle::{Kind, Verdict, Violation};
use crate::scenario::Case;

/// What came of judging a finding again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It failed again, in this many of this many tries.
    Again(u32, u32),
    /// It never failed again: unplug or the target disagrees with itself.
    Never(u32),
}

/// True if the verdict shows this kind.
pub fn shows(verdict: &Verdict, kind: Kind) -> bool {
    verdict.violations.iter().any(|violation| violation.kind == kind)
}

/// Judges the finding's case again: twice, or five times where it does not fail each time. Answers are
/// waited for as long as the user says, as far as the fault's time goes. At the deadline fewer tries are
/// made, or none; the first finding of a fault has a moment more.
pub fn confirm(
    fault: &dyn Fault,
    ctx: &Context<'_>,
    finding: &mut Finding,
    is_first: bool,
) -> Result<Confirmed> {
    let hung = finding.kind == Kind::RecoveryHung;
    let budget = ctx.budget.to_confirm(is_first && hung);
    let ctx = &Context { budget: &budget, ..ctx.clone() };
    let is_late = || budget.deadline().is_some_and(|end| Instant::now() >= end);
    let mut failed = 0;
    let mut tries = 0;
    let no_time = |tries: u32| match (is_first, tries) {
        (true, 0) => ctx.budget.is_past(),
        _ => ctx.budget.is_over(),
    };
    while tries < limits::CONFIRM_TRIES && !no_time(tries) {
        if tries > 0 && hung && is_late() {
            break;
        }
        let again = fault.rejudge(ctx, &finding.case)?;
        tries += 1;
        if shows(&again.verdict, finding.kind) {
            failed += 1;
            if hung {
                say_how(finding, &again.verdict);
            }
            if finding.evidence.is_empty() {
                finding.evidence = again.evidence;
            }
        }
        // A hang is confirmed by one: each takes the whole limit.
        let enough = if hung { 1 } else { limits::CONFIRM_ALWAYS };
        if tries == enough && failed == tries {
            break;
        }
    }
    // What failed alike in a fresh process while states were visited needs no further try.
    if let (0, Some((seen, of @ 1..))) = (tries, finding.frequency) {
        return Ok(Confirmed::Again(seen, of));
    }
    finding.frequency = Some((failed, tries));
    Ok(if failed > 0 { Confirmed::Again(failed, tries) } else { Confirmed::Never(tries) })
}

/// Tells how the hang is known, as it was seen just now. One that was not waited for to the user's limit is
/// a note.
fn say_how(finding: &mut Finding, verdict: &Verdict) {
    let hang = |violation: &&Violation| violation.kind == Kind::RecoveryHung;
    let Some(seen) = verdict.violations.iter().find(hang) else { return };
    // What the fault had added about the case stays.
    let case = finding.sentence.find(" (`").map(|at| finding.sentence.split_off(at));
    finding.sentence = format!("{}{}", seen.sentence, case.unwrap_or_default());
    finding.note |= seen.note;
}

/// Tells of a hang for which there was no time to wait: that proves nothing.
pub fn was_cut(finding: &mut Finding) {
    finding.note = true;
    finding.sentence.push_str(
        "; it was not waited for as long as --timeout-open or --timeout-op says, because the budget \
         ended",
    );
}

/// Takes the boldest smaller case that still fails alike, again and again, as far as the tries go.
/// Returns how many tries it took.
pub fn shrink(fault: &dyn Fault, ctx: &Context<'_>, kind: Kind, case: &mut Case) -> Result<u32> {
    let mut tries = 0;
    'smaller: loop {
        for candidate in fault.smaller(case) {
            if tries >= limits::SHRINK_TRIES || ctx.budget.is_over() {
                break 'smaller;
            }
            tries += 1;
            if shows(&fault.rejudge(ctx, &candidate)?.verdict, kind) {
                *case = candidate;
                continue 'smaller;
            }
        }
        break;
    }
    Ok(tries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::campaign::control_of;
    use crate::driver::{Capabilities, Target};
    use crate::fault::today::Today;
    use crate::fault::{Budget, Cause, FaultOutcome, Lines, Rejudged, Silent};
    use crate::scenario::{FaultName, Options, Strike};
    use std::path::Path;
    use std::sync::Mutex;

    /// Fails as often as told; its cases are the texts of their capabilities, and a case fails as long
    /// as there is an `x` in it.
    struct Scripted(Mutex<Vec<bool>>);

    impl Fault for Scripted {
        fn name(&self) -> FaultName {
            FaultName::Kill
        }

        fn run(&self, _: &Context<'_>) -> Result<FaultOutcome> {
            Ok(FaultOutcome::default())
        }

        fn rejudge(&self, _: &Context<'_>, case: &Case) -> Result<Rejudged> {
            let scripted = self.0.lock().unwrap().pop();
            let fails = scripted.unwrap_or(case.capabilities.contains('x'));
            let mut verdict = Verdict::default();
            verdict.violations.extend(fails.then(|| Violation {
                kind: Kind::LostAck,
                sentence: "gone".into(),
                keys: Vec::new(),
                operations: Vec::new(),
                note: false,
            }));
            Ok(Rejudged { verdict, evidence: "said".into() })
        }

        fn today(&self, _: &Context<'_>, _: &Case, _: Option<Kind>) -> Result<Today> {
            Err(crate::base::HarnessError::broken("nothing is recorded here"))
        }

        fn smaller(&self, case: &Case) -> Vec<Case> {
            let text = &case.capabilities;
            let without = |at| text.chars().enumerate().filter(move |(i, _)| *i != at);
            (0..text.len())
                .map(|at| Case {
                    capabilities: without(at).map(|(_, c)| c).collect(),
                    ..Case::default()
                })
                .collect()
        }
    }

    fn with<T>(script: &[bool], test: impl FnOnce(&Scripted, &Context<'_>) -> T) -> T {
        let fault = Scripted(Mutex::new(script.iter().rev().copied().collect()));
        let control = control_of(Capabilities::default(), false);
        let ctx = Context {
            target: &Target::new("none", ["none"]),
            options: &Options::default(),
            control: &control,
            recordings: &crate::fault::Recordings::default(),
            run_root: Path::new("/nonexistent"),
            image_root: Path::new("/nonexistent"),
            rng: Rng::new(1),
            budget: &Budget::unlimited(),
            observer: &Silent,
        };
        test(&fault, &ctx)
    }

    fn finding() -> Finding {
        Finding {
            id: String::new(),
            kind: Kind::LostAck,
            fault: None,
            profiles: Default::default(),
            note: false,
            states: 1,
            sentence: String::new(),
            cause: Cause::default(),
            lines: Lines::default(),
            case: Case { strike: Strike::None, ..Case::default() },
            trace: None,
            image: None,
            evidence: String::new(),
            shows: Vec::new(),
            frequency: None,
        }
    }

    #[test]
    fn a_finding_that_fails_twice_in_a_row_fails_always() {
        with(&[true, true], |fault, ctx| {
            let mut finding = finding();
            assert_eq!(confirm(fault, ctx, &mut finding, true).unwrap(), Confirmed::Again(2, 2));
            assert_eq!((finding.frequency, finding.evidence.as_str()), (Some((2, 2)), "said"));
        });
    }

    #[test]
    fn a_finding_that_fails_now_and_then_keeps_its_frequency() {
        with(&[true, false, true, false, false], |fault, ctx| {
            let confirmed = confirm(fault, ctx, &mut finding(), true).unwrap();
            assert_eq!(confirmed, Confirmed::Again(2, 5));
        });
    }

    #[test]
    fn a_finding_that_never_fails_again_is_said_to_be_so() {
        with(&[false; 5], |fault, ctx| {
            assert_eq!(confirm(fault, ctx, &mut finding(), true).unwrap(), Confirmed::Never(5));
        });
    }

    #[test]
    fn a_case_is_shrunk_to_what_fails_alike() {
        with(&[], |fault, ctx| {
            let mut case = Case { capabilities: "abcxdef".into(), ..Case::default() };
            shrink(fault, ctx, Kind::LostAck, &mut case).unwrap();
            assert_eq!(case.capabilities, "x");
            let before = case.clone();
            shrink(fault, ctx, Kind::Hole, &mut case).unwrap();
            assert_eq!(case, before, "another kind is not the same failure");
        });
    }
}
