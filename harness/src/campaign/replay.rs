//! Replays a scenario and compares what comes out with what the scenario says must.

use crate::base::{HarnessError, Result};
use crate::driver::Capabilities;
use crate::fault::{self, Budget, Context, Rejudged};
use crate::oracle::Kind;
use crate::scenario::{Case, Outcome, Scenario};

use super::{Campaign, Conclusion, Place, control_of};

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// True if it is what the scenario expects.
    pub as_expected: bool,
    /// What came out, in one sentence.
    pub sentence: String,
    /// The driver's words, where there are any.
    pub evidence: String,
    /// The whole conclusion, for a run.
    pub conclusion: Option<Conclusion>,
}

/// Replays `scenario`; `campaign` says how the scenario's target is started and where to work.
pub fn replay(campaign: &Campaign<'_>, scenario: &Scenario) -> Result<Replayed> {
    let expected = match &scenario.expect.kind {
        None => None,
        Some(name) => Some(Kind::parse(name).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            HarnessError::input(format!("expect.kind: `{name}`: expected one of {names}"))
        })?),
    };
    match &scenario.case {
        Some(case) => one_case(campaign, case, scenario.expect.outcome, expected),
        None => whole_run(campaign, scenario.expect.outcome, expected),
    }
}

fn one_case(
    campaign: &Campaign<'_>,
    case: &Case,
    outcome: Outcome,
    kind: Option<Kind>,
) -> Result<Replayed> {
    let Rejudged { verdict, evidence } = judge(campaign, case)?;
    let worst = verdict.violations.first();
    let as_expected = match (outcome, kind) {
        (Outcome::Held, _) => verdict.held(),
        (_, None) => worst.is_some(),
        (_, Some(kind)) => super::confirm::shows(&verdict, kind),
    };
    let sentence = match worst {
        None => "held".to_owned(),
        Some(violation) => format!("{}: {}", violation.kind, violation.sentence),
    };
    Ok(Replayed { as_expected, sentence, evidence, conclusion: None })
}

/// Judges one saved case again, in fresh processes.
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
    let capabilities = match Capabilities::parse(case.capabilities.split_ascii_whitespace()) {
        Ok(capabilities) => capabilities,
        Err(why) => return Some(Err(HarnessError::input(format!("case.capabilities: {why}")))),
    };
    let budget = Budget::new(u64::MAX, None, std::sync::Arc::clone(&campaign.interrupted));
    let control = control_of(capabilities, case.control_warned);
    let mut place = Place::first(campaign);
    if case.on_disk {
        place.root = campaign.run_root;
    }
    Some(with(fault, &campaign.context(fault.name(), campaign.options, &control, &budget, &place)))
}

fn whole_run(campaign: &Campaign<'_>, outcome: Outcome, kind: Option<Kind>) -> Result<Replayed> {
    let conclusion = campaign.run()?;
    if campaign.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(HarnessError::Interrupted);
    }
    let worst = conclusion.findings.iter().find(|finding| !finding.note);
    let as_expected = conclusion.complete
        && conclusion.outcome == outcome
        && kind.is_none_or(|kind| worst.is_some_and(|finding| finding.kind == kind));
    let mut sentence = conclusion.outcome.to_string();
    if let Some(finding) = worst {
        sentence.push_str(&format!(": {}: {}", finding.kind, finding.sentence));
    } else if let Some(why) = &conclusion.broken {
        sentence.push_str(&format!(": {why}"));
    }
    let evidence = worst.map(|finding| finding.evidence.clone()).unwrap_or_default();
    Ok(Replayed { as_expected, sentence, evidence, conclusion: Some(conclusion) })
}
