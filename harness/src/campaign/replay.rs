//! Replays a scenario and compares what comes out with what the scenario says must. A case is asked of
//! today's program: its requests are recorded again, and its state is looked for in the new recording.
//! Where somebody asks for it the old recording alone is judged.

use std::sync::Arc;

use crate::base::{HarnessError, Result};
use crate::driver::Capabilities;
use crate::fault::today::{Answer, Today, hello::hello};
use crate::fault::{self, Budget, Context, Rejudged};
use crate::oracle::{Kind, Violation};
use crate::scenario::{Case, Expect, Outcome, Scenario, Strike};

use super::{Campaign, Conclusion, Place, control_of};

/// How often what needs no fault is run again before it counts as fixed.
const WITHOUT_FAULT: u64 = 3;

/// How scenarios are replayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Judge the recordings of cases, and do not run the program's workload again.
    pub recorded: bool,
    /// How many recoveries, or runs with a failing call, a case may take; nothing for the usual number.
    pub cases: Option<u64>,
    /// What must come out, whatever the scenario says.
    pub expect: Option<Outcome>,
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// True if it is what the scenario expects.
    pub as_expected: bool,
    /// What came out, in one sentence.
    pub sentence: String,
    /// Worth a line besides.
    pub notes: Vec<String>,
    /// The driver's words, where there are any.
    pub evidence: String,
    /// The whole conclusion, for a run.
    pub conclusion: Option<Conclusion>,
}

/// Replays `scenario`; `campaign` says how the scenario's target is started and where to work.
pub fn replay(campaign: &Campaign<'_>, scenario: &Scenario, how: How) -> Result<Replayed> {
    let kind = kind_of(&scenario.expect)?;
    let outcome = how.expect.unwrap_or(scenario.expect.outcome);
    let Some(case) = &scenario.case else { return whole_run(campaign, outcome, kind) };
    let why = scenario.recorded.as_deref();
    if how.recorded || why.is_some() {
        return recorded(campaign, case, why, outcome, kind);
    }
    let today = today(campaign, case, kind, how.cases)?;
    Ok(Replayed {
        as_expected: is_expected(today.answer.violation(), outcome, kind),
        sentence: today.to_string(),
        notes: today.notes,
        evidence: today.evidence,
        conclusion: None,
    })
}

/// The kind that a scenario speaks of: of a case that is held now the one that it once showed.
fn kind_of(expect: &Expect) -> Result<Option<Kind>> {
    let Some(name) = &expect.kind else { return Ok(None) };
    let kind = Kind::parse(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        HarnessError::input(format!("expect.kind: `{name}`: expected one of {names}"))
    })?;
    Ok(Some(kind))
}

/// True if what is wrong with a case, or nothing, is what is expected of it.
fn is_expected(wrong: Option<&Violation>, outcome: Outcome, kind: Option<Kind>) -> bool {
    match (outcome, wrong) {
        (Outcome::Held, wrong) => wrong.is_none(),
        (_, Some(wrong)) => kind.is_none_or(|kind| wrong.kind == kind),
        (_, None) => false,
    }
}

/// Asks today's program about a case that showed `kind`.
fn today(
    campaign: &Campaign<'_>,
    case: &Case,
    kind: Option<Kind>,
    cases: Option<u64>,
) -> Result<Today> {
    let Some(name) = case.strike.fault() else { return without_fault(campaign, kind) };
    let fault = fault::find(name).ok_or_else(|| {
        HarnessError::input(format!("case.strike: this build has no {name} fault"))
    })?;
    let saved = capabilities(case)?;
    let now = match campaign.target.check {
        Some(_) => saved.clone(),
        None => hello(campaign.target, campaign.options, campaign.run_root)?,
    };
    let differs = promises(&now) != promises(&saved);
    let budget = budget(campaign, cases);
    let control = control_of(now.clone(), case.control_warned);
    let place = Place::of(campaign, case);
    let ctx = campaign.context(name, campaign.options, &control, &budget, &place);
    if let Some(today) = in_use(fault, &ctx, case)? {
        return Ok(today);
    }
    let mut today = fault.today(&ctx, case, kind)?;
    if today.states == 0 {
        return Err(HarnessError::NotMeasured(format!("no state could be judged: {}", today.why)));
    }
    if differs {
        let text = format!("it promises `{}` now, and promised `{}`", words(&now), words(&saved));
        today.notes.push(format!("{text}; it was judged by what it promises now"));
        // By the old promise it might fail still: nobody has judged that.
        if today.answer == Answer::Fixed {
            today.answer = Answer::Changed(None);
        }
    }
    Ok(today)
}

