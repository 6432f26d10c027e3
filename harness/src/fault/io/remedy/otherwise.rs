//! Runs as they would have left the files otherwise: with the rest of a short write, without what a failed request
//! left. Pure.

use std::sync::Arc;

use super::super::run::{Hit, Run, Stage};
use super::super::twin::same_call;
use crate::fault::power::ground::created;
use crate::image::{Builder, Content};
use crate::persistence::{CrashState, Device, Model};
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, NodeKind, Trace};

/// A run as it would have left the files otherwise, and up to which event that is known.
pub(super) type Otherwise = (Trace, EventNo);

/// The run with the whole of a write that was cut short, as the run without failures wrote it. Nothing where the
/// program went on to write there itself.
pub(super) fn with_the_rest(run: &Run, hit: &Hit, plain: &Run, stage: &Stage) -> Option<Otherwise> {
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
    let rest = all.get(part.len()..)?;
    let (end, missing) = (offset + part.len() as u64, rest.len() as u64);
    // The next record begins there too: it is the bytes that tell.
    let goes_on = |event: &&Event| {
        written(event).is_some_and(|(other, offset, bytes)| {
            let known = bytes.len().min(rest.len());
            other == file && offset == end && bytes[..known] == rest[..known]
        })
    };
    let after = run.trace.events.iter().skip(hit.event.0 as usize + 1);
    let request = || after.clone().take_while(|event| !event.is_exchange());
    // Where it is killed before that, one cannot tell.
    if missing == 0 || request().any(|event| goes_on(&event)) || request().count() == after.len() {
        return None;
    }
    let mut trace = run.trace.clone();
    if let EventKind::Call(Call { op: FileOp::Write { bytes, .. }, .. }) =
        &mut trace.events[hit.event.0 as usize].kind
    {
        *bytes = [&part[..], rest].concat().into();
    }
    // What is appended later stands behind it.
    let valid = shift(&mut trace, hit.event, file, end, |at| at.checked_add(missing))?;
    Some((trace, valid))
}

