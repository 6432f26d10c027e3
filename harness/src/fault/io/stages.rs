//! The stores on which calls fail: a new one with the workload, and two that had lost their power, at
//! which recovery has work to do. Pure but for the runs that it is given.

use super::run::{Before, Run, Stage};
use crate::base::Rng;
use crate::driver::Capabilities;
use crate::explore::Explorer;
use crate::fault::power::ground::created;
use crate::image::Builder;
use crate::persistence::{CrashState, Device, Loss, Model, ProfileSet};
use crate::trace::{EventKind, EventNo, FileOp, Trace};
use crate::workload::{Moment, Request};

/// How many states are looked through for one with a torn write.
const LOOKED_THROUGH: usize = 2000;

/// Recoveries from what `run`, the workload without failures, could have left: everything written
/// survives, with a log that was not closed; and one in which the last write was torn.
pub fn recoveries(run: &Run, capabilities: &Capabilities, device: Device, rng: &Rng) -> Vec<Stage> {
    let trace = &run.trace;
    let model = Model::with(trace, &created(trace), device);
    let mut builder = Builder::new(&model);
    let close = first_close(trace).unwrap_or(model.last_point());
    let whole = CrashState::power(close, Loss::default());
    let torn = last_write(trace, close).and_then(|write| {
        Explorer::new(trace, &model, ProfileSet::ALL, rng)
            .starting_at(EventNo(write.0 + 1))
            .take(LOOKED_THROUGH)
            .find(|visit| visit.strategy == "forms" && visit.state.point <= close)
            .map(|visit| visit.state)
    });
    let mut stages: Vec<Stage> = Vec::new();
    for state in std::iter::once(whole).chain(torn) {
        let image = builder.image(&state);
        let known = |stage: &Stage| {
            stage.before.as_ref().is_some_and(|before| before.image.hash() == image.hash())
        };
        if stages.iter().any(known) {
            continue;
        }
        let history = run.history.until(Moment(u64::from(state.point.0)));
        let requests = super::asks::recovery(capabilities);
        stages.push(Stage { before: Some(Before { history, image }), ..Stage::new(requests, 1) });
    }
    stages
}

/// Before the first `close` the log is long and was not closed.
fn first_close(trace: &Trace) -> Option<EventNo> {
    let close = trace.events.iter().position(|event| {
        matches!(&event.kind, EventKind::Request { request: Request::Close, .. })
    })?;
    u32::try_from(close).ok().map(EventNo)
}

fn last_write(trace: &Trace, before: EventNo) -> Option<EventNo> {
    let is_write = |event: &crate::trace::Event| match &event.kind {
        EventKind::Call(call) => matches!(call.op, FileOp::Write { .. }),
        _ => false,
    };
    let at = trace.events[..before.0 as usize].iter().rposition(is_write)?;
    u32::try_from(at).ok().map(EventNo)
}