/// Today's program in ordinary use of the store that a case left, where that is how the case failed;
/// nothing where it is not, or where the store lives through it now.
fn in_use(fault: &dyn fault::Fault, ctx: &Context<'_>, case: &Case) -> Result<Option<Today>> {
    let then = match &case.strike {
        Strike::Kill(strike) => &strike.then,
        Strike::Power(strike) => &strike.then,
        _ => return Ok(None),
    };
    if then.is_empty() {
        return Ok(None);
    }
    let Rejudged { verdict, evidence } = fault.rejudge(ctx, case)?;
    let died = verdict.violations.into_iter().find(|found| found.kind == Kind::DiedInUse);
    Ok(died.map(|violation| Today {
        answer: Answer::StillFails(violation),
        why: "the store of the case was recovered and asked the same requests".into(),
        states: 1,
        notes: Vec::new(),
        evidence,
    }))
}

/// What of the capabilities is a promise.
fn promises(capabilities: &Capabilities) -> Capabilities {
    let none = Capabilities::default();
    Capabilities {
        reopen: none.reopen,
        threads: none.threads,
        max_value: none.max_value,
        ..capabilities.clone()
    }
}

fn words(capabilities: &Capabilities) -> String {
    capabilities.words().join(" ")
}

/// A loss that needs no fault: the workload of the options is run again, closed and opened.
fn without_fault(campaign: &Campaign<'_>, kind: Option<Kind>) -> Result<Today> {
    for run in 1..=WITHOUT_FAULT {
        let (_, outcome) =
            fault::control::run(campaign.target, campaign.options, campaign.run_root)?;
        let Rejudged { verdict, evidence } = fault::control::as_verdict(outcome);
        let why = "the workload was run again without any fault".to_owned();
        // One that is sought outweighs the others.
        let found = verdict.violations.into_iter().filter(|found| !found.note);
        if let Some(violation) = found.min_by_key(|found| Some(found.kind) != kind) {
            let answer = Answer::StillFails(violation);
            return Ok(Today { answer, why, states: run, notes: Vec::new(), evidence });
        }
    }
    let why = format!("the workload was run again {WITHOUT_FAULT} times without any fault");
    let (answer, states) = (Answer::Fixed, WITHOUT_FAULT);
    Ok(Today { answer, why, states, notes: Vec::new(), evidence: String::new() })
}

/// Judges the recording of a case.
fn recorded(
    campaign: &Campaign<'_>,
    case: &Case,
    why: Option<&str>,
    outcome: Outcome,
    kind: Option<Kind>,
) -> Result<Replayed> {
    let Rejudged { verdict, evidence } = judge(campaign, case)?;
    let sought = verdict.violations.iter().find(|found| Some(found.kind) == kind);
    let worst = sought.or(verdict.violations.first());
    let found = match worst {
        None => "held".to_owned(),
        Some(violation) => format!("{}: {}", violation.kind, violation.sentence),
    };
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Ok(Replayed {
        as_expected: is_expected(worst, outcome, kind),
        sentence: format!("{found} (the recording was judged{why})"),
        notes: Vec::new(),
        evidence,
        conclusion: None,
    })
}

/// Judges the recording of one saved case, in fresh processes.
pub fn judge(campaign: &Campaign<'_>, case: &Case) -> Result<Rejudged> {
    let Some(name) = case.strike.fault() else {
        let (_, outcome, _) = campaign.control()?;
        return Ok(fault::control::as_verdict(outcome));
    };
    with_context(campaign, case, |fault, ctx| fault.rejudge(ctx, case)).unwrap_or_else(|| {
        Err(HarnessError::input(format!("case.strike: this build has no {name} fault")))
    })
}

