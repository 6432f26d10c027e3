//! Groups of failing states into findings: sentence, cause, the case that replays it.

use std::collections::BTreeMap;

use super::group::{Group, KnownNames};
use super::sites;
use super::tracetext as text;
use crate::driver::Capabilities;
use crate::fault::{Cause, Finding};
use crate::oracle::Kind;
use crate::persistence::EffectNo;
use crate::scenario::{Case, FaultName, Strike};

/// How many lost effects a cause lists.
const LISTED: usize = 6;

/// The finding that a group is.
pub fn finding(
    group: &Group,
    names: &mut KnownNames,
    capabilities: &Capabilities,
    control_warned: bool,
) -> Finding {
    let spot = &group.spot;
    let ground = &spot.ground;
    let known = names.of(ground);
    let (strike, traces) = spot.strike();
    let files = traces
        .into_iter()
        .map(|(name, trace)| (name, text::print(&trace).into_bytes().into()))
        .collect();
    let case = Case {
        capabilities: capabilities.words().join(" "),
        control_warned,
        strike: Strike::Power(strike),
        files,
    };
    let cause = cause(group, &known);
    // What the finding is called must not depend on where in the trace it was seen.
    let mut stable = Cause { sentence: lost(group), ..Cause::default() };
    stable.parts.insert("depth".into(), ground.depth().to_string());
    Finding {
        id: Finding::stable_id(Some(FaultName::Power), group.kind, &stable),
        kind: group.kind,
        fault: Some(FaultName::Power),
        profiles: group.profiles.iter().collect(),
        note: group.note || group.kind == Kind::RefusedUnborn,
        states: group.states,
        sentence: group.violation.sentence.clone(),
        cause,
        source: None,
        case,
        trace: Some(text::print_marked(&ground.trace, spot.state.point)),
        image: None,
        evidence: String::new(),
        frequency: None,
    }
}

/// What was lost, in general terms.
fn lost(group: &Group) -> String {
    if group.sites.is_empty() {
        return "nothing was lost".into();
    }
    let site = |site: &sites::Site| {
        let torn = if site.torn { " in part" } else { "" };
        format!("the {} of {} by {}{torn}", site.part, site.file, site.call)
    };
    group.sites.iter().map(site).collect::<Vec<_>>().join(", ")
}

fn cause(group: &Group, names: &super::names::Names) -> Cause {
    let spot = &group.spot;
    let ground = &spot.ground;
    let mut parts = BTreeMap::new();
    parts.insert("point".to_owned(), spot.state.point.0.to_string());
    let inside = match ground.depth() {
        0 => "",
        1 => ", inside recovery",
        _ => ", inside the recovery from a crash inside recovery",
    };
    let sentence = match spot.state.loss() {
        None => format!("the process is killed before event {}{inside}", spot.state.point.0),
        Some(loss) => {
            let effects: Vec<EffectNo> =
                loss.lost().chain(loss.forms().iter().map(|form| EffectNo(form.0))).collect();
            let mut told: Vec<String> = Vec::new();
            for effect in &effects {
                let text = sites::describe(&ground.trace, &ground.model, names, *effect);
                if !told.contains(&text) {
                    told.push(text);
                }
            }
            if let Some(first) = effects.first().and_then(|effect| ground.model.effect(*effect)) {
                parts.insert("event".into(), first.event.0.to_string());
                parts.insert("file".into(), names.path(first.kind.file(), first.event));
                if let Some(call) = sites::call_name(&ground.trace, first.event) {
                    parts.insert("call".into(), call);
                }
            }
            let more = told.len().saturating_sub(LISTED);
            told.truncate(LISTED);
            let what = match (told.is_empty(), more) {
                (true, _) => "everything survives".to_owned(),
                (false, 0) => format!("lost: {}", told.join("; ")),
                (false, more) => format!("lost: {}; and {more} more", told.join("; ")),
            };
            format!("the power is cut before event {}{inside}; {what}", spot.state.point.0)
        }
    };
    Cause { sentence, counterfactual: None, parts }
}
