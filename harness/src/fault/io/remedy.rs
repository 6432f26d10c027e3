//! What would have helped, said only where judging again proves it. The program is not run again: the
//! same recovery is judged with another answer, or the same state looked for with one more sync.
//!
//! * A request during which the call failed was acknowledged: is it legal with an `err` instead? Where
//!   several were, each by itself, then all of them.
//! * A sync failed: can the state be at all where the bytes that it covered are on disk?
//! * A request made a file and failed: is all well where that is gone again?
//! * Something is gone after a restart: was it there still when the call failed?
//! * A write returned that it wrote a part: is all well where the rest is there?
//! * A write was cut short by a failure: is all well where the half-written record is not there, and what was
//!   written behind it stands in its place?
//!
//! Where none of these is so, nothing is said.

mod otherwise;

use otherwise::{Otherwise, with_the_rest, without_half, without_leftover};

use super::case::is_end;
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
use crate::trace::event::LOOK;
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, NodeKind, SyncScope};
use crate::workload::{Answer, History, Moment, OpNo, Operation, Request};

/// What would have made the failing state of `group` legal or impossible.
pub fn remedy(
    worker: &mut Worker,
    group: &Group,
    plain: &Run,
    scene: &Scene<'_>,
) -> Result<Option<String>> {
    let (run, kind) = (&group.run, group.failing.violation.kind);
    let Some(hit) = &run.hit else { return Ok(None) };
    let before = scene.stages[group.stage].before.as_ref();
    let court =
        |history: History| Court::new(before, history, &run.driven.dumps, scene.capabilities);
    if let Some(changed) = with_the_rest(run, hit, plain, &scene.stages[group.stage])
        && cures(worker, group, hit, &court, (&changed, scene.device))?
    {
        return Ok(Some(format!(
            "write the rest: {} of {} wrote a part of what it was asked to and said so",
            hit.name, hit.pattern
        )));
    }
    let leftover = without_leftover(run, hit).filter(|_| denials(&run.history, hit).is_empty());
    if let Some(changed) = leftover
        && cures(worker, group, hit, &court, (&changed, scene.device))?
    {
        return Ok(Some(format!(
            "remove {} where this {} fails: what is left of it is taken for good later",
            hit.pattern, hit.name
        )));
    }
    let state = match &group.failing.place {
        Place::State(state) => state,
        Place::Running => {
            return match of_running(run, hit, kind, &court) {
                Some(remedy) => Ok(Some(remedy)),
                None => cut_back(worker, group, hit, &court, scene.device),
            };
        }
    };
    let model = Model::with(&run.trace, &created(&run.trace), scene.device);
    let mut builder = Builder::new(&model);
    let denials = denials(&run.history, hit);
    if !denials.is_empty() {
        let recovery = worker.recover(&builder.image(state))?;
        let helps = |(_, denied): &&Denial| holds(&court(denied.clone()), state, &recovery, kind);
        if let Some((ops, _)) = denials.iter().find(helps) {
            return Ok(Some(denied(run, hit, ops)));
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
    // What was promised after the failure was not there then.
    let lost = group.failing.violation.operations.first();
    let lost = lost.and_then(|op| run.history.operations.get(op.0 as usize)?.acknowledged());
    let was_there = lost.is_some_and(|at| at < Moment(u64::from(hit.event.0)));
    if state.is_kill() && kind == Kind::LostAck && was_there {
        let recovery = worker.recover(&builder.image(&then))?;
        if holds(&court(run.history.clone()), &then, &recovery, kind) {
            return Ok(Some(
                "leave the directory as it was when the call failed: everything was there then"
                    .into(),
            ));
        }
    }
    cut_back(worker, group, hit, &court, scene.device)
}

/// To cut a file back to where it ended before a record that a failing write left half-written, where a store
/// that is opened again is wrong with that record and right without it.
fn cut_back(
    worker: &mut Worker,
    group: &Group,
    hit: &Hit,
    court: &dyn Fn(History) -> Court,
    device: Device,
) -> Result<Option<String>> {
    let Some(without) = without_half(&group.run, hit, device) else { return Ok(None) };
    let helps = cures(worker, group, hit, court, (&without, device))?;
    Ok(helps.then(|| {
        format!(
            "cut {} back to where it ended before the {} that failed, before anything else is written to it",
            hit.pattern, hit.name
        )
    }))
}

/// True if a store that is opened again is wrong with what the run left, and right with what it leaves otherwise.
fn cures(
    worker: &mut Worker,
    group: &Group,
    hit: &Hit,
    court: &dyn Fn(History) -> Court,
    ((otherwise, valid), device): (&Otherwise, Device),
) -> Result<bool> {
    let (run, kind) = (&group.run, group.failing.violation.kind);
    let [as_it_was, otherwise] =
        [&run.trace, otherwise].map(|trace| Model::with(trace, &created(trace), device));
    let court = court(run.history.clone());
    let points = match &group.failing.place {
        Place::State(state) => vec![state.point],
        Place::Running => reopened(run, hit),
    };
    let (mut as_it_was, mut otherwise) = (Builder::new(&as_it_was), Builder::new(&otherwise));
    for state in points.into_iter().filter(|at| at <= valid).map(CrashState::kill) {
        let recovery = worker.recover(&as_it_was.image(&state))?;
        if holds(&court, &state, &recovery, kind) {
            continue;
        }
        let recovery = worker.recover(&otherwise.image(&state))?;
        if holds(&court, &state, &recovery, kind) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The moments after the failure at which the store is about to be opened again, and the end.
fn reopened(run: &Run, hit: &Hit) -> Vec<EventNo> {
    let end = EventNo(run.trace.events.len() as u32);
    run.openings_after(hit.event).chain([end]).collect()
}

/// What the running store showed.
fn of_running(
    run: &Run,
    hit: &Hit,
    kind: Kind,
    court: &dyn Fn(History) -> Court,
) -> Option<String> {
    if is_end(kind) {
        return None;
    }
    let helps = |(ops, denied): &&Denial| {
        // Nothing is asked of a store that did not open, and a dump that failed shows nothing.
        let first = ops.first().and_then(|op| run.history.operations.get(op.0 as usize));
        let shows =
            |operation: &Operation| matches!(operation.request, Request::Open | Request::Dump);
        first.is_some_and(shows) || {
            let living = court(denied.clone()).living(&run.driven.dumps, "");
            !living.iter().any(|one| shows_kind(&one.verdict, kind))
        }
    };
    let denials = denials(&run.history, hit);
    let (ops, _) = denials.iter().find(helps)?;
    Some(denied(run, hit, ops))
}

/// What has to be done besides, where a file's sync failed: a store that goes on loses the same bytes later.
fn still_dirty(run: &Run, hit: &Hit) -> String {
    match failed_sync(run, hit) {
        Some(_) if !is_of_a_directory(run, hit) => format!(
            ", and acknowledge nothing that rests on what this {} covered before it is written again: no later sync \
             writes it",
            hit.name
        ),
        _ => String::new(),
    }
}

fn shows_kind(verdict: &Verdict, kind: Kind) -> bool {
    verdict.violations.iter().any(|violation| violation.kind == kind)
}

/// True if the court has nothing of this kind to say of a recovery.
fn holds(court: &Court, state: &CrashState, recovery: &Recovery, kind: Kind) -> bool {
    let (moment, loss): (Moment, Loss) = (Moment(u64::from(state.point.0)), loss_of(state));
    court.at(moment, loss, recovery).is_some_and(|verdict| !shows_kind(&verdict, kind))
}

/// Requests, and the history with an `err` in the place of their acknowledgements.
type Denial = (Vec<OpNo>, History);

/// The requests that were acknowledged though the call failed while they were outstanding: each by
/// itself, then all together.
fn denials(history: &History, hit: &Hit) -> Vec<Denial> {
    let failed = Moment(u64::from(hit.event.0));
    let during = |operation: &Operation| {
        operation.begun < failed && operation.acknowledged().is_some_and(|at| at > failed)
    };
    let numbered = (0u32..).zip(&history.operations);
    let all: Vec<OpNo> =
        numbered.filter(|(_, operation)| during(operation)).map(|(at, _)| OpNo(at)).collect();
    let deny = |ops: &[OpNo]| {
        let mut denied = history.clone();
        for op in ops {
            if let Some((_, answer)) = denied.operations[op.0 as usize].answered.as_mut() {
                *answer = Answer::Err(String::new());
            }
        }
        (ops.to_vec(), denied)
    };
    let mut denials: Vec<Denial> = all.iter().map(|op| deny(&[*op])).collect();
    denials.extend((all.len() > 1).then(|| deny(&all)));
    denials
}

fn with_err(history: &History, ops: &[OpNo]) -> String {
    let [op] = ops else {
        let ops: Vec<String> = ops.iter().map(|op| op.0.to_string()).collect();
        let list = ops.join(", ");
        return format!(
            "answer every request during which the call failed (requests {list}) with `err`"
        );
    };
    let request = history.operations.get(op.0 as usize).map(|operation| &operation.request);
    let what = match request {
        Some(Request::Open) => return open_with_err(op),
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

/// What helps where these requests answered with `err` would: a store that reads a part of what it asked for has nothing to
/// pass on.
fn denied(run: &Run, hit: &Hit, ops: &[OpNo]) -> String {
    let request = |op: &OpNo| run.history.operations.get(op.0 as usize).map(|one| &one.request);
    let opens = ops.iter().all(|op| matches!(request(op), Some(Request::Open)));
    if opens && is_short_read(run, hit) {
        return format!(
            "read the rest: {} of {} read a part of what it was asked to, which is not the end of the file",
            hit.name, hit.pattern
        );
    }
    with_err(&run.history, ops) + &still_dirty(run, hit)
}

/// True if the call read a part of what it was asked to.
fn is_short_read(run: &Run, hit: &Hit) -> bool {
    let event = run.trace.events.get(hit.event.0 as usize).map(|event| &event.kind);
    let looks = |call: &Call| matches!(call.op, FileOp::Nothing { .. }) && call.no & LOOK != 0;
    let read = matches!(event, Some(EventKind::Call(call)) if looks(call));
    read && hit.result > 0 && hit.then.is_none()
}

/// A store that does not open for a call that failed is told to, not to go on without what it did not get.
fn open_with_err(op: &OpNo) -> String {
    format!(
        "pass the error on: answer the open during which the call failed (request {}) with `err`, or try \
         the call again",
        op.0
    )
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
    fn only_requests_that_were_acknowledged_though_a_call_failed_in_them_could_have_been_denied() {
        let puts = [(Request::Open, false), (put("a", "1"), false), (put("b", "1"), false)];
        let mut told = history(&puts);
        // The first put lasts from 2 to 9, the second from 4 to 5.
        told.operations[1].answered = Some((Moment(9), Answer::Ack));
        let [(ops, without)] = &denials(&told, &hit(7))[..] else { panic!("the put") };
        assert_eq!(ops, &[OpNo(1)]);
        assert!(without.operations[1].acknowledged().is_none());
        assert_eq!(without.operations[0], told.operations[0]);
        assert!(with_err(&told, ops).starts_with("answer the write during which"));
        assert!(denials(&told, &hit(10)).is_empty(), "nothing was outstanding");
        told.operations[1].answered = Some((Moment(9), Answer::Err("no".into())));
        assert!(denials(&told, &hit(7)).is_empty(), "it was denied");
    }

    #[test]
    fn several_requests_are_denied_one_by_one_and_then_together() {
        let puts = [(Request::Open, false), (put("a", "1"), false), (put("b", "1"), false)];
        let mut told = history(&puts);
        told.operations[1].answered = Some((Moment(9), Answer::Ack));
        told.operations[2].answered = Some((Moment(8), Answer::Ack));
        let ops: Vec<Vec<OpNo>> = denials(&told, &hit(7)).into_iter().map(|(ops, _)| ops).collect();
        assert_eq!(ops, [vec![OpNo(1)], vec![OpNo(2)], vec![OpNo(1), OpNo(2)]]);
        assert!(with_err(&told, &ops[2]).contains("requests 1, 2"));
    }
}
