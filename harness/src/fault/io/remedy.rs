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

use std::sync::Arc;

use super::case::is_end;
use super::court::Court;
use super::examined::Place;
use super::group::{Group, Scene};
use super::run::{Hit, Run, Stage};
use super::twin::same_call;
use crate::base::Result;
use crate::fault::power::ground::{created, loss_of};
use crate::image::{Builder, Content};
use crate::oracle::{Kind, Loss, Verdict};
use crate::persistence::{AddedSync, CrashState, Device, Model, ProfileSet, View};
use crate::recover::{Recovery, Worker};
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, NodeKind, SyncScope, Trace};
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
    if let Some(changed) = with_the_rest(run, hit, plain, &scene.stages[group.stage]) {
        if cures(worker, group, hit, &court, (&changed, scene.device))? {
            return Ok(Some(format!(
                "write the rest: {} of {} wrote a part of what it was asked to and said so",
                hit.name, hit.pattern
            )));
        }
    }
    let leftover = without_leftover(run, hit).filter(|_| denials(&run.history, hit).is_empty());
    if let Some(changed) = leftover {
        if cures(worker, group, hit, &court, (&changed, scene.device))? {
            return Ok(Some(format!(
                "remove {} where this {} fails: what is left of it is taken for good later",
                hit.pattern, hit.name
            )));
        }
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
            return Ok(Some(with_err(&run.history, ops)));
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

/// A run as it would have left the files otherwise, and up to which event that is known.
type Otherwise = (Trace, EventNo);

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

/// The run with the whole of a write that was cut short, as the run without failures wrote it. Nothing where the
/// program went on to write there itself.
fn with_the_rest(run: &Run, hit: &Hit, plain: &Run, stage: &Stage) -> Option<Otherwise> {
    if hit.result < 0 || hit.then.is_some() {
        return None;
    }
    let whole = same_call(&run.trace, &plain.trace, &stage.patterns, hit.event)?;
    let written = |event: &Event| match &event.kind {
        EventKind::Call(Call { op: FileOp::Write { file, offset, bytes, .. }, .. }) => {
            Some((*file, *offset, Arc::clone(bytes)))
        }
        _ => None,
    };
    let (_, _, all) = written(plain.trace.events.get(whole.0 as usize)?)?;
    let (file, offset, part) = written(run.trace.events.get(hit.event.0 as usize)?)?;
    let (end, missing) = (offset + part.len() as u64, all.len().saturating_sub(part.len()) as u64);
    let goes_on = |event: &&Event| {
        written(event).is_some_and(|(other, offset, _)| other == file && offset == end)
    };
    let after = run.trace.events.iter().skip(hit.event.0 as usize + 1);
    let request = || after.clone().take_while(|event| !is_outside(event));
    // Where it is killed before that, one cannot tell.
    if missing == 0 || request().any(|event| goes_on(&event)) || request().count() == after.len() {
        return None;
    }
    let mut trace = run.trace.clone();
    if let EventKind::Call(Call { op: FileOp::Write { bytes, .. }, .. }) =
        &mut trace.events[hit.event.0 as usize].kind
    {
        *bytes = [&part[..], &all[part.len()..]].concat().into();
    }
    // What is appended later stands behind it.
    let valid = shift(&mut trace, hit.event, file, end, |at| at.checked_add(missing))?;
    Some((trace, valid))
}

/// The run in which the file that the request under way had made is gone where the call on it failed. Nothing where it
/// made none, or the program takes it away itself.
fn without_leftover(run: &Run, hit: &Hit) -> Option<Otherwise> {
    let op = |event: &Event| match &event.kind {
        EventKind::Call(call) => Some(call.op.clone()),
        _ => None,
    };
    let failed = hit.event.0 as usize;
    let (FileOp::Failed { file: Some(file) } | FileOp::FailedSync { file, .. }) =
        op(run.trace.events.get(failed)?)?
    else {
        return None;
    };
    let request = run.trace.events[..failed].iter().rev().take_while(|event| !is_outside(event));
    let made = request.filter_map(op).find_map(|op| match op {
        FileOp::Create { at, file: made, node: NodeKind::File, .. } if made == file => Some(at),
        _ => None,
    })?;
    let renamed = |op: &FileOp| matches!(op, FileOp::Unlink { file: gone, .. } | FileOp::Rename { file: gone, .. } if *gone == file);
    let later = run.trace.events[failed..].iter();
    if later.take_while(|event| !is_outside(event)).filter_map(op).any(|op| renamed(&op)) {
        return None;
    }
    // What is done with it later is done with nothing.
    let used = run.trace.events[failed + 1..]
        .iter()
        .position(|event| op(event).is_some_and(|op| renamed(&op)));
    let valid = used.map_or(run.trace.events.len(), |at| failed + 1 + at);
    let mut trace = run.trace.clone();
    if let EventKind::Call(call) = &mut trace.events[failed].kind {
        call.op = FileOp::Unlink { at: made, file };
    }
    trace.events.truncate(valid);
    Some((trace, EventNo(valid as u32)))
}

/// True if the program answers or is asked something.
fn is_outside(event: &Event) -> bool {
    event.is_answer() || matches!(event.kind, EventKind::Request { .. })
}

/// Moves the writes of a file from a place on, after an event; up to which event that is known, for the program may cut
/// the file itself.
fn shift(
    trace: &mut Trace,
    after: EventNo,
    file: FileId,
    from: u64,
    moved: impl Fn(u64) -> Option<u64>,
) -> Option<EventNo> {
    let end = EventNo(trace.events.len() as u32);
    for (number, event) in (0u32..).zip(&mut trace.events).skip(after.0 as usize + 1) {
        let EventKind::Call(call) = &mut event.kind else { continue };
        match &mut call.op {
            FileOp::Write { file: other, offset, .. } if *other == file && *offset >= from => {
                *offset = moved(*offset)?;
            }
            FileOp::Resize { file: other, .. } | FileOp::Zero { file: other, .. }
                if *other == file =>
            {
                return Some(EventNo(number));
            }
            _ => {}
        }
    }
    Some(end)
}

/// The moments after the failure at which the store is about to be opened again, and the end.
fn reopened(run: &Run, hit: &Hit) -> Vec<EventNo> {
    let end = EventNo(run.trace.events.len() as u32);
    let opens = (0u32..).zip(&run.trace.events).filter_map(|(at, event)| match &event.kind {
        EventKind::Request { request: Request::Open, .. } => Some(EventNo(at)),
        _ => None,
    });
    opens.filter(|at| *at > hit.event).chain([end]).collect()
}

/// The run without the record that the failing write left half-written: from where the request under way first
/// wrote to the file up to the failure, with what was written behind that moved up; and up to which event that
/// is known, for the program may cut the file itself. Nothing where it wrote nothing of the record.
fn without_half(run: &Run, hit: &Hit, device: Device) -> Option<Otherwise> {
    let wrote = |event: &Event| match &event.kind {
        EventKind::Call(Call { op: FileOp::Write { file, offset, bytes, .. }, .. }) => {
            Some((*file, *offset, bytes.len() as u64))
        }
        _ => None,
    };
    let failed = hit.event.0 as usize;
    let (file, at, len) = wrote(run.trace.events.get(failed)?)?;
    hit.then.as_ref()?;
    let end = at.checked_add(len)?;
    let asked = |event: &Event| matches!(event.kind, EventKind::Request { .. });
    let asked = run.trace.events[..failed].iter().rposition(asked)?;
    let model = Model::with(&run.trace, &created(&run.trace), device);
    let before = Builder::new(&model).image(&CrashState::kill(EventNo(asked as u32)));
    let size = before.content(file).map_or(0, Content::size);
    let mut trace = run.trace.clone();
    let mut begin = at;
    for event in &mut trace.events[asked..=failed] {
        let Some((_, offset, _)) = wrote(event).filter(|(other, ..)| *other == file) else {
            continue;
        };
        begin = begin.min(offset);
        if let EventKind::Call(call) = &mut event.kind {
            call.op = FileOp::Nothing { file: Some(file) };
        }
    }
    // What was there before is not cut off.
    if begin < size {
        return None;
    }
    let valid = shift(&mut trace, hit.event, file, end, |at| at.checked_sub(end - begin))?;
    Some((trace, valid))
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
    Some(with_err(&run.history, ops))
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
    use crate::driver::End;
    use crate::fault::io::testkit::{self, history, hit, put};
    use crate::persistence::tests::script::Script;

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

    /// A put whose frame is written in part, from this place on; then another put, by these calls.
    fn half(at: u64, then: Option<&str>, goes_on: bool) -> (Run, FileId) {
        let mut script = Script::new();
        script.create("log");
        script.write("log", 0, b"12345");
        let ask = |op| EventKind::Request { op: OpNo(op), request: put("a", "1") };
        let answer = |op| EventKind::Reply { op: OpNo(op), answer: Answer::Ack };
        script.event(ask(0));
        let event = script.write("log", at, b"fr");
        if goes_on {
            script.write("log", at + 2, b"ame");
        }
        script.event(answer(0));
        script.event(ask(1));
        script.write("log", at + 2, b"next!");
        script.event(answer(1));
        let mut run = testkit::run(&[], Vec::new(), End::Finished);
        run.hit = Some(Hit {
            event,
            name: "call".into(),
            result: 2,
            then: then.map(str::to_owned),
            ..hit(0)
        });
        let file = script.id("log");
        run.trace = script.trace;
        (run, file)
    }

    /// What the log holds in the end.
    fn log(trace: &Trace) -> Vec<u8> {
        let model = Model::new(trace);
        Builder::new(&model).image(&CrashState::kill(model.last_point())).bytes("log").unwrap()
    }

    #[test]
    fn a_record_that_was_left_half_written_at_the_end_of_a_file_can_be_cut_off() {
        let without = |run: &Run| without_half(run, run.hit.as_ref().unwrap(), Device::default());
        let (run, _) = half(5, Some("EIO"), false);
        let (trace, valid) = without(&run).unwrap();
        assert_eq!(log(&run.trace), b"12345frnext!");
        assert_eq!(log(&trace), b"12345next!");
        assert_eq!(valid.0 as usize, trace.events.len());
        assert!(without(&half(5, None, false).0).is_none(), "nothing failed");
        assert!(without(&half(2, Some("EIO"), false).0).is_none(), "it was written over");
    }

    #[test]
    fn the_rest_of_a_short_write_is_that_of_the_run_without_failures() {
        let stage = Stage::new(Vec::new(), 1);
        let plain = || {
            let (mut plain, file) = half(5, None, false);
            let EventKind::Call(call) = &mut plain.trace.events[3].kind else { panic!() };
            let bytes = Arc::from(*b"frame");
            call.op = FileOp::Write {
                file,
                offset: 5,
                bytes,
                sync: Default::default(),
                via: Default::default(),
            };
            plain
        };
        let rest = |run: &Run| with_the_rest(run, run.hit.as_ref().unwrap(), &plain(), &stage);
        let (trace, _) = rest(&half(5, None, false).0).unwrap();
        assert_eq!(log(&trace), b"12345framenext!");
        assert!(rest(&half(5, None, true).0).is_none(), "the program writes it itself");
        assert!(rest(&half(5, Some("EIO"), false).0).is_none(), "a call failed");
    }

    #[test]
    fn what_a_failed_request_made_can_be_taken_away_again() {
        let mut script = Script::new();
        script.event(EventKind::Request { op: OpNo(0), request: put("a", "1") });
        script.create("tmp.1");
        let file = script.id("tmp.1");
        let event = script.op(FileOp::Failed { file: Some(file) });
        script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Err("no room".into()) });
        let mut run = testkit::run(&[], Vec::new(), End::Finished);
        run.hit = Some(Hit { event, ..hit(0) });
        run.trace = script.trace.clone();
        let (trace, _) = without_leftover(&run, run.hit.as_ref().unwrap()).unwrap();
        let left = |trace: &Trace| {
            let model = Model::new(trace);
            Builder::new(&model).image(&CrashState::kill(model.last_point())).bytes("tmp.1")
        };
        assert!(left(&run.trace).is_some() && left(&trace).is_none());
        // The program does so itself.
        script.trace.events.truncate(3);
        script.unlink("tmp.1");
        run.trace = script.trace;
        assert!(without_leftover(&run, run.hit.as_ref().unwrap()).is_none());
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
