//! Groups of failing states into findings: sentence, cause, the case that replays it.

use super::group::{Group, legal_profile};
use super::marked::marked;
use crate::diagnose::{self, Remedy, TORN};
use crate::fault::{
    Cause, Context, Finding, LATER, Lines, NONE_HELPS, ONLY_DELETES, Symptom, asked, in_use,
};
use crate::image::Builder;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName, Strike};
use crate::trace::file;
use crate::workload::text::print_request;

/// Said where remedies of every kind were tried and none helps.
pub const NO_REMEDY: &str = "; no remedy was found";

/// What would have helped, and on which of the failures that was tried.
fn counterfactual(group: &Group) -> Option<String> {
    let remedy = group.cause.counterfactual.as_ref()?;
    let partial = group.states > group.own && group.requests.is_none() && !remedy.gone.is_empty();
    Some(if partial { format!("{remedy} in this recording") } else { remedy.to_string() })
}

/// The cause in words: of what was not promised itself it is not said that it was.
fn sentence(cause: &diagnose::Cause) -> String {
    let plain = match cause.parts.contains_key(TORN) {
        true => cause.sentence.replacen("can be lost", "can be torn", 1),
        false => cause.sentence.clone(),
    };
    match plain.strip_suffix(" after it was promised") {
        Some(lost) if cause.promised.is_none() || cause.rests_on_it() => {
            format!("{lost}, and a promise with it")
        }
        _ => plain,
    }
}

/// The finding that a group is.
pub fn finding(ctx: &Context<'_>, fault: FaultName, group: &Group) -> Finding {
    let spot = &group.spot;
    let ground = &spot.ground;
    debug_assert_eq!(legal_profile(group), group.profiles.mildest(), "{}", spot.state);
    let (mut strike, traces) = spot.strike();
    let died_in_use = group.kind == Kind::DiedInUse;
    if died_in_use {
        let usage = asked::usage(ctx.options, &ctx.control.capabilities);
        strike.then = usage.iter().map(print_request).collect();
    }
    let files =
        traces.into_iter().map(|(name, trace)| (name, file::encode(&trace).into())).collect();
    let case = Case {
        capabilities: ctx.control.capabilities.words().join(" "),
        control_warned: !ctx.control.warnings.is_empty(),
        on_disk: false,
        strike: Strike::Power(strike),
        files,
    };
    let inside = match ground.depth() {
        0 => "",
        // It was done before the kill, and what recovery showed rests on it; or when recovery was over.
        _ if group.is_echo() => "after a kill and a recovery: ",
        1 => "inside recovery: ",
        _ => "inside the recovery from a crash inside recovery: ",
    };
    let told = &group.cause;
    let mut cause = Cause {
        sentence: format!("{inside}{}", sentence(told)),
        counterfactual: counterfactual(group),
        mechanism: told.mechanism(),
        blameless: false,
        tried: told.counterfactual.as_ref().is_some_and(Remedy::was_tried),
        parts: told.parts.clone(),
    };
    if died_in_use {
        cause = in_use::cause(&group.violation);
    }
    // What the finding is called must not depend on where in the trace it was seen.
    let id = Finding::stable_id(Some(fault), group.kind, &cause);
    if !told.detail.is_empty() && !died_in_use {
        let echoes = match group.echoes {
            0 => String::new(),
            some => format!("; {some} of the cases are power cuts in or after a later recovery"),
        };
        let fewer = match &group.requests {
            None => String::new(),
            Some((some, whole)) => {
                let fewer = format!("{} of {whole}", some.requests.len());
                cause.parts.insert("requests".into(), fewer.clone());
                format!("with {fewer} requests: ")
            }
        };
        let untried = match (&told.counterfactual, group.untried) {
            (Some(_), _) => String::new(),
            (None, Some(why)) => format!("; no remedy was tried: {why}"),
            (None, None) if ctx.budget.must_confirm() => {
                "; no remedy was found before the time was over".into()
            }
            (None, None) => {
                cause.parts.insert(NONE_HELPS.into(), "yes".into());
                NO_REMEDY.into()
            }
        };
        cause.sentence.push_str(&format!(" ({fewer}{}{echoes}{untried})", told.detail));
    }
    cause.parts.insert("state".into(), spot.state.to_string());
    let marks = [(LATER, group.is_later()), (ONLY_DELETES, group.loses_only_deletes())];
    for (name, _) in marks.into_iter().filter(|(_, is_so)| *is_so) {
        cause.parts.insert(name.into(), "yes".into());
    }
    if let Some(remedy) = &told.counterfactual {
        cause.parts.insert("remedy".into(), remedy.place.clone());
    }
    if let Some(guilty) = told.guilty.filter(|_| !died_in_use) {
        cause.parts.insert("event".into(), guilty.0.to_string());
    }
    let mut finding = Finding {
        id,
        kind: group.kind,
        fault: Some(fault),
        profiles: group.profiles.iter().collect(),
        note: group.note || group.kind == Kind::RefusedUnborn,
        states: group.states,
        sentence: group.violation.sentence.clone(),
        cause,
        lines: Lines::default(),
        case,
        trace: Some(marked(&ground.trace, spot)),
        image: Some(Builder::new(&ground.model).image(&spot.state)),
        evidence: String::new(),
        shows: Vec::new(),
        frequency: None,
    };
    for symptom in &group.shows {
        finding.show(Symptom { fault: Some(fault), ..symptom.clone() });
    }
    finding
}