/// Makes one saved case smaller as long as it shows `kind`; returns how many tries it took.
pub fn shrink(campaign: &Campaign<'_>, case: &mut Case, kind: Kind) -> Result<u32> {
    let start = case.clone();
    with_context(campaign, &start, |fault, ctx| super::confirm::shrink(fault, ctx, kind, case))
        .unwrap_or(Ok(0))
}

fn with_context<T>(
    campaign: &Campaign<'_>,
    case: &Case,
    with: impl FnOnce(&dyn fault::Fault, &Context<'_>) -> Result<T>,
) -> Option<Result<T>> {
    let fault = fault::find(case.strike.fault()?)?;
    let capabilities = match capabilities(case) {
        Ok(capabilities) => capabilities,
        Err(why) => return Some(Err(why)),
    };
    let budget = budget(campaign, None);
    let control = control_of(capabilities, case.control_warned);
    let place = Place::of(campaign, case);
    Some(with(fault, &campaign.context(fault.name(), campaign.options, &control, &budget, &place)))
}

fn capabilities(case: &Case) -> Result<Capabilities> {
    Capabilities::parse(case.capabilities.split_ascii_whitespace())
        .map_err(|why| HarnessError::input(format!("case.capabilities: {why}")))
}

fn budget(campaign: &Campaign<'_>, cases: Option<u64>) -> Budget {
    Budget::new(cases.unwrap_or(u64::MAX), None, Arc::clone(&campaign.interrupted))
}

fn whole_run(campaign: &Campaign<'_>, outcome: Outcome, kind: Option<Kind>) -> Result<Replayed> {
    let conclusion = campaign.run()?;
    if campaign.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(HarnessError::Interrupted);
    }
    // By its kind: a loss without any fault stands first in the report, whatever its kind.
    let alarms = conclusion.findings.iter().filter(|finding| !finding.note);
    let worst = alarms.min_by_key(|finding| (finding.takes_two(), finding.kind));
    let sought = || kind.is_none_or(|kind| worst.is_some_and(|finding| finding.kind == kind));
    let as_expected = conclusion.complete
        && conclusion.outcome == outcome
        && (outcome != Outcome::Violated || sought());
    let mut sentence = conclusion.outcome.to_string();
    if let Some(finding) = worst {
        sentence.push_str(&format!(": {}: {}", finding.kind, finding.sentence));
    } else if let Some((_, why)) = &conclusion.broken {
        sentence.push_str(&format!(": {why}"));
    }
    let evidence = worst.map(|finding| finding.evidence.clone()).unwrap_or_default();
    let notes = Vec::new();
    Ok(Replayed { as_expected, sentence, notes, evidence, conclusion: Some(conclusion) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Violation {
        Violation {
            kind: Kind::LostAck,
            sentence: "gone".into(),
            keys: Vec::new(),
            operations: Vec::new(),
            note: false,
        }
    }

    #[test]
    fn what_is_expected_of_a_case_is_held_or_a_violation_of_its_kind() {
        let (wrong, right) = (lost(), None);
        let kind = Some(Kind::LostAck);
        assert!(is_expected(Some(&wrong), Outcome::Violated, kind));
        assert!(is_expected(Some(&wrong), Outcome::Violated, None));
        assert!(!is_expected(Some(&wrong), Outcome::Violated, Some(Kind::Hole)));
        assert!(!is_expected(Some(&wrong), Outcome::Held, kind));
        assert!(is_expected(right, Outcome::Held, kind));
        assert!(!is_expected(right, Outcome::Violated, kind));
    }

    #[test]
    fn more_threads_are_no_other_promise_and_less_durability_is() {
        let base = Capabilities::default();
        let more = Capabilities { threads: 4, reopen: true, ..base.clone() };
        assert_eq!(promises(&more), promises(&base));
        let less = Capabilities { durable: crate::driver::Durable::None, ..base.clone() };
        assert_ne!(promises(&less), promises(&base));
    }
}
