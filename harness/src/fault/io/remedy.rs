//! What would have helped, said only where judging again proves it. The program is not run again: the
//! same recovery is judged with another answer, or the same state looked for with one more sync.
//!
//! * The request during which the call failed was acknowledged: is it legal with an `err` instead?
//! * A sync failed: can the state be at all where the bytes that it covered are on disk?
//! * Something is gone after a restart: was it there still when the call failed?
//!
//! Where none of these is so, nothing is said.

use super::court::Court;
use super::examined::Place;
use super::group::{Group, Scene};
use super::run::{Hit, Run};
use crate::base::Result;
use crate::fault::power::ground::{created, loss_of};
use crate::image::Builder;
use crate::oracle::{Kind, Loss, Verdict};
use crate::persistence::{AddedSync, CrashState, Device, Model, ProfileSet, View};
use crate::recover::{Recovery, Worker};
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, NodeKind, SyncScope};
use crate::workload::{Answer, History, Moment, OpNo, Request};

/// What would have made the failing state of `group` legal or impossible.
pub fn remedy(worker: &mut Worker, group: &Group, scene: &Scene<'_>) -> Result<Option<String>> {
    let (run, kind) = (&group.run, group.failing.violation.kind);
    let Some(hit) = &run.hit else { return Ok(None) };
    let before = scene.stages[group.stage].before.as_ref();
    let court =
        |history: History| Court::new(before, history, &run.driven.dumps, scene.capabilities);
    let state = match &group.failing.place {
        Place::State(state) => state,
        Place::Running => return Ok(of_running(run, hit, kind, &court)),
    };
    let model = Model::with(&run.trace, &created(&run.trace), scene.device);
    let mut builder = Builder::new(&model);
    if let Some((op, denied)) = denied(&run.history, hit) {
        let recovery = worker.recover(&builder.image(state))?;
        if holds(&court(denied), state, &recovery, kind) {
            return Ok(Some(with_err(&run.history, op)));
        }
    }
    if rests_on_the_sync(run, hit, state, scene.device) {
        let how = match is_of_a_directory(run, hit) {
            true => "sync the directory again until that succeeds",
            false => "no later sync writes it, it must be written again",
        };
        return Ok(Some(format!("have on disk what this {} covered: {how}", hit.name)));
    }
    let then = CrashState::kill(hit.event);
    if state.is_kill() && kind == Kind::LostAck {
        let recovery = worker.recover(&builder.image(&then))?;
        if holds(&court(run.history.clone()), &then, &recovery, kind) {
            return Ok(Some(
                "leave the directory as it was when the call failed: everything was there then"
                    .into(),
            ));
        }
    }
    Ok(None)
}

/// What the running store showed.
fn of_running(
    run: &Run,
    hit: &Hit,
    kind: Kind,
    court: &dyn Fn(History) -> Court,
) -> Option<String> {
    if matches!(kind, Kind::CrashedOnError | Kind::RecoveryHung) {
        return None;
    }
    let (op, denied) = denied(&run.history, hit)?;
    let request = &run.history.operations.get(op.0 as usize)?.request;
    // Nothing is asked of a store that did not open, and a dump that failed shows nothing.
    let shows = matches!(request, Request::Open | Request::Dump);
    let legal = || {
        let living = court(denied).living(&run.driven.dumps, "");
        !living.iter().any(|one| shows_kind(&one.verdict, kind))
    };
    (shows || legal()).then(|| with_err(&run.history, op))
}

fn shows_kind(verdict: &Verdict, kind: Kind) -> bool {
    verdict.violations.iter().any(|violation| violation.kind == kind)
}

/// True if the court has nothing of this kind to say of a recovery.
fn holds(court: &Court, state: &CrashState, recovery: &Recovery, kind: Kind) -> bool {
    let (moment, loss): (Moment, Loss) = (Moment(u64::from(state.point.0)), loss_of(state));
    court.at(moment, loss, recovery).is_some_and(|verdict| !shows_kind(&verdict, kind))
}

