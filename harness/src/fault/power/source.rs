//! Where in the program's source the call stands whose effect was lost: the recording that it is of is made
//! once more, with call stacks.

use std::collections::BTreeSet;

use super::ground::Ground;
use super::group::Group;
use super::studio;
use crate::base::Result;
use crate::diagnose::Sites;
use crate::fault::{Context, asked};
use crate::image::Builder;
use crate::persistence::{EffectNo, Model};
use crate::record::OwnLines;
use crate::trace::{Call, EventKind, EventNo, FileId, FileOp};

/// The calls that read a file.
const READS: [&str; 5] = ["read", "pread64", "readv", "preadv", "preadv2"];
/// So many of a recovery's calls are told.
const TOLD: usize = 4;

/// The source lines of a call of the timeline that a group stands on; none where there is no such call, or no line is
/// known.
pub fn of(ctx: &Context<'_>, group: &Group, event: Option<EventNo>) -> Result<OwnLines> {
    let Some(event) = event else { return Ok(OwnLines::default()) };
    let (ground, event) = recorded_in(&group.spot.ground, event);
    let own = ground.own.as_ref().unwrap_or(&ground.trace);
    let Some(call) = own.events.get(event.0 as usize).and_then(|event| call(&event.kind)) else {
        return Ok(OwnLines::default());
    };
    let studio = studio(ctx);
    if let Some((above, state)) = &ground.parent {
        let image = Builder::new(&above.model).image(state);
        return studio.source(Some(&image), &studio.recovering(), 1, call);
    }
    let workload = match &group.requests {
        Some((some, _)) => some.clone(),
        None => asked::round(ctx.options, &ctx.control.capabilities, ground.round),
    };
    studio.source(None, &workload.requests, ctx.options.threads, call)
}

/// The calls by which recovery reads and changes what the crash left of the guilty file, of any file where none is
/// known, until `open` is answered; each once, with its line.
pub fn recovery(ctx: &Context<'_>, group: &Group) -> Result<Vec<String>> {
    let ground = &group.spot.ground;
    let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
    let guilty = group.cause.guilty.and_then(|event| sites.site_of(event)).map(|site| &site.file);
    let image = Builder::new(&ground.model).image(&group.spot.state);
    let recording = studio(ctx).looking(&image)?;
    let trace = &recording.trace;
    let model = Model::new(trace);
    let recovering = Sites::knowing(trace, &model, &ground.patterns);
    let left: BTreeSet<FileId> = trace.initial.iter().map(|node| node.file).collect();
    let mut told: Vec<String> = Vec::new();
    let opening = trace.events.iter().take_while(|event| !event.is_answer());
    for (at, event) in (0..).map(EventNo).zip(opening) {
        let EventKind::Call(call) = &event.kind else { continue };
        let effect = model.effects_of(at).next().and_then(|effect| model.effect(EffectNo(effect)));
        let (file, changes) = match (&call.op, effect) {
            (FileOp::Nothing { file: Some(file) }, _)
                if READS.contains(&&*call.name) && call.result > 0 =>
            {
                (*file, false)
            }
            (_, Some(effect)) => (effect.kind.file(), true),
            _ => continue,
        };
        // By the name that it had until then.
        let before = EventNo(at.0.saturating_sub(1));
        let path = ground.patterns.path(&recovering.names.path(file, before));
        if !left.contains(&file) || guilty.is_some_and(|guilty| *guilty != path) {
            continue;
        }
        let what = if changes { recovering.named(at) } else { format!("{} of {path}", call.name) };
        let line = OwnLines::of(recording.source(at)).told();
        let text = what + &line.map_or(String::new(), |line| format!(" at {line}"));
        if !told.contains(&text) {
            told.push(text);
        }
    }
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Ok(told)
}

/// The ground whose own recording an event of a timeline is of, and its number there: after a kill a
/// timeline goes on with the recovery's.
fn recorded_in(ground: &Ground, event: EventNo) -> (&Ground, EventNo) {
    match (event.0.checked_sub(ground.offset), &ground.parent) {
        (None, Some((above, _))) => recorded_in(above, event),
        (own, _) => (ground, own.map_or(event, EventNo)),
    }
}

/// A call with a number: a store into a mapping has none.
fn call(kind: &EventKind) -> Option<&Call> {
    match kind {
        EventKind::Call(call) if call.no != 0 => Some(call),
        _ => None,
    }
}
