//! Where in the program's source the call stands whose effect was lost: the recording that it is of is made
//! once more, with call stacks.

use super::ground::Ground;
use super::group::Group;
use super::studio;
use crate::base::Result;
use crate::fault::{Context, asked};
use crate::image::Builder;
use crate::record::OwnLines;
use crate::trace::{Call, EventKind, EventNo};

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