/// The request that was acknowledged though the call failed in it, and the history with an `err` in
/// the place of that acknowledgement.
fn denied(history: &History, hit: &Hit) -> Option<(OpNo, History)> {
    let failed = Moment(u64::from(hit.event.0));
    let during = |operation: &crate::workload::Operation| {
        operation.begun < failed && operation.acknowledged().is_some_and(|at| at > failed)
    };
    let at = history.operations.iter().position(during)?;
    let mut denied = history.clone();
    let (_, answer) = denied.operations[at].answered.as_mut()?;
    *answer = Answer::Err(String::new());
    Some((OpNo(u32::try_from(at).ok()?), denied))
}

fn with_err(history: &History, op: OpNo) -> String {
    let request = history.operations.get(op.0 as usize).map(|operation| &operation.request);
    let what = match request {
        Some(Request::Open) => "open",
        Some(Request::Write(_)) => "write",
        Some(Request::Batch(_)) => "batch",
        Some(Request::Sync) => "sync",
        Some(Request::Checkpoint) => "checkpoint",
        Some(Request::Dump) => "dump",
        Some(Request::Close) => "close",
        None => "request",
    };
    format!("answer the {what} during which the call failed (request {}) with `err`", op.0)
}

/// True if the state could not be where the sync that failed had done its work.
fn rests_on_the_sync(run: &Run, hit: &Hit, state: &CrashState, device: Device) -> bool {
    let (Some(file), Some(before)) = (failed_sync(run, hit), hit.event.0.checked_sub(1)) else {
        return false;
    };
    let mut with = created(&run.trace);
    let recorded = Model::with(&run.trace, &with, device);
    with.added_syncs.push(AddedSync {
        after: EventNo(before),
        file: Some(file),
        scope: SyncScope::Full,
    });
    let synced = Model::with(&run.trace, &with, device);
    // A sync may leave an effect out, and the numbers of the state would mean others.
    if recorded.effects().len() != synced.effects().len() {
        return false;
    }
    let legal = View::at(&recorded, state.point).legal_in(state, ProfileSet::ALL);
    let view = View::at(&synced, state.point);
    !legal.is_empty() && legal.iter().all(|profile| view.check(state, profile).is_err())
}

/// The file or directory whose sync failed, if that is the call that did.
fn failed_sync(run: &Run, hit: &Hit) -> Option<FileId> {
    match &run.trace.events.get(hit.event.0 as usize)?.kind {
        EventKind::Call(Call { op: FileOp::FailedSync { file, .. }, .. }) => Some(*file),
        _ => None,
    }
}

/// True if the sync that failed was that of a directory: names stay pending, and a later sync writes them.
fn is_of_a_directory(run: &Run, hit: &Hit) -> bool {
    let Some(file) = failed_sync(run, hit) else { return false };
    let was_there =
        run.trace.initial.iter().any(|node| node.file == file && node.node == NodeKind::Dir);
    let made = |event: &Event| match &event.kind {
        EventKind::Call(call) => {
            matches!(&call.op, FileOp::Create { file: made, node: NodeKind::Dir, .. } if *made == file)
        }
        _ => false,
    };
    was_there || run.trace.events.iter().any(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::io::testkit::{history, hit, put};

    #[test]
    fn only_a_request_that_was_acknowledged_though_a_call_failed_in_it_could_have_been_denied() {
        let mut told = history(&[(Request::Open, false), (put("a", "1"), false)]);
        // The put lasts from 2 to 9.
        told.operations[1].answered = Some((Moment(9), Answer::Ack));
        let (op, without) = denied(&told, &hit(5)).expect("the put");
        assert_eq!(op, OpNo(1));
        assert!(without.operations[1].acknowledged().is_none());
        assert_eq!(without.operations[0], told.operations[0]);
        assert!(with_err(&told, op).starts_with("answer the write during which"));
        assert!(denied(&told, &hit(10)).is_none(), "nothing was outstanding");
        told.operations[1].answered = Some((Moment(9), Answer::Err("no".into())));
        assert!(denied(&told, &hit(5)).is_none(), "it was denied");
    }
}