/// The run in which the file that the request under way had made is gone where the call on it failed. Nothing where it
/// made none, or the program takes it away itself.
pub(super) fn without_leftover(run: &Run, hit: &Hit) -> Option<Otherwise> {
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
    let request = run.trace.events[..failed].iter().rev().take_while(|event| !event.is_exchange());
    let made = request.filter_map(op).find_map(|op| match op {
        FileOp::Create { at, file: made, node: NodeKind::File, .. } if made == file => Some(at),
        _ => None,
    })?;
    let renamed = |op: &FileOp| matches!(op, FileOp::Unlink { file: gone, .. } | FileOp::Rename { file: gone, .. } if *gone == file);
    let later = run.trace.events[failed..].iter();
    if later.take_while(|event| !event.is_exchange()).filter_map(op).any(|op| renamed(&op)) {
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
/// The run without what failing writes left behind: the half of a record from where the request first wrote to the file up
/// to the failure, or a gap, with what was written behind that moved up; and up to which event that is known, for the
/// program may cut the file itself. Nothing where they left nothing, or wrote over what was there before.
pub(super) fn without_half(run: &Run, hit: &Hit, device: Device) -> Option<Otherwise> {
    let events = &run.trace.events;
    let first = events.get(hit.event.0 as usize)?;
    // A short write that no failure followed wrote what it said.
    if wrote(first).is_some() {
        hit.then.as_ref()?;
    }
    let file = wrote(first).map(|(file, ..)| file).or_else(|| failed_write(first))?;
    let later = (hit.event.0..).zip(&events[hit.event.0 as usize..]).skip(1);
    let later = later.filter(|(_, event)| failed_write(event) == Some(file)).map(|(at, _)| at);
    let of_it = move |event: &Event| wrote(event).filter(|(other, ..)| *other == file);
    let model = Model::with(&run.trace, &created(&run.trace), device);
    let mut builder = Builder::new(&model);
    let mut trace = run.trace.clone();
    let mut valid = EventNo(events.len() as u32);
    let mut moved_up = 0;
    let mut found = false;
    for failed in std::iter::once(hit.event.0).chain(later) {
        if EventNo(failed) >= valid {
            break;
        }
        let request = |event: &Event| matches!(event.kind, EventKind::Request { .. });
        let asked = events[..failed as usize].iter().rposition(request)?;
        let own = asked..=failed as usize;
        let before = builder.image(&CrashState::kill(EventNo(asked as u32)));
        let size = before.content(file).map_or(0, Content::size);
        let begin = events[own.clone()].iter().filter_map(of_it).map(|(_, at, _)| at).min();
        // What was there before is not cut off.
        if begin.is_some_and(|begin| begin < size) {
            return None;
        }
        let here = begin.unwrap_or(size).checked_sub(moved_up)?;
        for event in trace.events[own].iter_mut().filter(|event| of_it(event).is_some()) {
            if let EventKind::Call(call) = &mut event.kind {
                call.op = FileOp::Nothing { file: Some(file) };
            }
        }
        let next = trace.events[failed as usize + 1..].iter().find_map(of_it);
        let left = next.and_then(|(_, at, _)| at.checked_sub(here)).unwrap_or(0);
        found |= begin.is_some() || left > 0;
        let known =
            shift(&mut trace, EventNo(failed), file, here + left, |at| at.checked_sub(left))?;
        (moved_up, valid) = (moved_up + left, valid.min(known));
    }
    found.then_some((trace, valid))
}

/// Which file an event writes to, from where on, and how many bytes.
fn wrote(event: &Event) -> Option<(FileId, u64, u64)> {
    match &event.kind {
        EventKind::Call(Call { op: FileOp::Write { file, offset, bytes, .. }, .. }) => {
            Some((*file, *offset, bytes.len() as u64))
        }
        _ => None,
    }
}

/// The file to which a write was made to fail.
fn failed_write(event: &Event) -> Option<FileId> {
    match &event.kind {
        EventKind::Call(Call { name, injected: true, op: FileOp::Failed { file }, .. })
            if name.contains("write") =>
        {
            *file
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::End;
    use crate::fault::io::testkit::{self, hit, put};
    use crate::persistence::tests::script::Script;
    use crate::workload::{Answer, OpNo};

    /// A put whose frame is written in part, from this place on, and these bytes behind it; then another put.
    fn half(at: u64, then: Option<&str>, goes_on: Option<&[u8]>) -> (Run, FileId) {
        let mut script = Script::new();
        script.create("log");
        script.write("log", 0, b"12345");
        let ask = |op| EventKind::Request { op: OpNo(op), request: put("a", "1") };
        let answer = |op| EventKind::Reply { op: OpNo(op), answer: Answer::Ack };
        script.event(ask(0));
        let event = script.write("log", at, b"fr");
        let more = goes_on.unwrap_or_default();
        if !more.is_empty() {
            script.write("log", at + 2, more);
        }
        script.event(answer(0));
        script.event(ask(1));
        script.write("log", at + 2 + more.len() as u64, b"next!");
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
        let (run, _) = half(5, Some("EIO"), None);
        let (trace, valid) = without(&run).unwrap();
        assert_eq!(log(&run.trace), b"12345frnext!");
        assert_eq!(log(&trace), b"12345next!");
        assert_eq!(valid.0 as usize, trace.events.len());
        assert!(without(&half(5, None, None).0).is_none(), "nothing failed");
        assert!(without(&half(2, Some("EIO"), None).0).is_none(), "it was written over");
    }

    #[test]
    fn all_records_that_failing_writes_left_half_written_are_cut_off() {
        let mut script = Script::new();
        script.create("log");
        script.write("log", 0, b"12345");
        let ask = |op| EventKind::Request { op: OpNo(op), request: put("a", "1") };
        let answer = |op| EventKind::Reply { op: OpNo(op), answer: Answer::Err("no".into()) };
        let file = script.id("log");
        let mut fails = Vec::new();
        for (op, at) in [(0, 5), (1, 8)] {
            script.event(ask(op));
            script.write("log", at, b"fr");
            fails.push(script.op(FileOp::Failed { file: Some(file) }));
            script.event(answer(op));
        }
        script.event(ask(2));
        script.write("log", 10, b"next!");
        script.event(EventKind::Reply { op: OpNo(2), answer: Answer::Ack });
        for failed in &fails {
            let EventKind::Call(call) = &mut script.trace.events[failed.0 as usize].kind else {
                panic!()
            };
            (call.name, call.injected) = ("pwrite64".into(), true);
        }
        let mut run = testkit::run(&[], Vec::new(), End::Finished);
        run.hit = Some(Hit { event: fails[0], name: "pwrite64".into(), ..hit(0) });
        run.trace = script.trace;
        let (trace, _) = without_half(&run, run.hit.as_ref().unwrap(), Device::default()).unwrap();
        assert_eq!(log(&run.trace), b"12345fr\0frnext!", "a gap is left too");
        assert_eq!(log(&trace), b"12345next!");
    }

    #[test]
    fn the_rest_of_a_short_write_is_that_of_the_run_without_failures() {
        let stage = Stage::new(Vec::new(), 1);
        let plain = || {
            let (mut plain, file) = half(5, None, None);
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
        let (trace, _) = rest(&half(5, None, None).0).unwrap();
        assert_eq!(log(&trace), b"12345framenext!");
        assert!(rest(&half(5, None, Some(b"ame")).0).is_none(), "the program writes it itself");
        assert!(rest(&half(5, Some("EIO"), None).0).is_none(), "a call failed");
        // The next record of the same request is not the rest.
        let (trace, _) = rest(&half(5, None, Some(b"ook")).0).unwrap();
        assert_eq!(log(&trace), b"12345frameooknext!");
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
}
