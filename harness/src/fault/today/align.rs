//! Which event of one recording is which event of another one of the same requests. Requests, replies
//! and printed lines are matched by their number. Calls are matched within one request, in order: a pair
//! is the same call on the same file (by the last name that it had, the numbers in it left out), best at
//! the same place of it. A call that a fix added or took away leaves the others matched. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::NamePatterns;
use crate::trace::event::LOOK;
use crate::trace::paths::Paths;
use crate::trace::{EventKind, EventNo, FileOp, Trace};

/// The most pairs of calls that are weighed within one request; beyond it the n-th call on a file is
/// taken for the n-th.
const PAIRS: usize = 4_000_000;

/// Weights: the same place of the same file, and another place of it.
const SAME_PLACE: u32 = 3;
const SAME_FILE: u32 = 2;

/// Events of an old recording, found in a new one.
#[derive(Clone, Debug)]
pub struct Alignment {
    of: Vec<Option<EventNo>>,
    /// By old event: true for a call that counts.
    calls: Vec<bool>,
    /// The first old event after the crash before.
    joint: u32,
}

/// A call by what is the same in another run.
#[derive(Clone, Debug)]
struct Step {
    event: u32,
    name: String,
    file: String,
    place: String,
}

/// What a recording consists of.
struct Steps {
    /// The calls of each segment: what was done between one request and the next.
    segments: BTreeMap<Segment, Vec<Step>>,
    /// Requests, replies and lines, by what they are.
    said: BTreeMap<(bool, String), u32>,
    files: BTreeSet<String>,
    len: usize,
}

/// Behind the joint or before it, and how many requests or lines came before.
type Segment = (bool, u32);

/// The names of the files of a recording, as they are compared.
pub fn files(trace: &Trace) -> BTreeSet<String> {
    steps(trace, 0, true, &NamePatterns::of(trace)).files
}

/// Aligns two recordings. Events before `joints` (old, new) belong to what came before a crash, and are
/// matched among themselves. What is called in `stable` has that name in each recording of the new
/// program: it is no random name, which any other one may stand for.
pub fn align(old: &Trace, new: &Trace, joints: (u32, u32), stable: &BTreeSet<String>) -> Alignment {
    let jumbled = overlaps(old) || overlaps(new);
    let mut patterns = NamePatterns::of(old);
    patterns.learn(new);
    let (one, other) =
        (steps(old, joints.0, jumbled, &patterns), steps(new, joints.1, jumbled, &patterns));
    let mut of: Vec<Option<EventNo>> = vec![None; one.len];
    let mut calls = vec![false; one.len];
    for (what, event) in &one.said {
        of[*event as usize] = other.said.get(what).copied().map(EventNo);
    }
    for (segment, theirs) in &one.segments {
        theirs.iter().for_each(|step| calls[step.event as usize] = true);
        let Some(ours) = other.segments.get(segment) else { continue };
        for (a, b) in pairs(theirs, ours) {
            of[theirs[a].event as usize] = Some(EventNo(ours[b].event));
        }
        // A name that only one of them has stands for a name that only the other has: a random one.
        let taken: BTreeSet<u32> =
            theirs.iter().filter_map(|step| of[step.event as usize]).map(|event| event.0).collect();
        let mut free: Vec<&Step> = ours
            .iter()
            .filter(|step| !taken.contains(&step.event) && !one.files.contains(&step.file))
            .filter(|step| !stable.contains(&step.file))
            .collect();
        for step in theirs.iter().filter(|step| !other.files.contains(&step.file)) {
            if of[step.event as usize].is_none()
                && let Some(at) = free.iter().position(|other| other.name == step.name)
            {
                of[step.event as usize] = Some(EventNo(free.remove(at).event));
            }
        }
    }
    Alignment { of, calls, joint: joints.0 }
}

impl Alignment {
    /// The event of the new recording that an event of the old one is.
    pub fn event(&self, old: EventNo) -> Option<EventNo> {
        self.of.get(old.0 as usize).copied().flatten()
    }

    /// The earliest point of the new recording before which everything has happened that had happened
    /// before a point of the old one, as far as it is there.
    pub fn point(&self, old: EventNo) -> EventNo {
        let before = self.of.iter().take(old.0 as usize).flatten();
        EventNo(before.map(|event| event.0 + 1).max().unwrap_or(0))
    }

    /// How many calls the old recording has before a point, and how many of them the new one has too;
    /// below a crash only those after it.
    pub fn share(&self, before: EventNo) -> (u64, u64) {
        let calls = self.calls.iter().zip(&self.of).take(before.0 as usize);
        let calls = calls.skip(self.joint as usize);
        let calls: Vec<bool> =
            calls.filter(|(call, _)| **call).map(|(_, of)| of.is_some()).collect();
        (calls.len() as u64, calls.iter().filter(|found| **found).count() as u64)
    }

    /// True if each call of either recording is there in the other.
    pub fn is_whole(&self, new: &Trace) -> bool {
        let (all, found) = self.share(EventNo(u32::MAX));
        all == found
            && steps(new, 0, true, &NamePatterns::default())
                .segments
                .values()
                .map(Vec::len)
                .sum::<usize>() as u64
                == all
    }
}

/// True if a request was sent while another one was outstanding.
pub fn overlaps(trace: &Trace) -> bool {
    let mut outstanding = 0;
    trace.events.iter().any(|event| {
        match &event.kind {
            EventKind::Request { .. } => outstanding += 1,
            EventKind::Reply { .. } => outstanding -= 1,
            _ => {}
        }
        outstanding > 1
    })
}

fn steps(trace: &Trace, joint: u32, jumbled: bool, patterns: &NamePatterns) -> Steps {
    let mut paths = Paths::new(trace);
    for event in &trace.events {
        if let EventKind::Call(call) = &event.kind {
            paths.apply(&call.op);
        }
    }
    let mut steps = Steps {
        segments: BTreeMap::new(),
        said: BTreeMap::new(),
        files: BTreeSet::new(),
        len: trace.events.len(),
    };
    let (mut asked, mut lines, mut behind) = (0, 0, false);
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    for (event, entry) in (0u32..).zip(&trace.events) {
        if event >= joint && !behind {
            (asked, lines, behind) = (0, 0, true);
        }
        match &entry.kind {
            EventKind::Request { op, .. } => {
                asked += 1;
                numbers.insert(op.0, asked);
                steps.said.insert((behind, format!("asked {asked}")), event);
            }
            EventKind::Reply { op, .. } => {
                let number = numbers.get(&op.0).copied().unwrap_or_default();
                steps.said.insert((behind, format!("answered {number}")), event);
            }
            EventKind::Line(_) => {
                lines += 1;
                steps.said.insert((behind, format!("line {lines}")), event);
            }
            EventKind::Call(call) if call.no & LOOK == 0 => {
                let Some((file, place)) = place(&call.op, &paths) else { continue };
                let file = patterns.path(&file);
                steps.files.insert(file.clone());
                let segment = (behind, if jumbled { 0 } else { asked + lines });
                let name = call.name.to_string();
                let step = Step { event, name, file, place };
                steps.segments.entry(segment).or_default().push(step);
            }
            EventKind::Call(_) | EventKind::Warn(_) | EventKind::Exit(_) => {}
        }
    }
    steps
}

/// The file that a call changes or syncs, and where; nothing for one that does neither.
fn place(op: &FileOp, paths: &Paths) -> Option<(String, String)> {
    let whole = |file: String| Some((file, String::new()));
    match op {
        FileOp::Write { file, offset, bytes, .. } => {
            Some((paths.path(*file), format!("{offset}+{}", bytes.len())))
        }
        FileOp::Resize { file, to, .. } => Some((paths.path(*file), to.to_string())),
        FileOp::Allocate { file, offset, len } | FileOp::Zero { file, offset, len } => {
            Some((paths.path(*file), format!("{offset}+{len}")))
        }
        FileOp::Create { file, .. }
        | FileOp::CreateUnnamed { file, .. }
        | FileOp::Sync { file, .. }
        | FileOp::FailedSync { file, .. } => whole(paths.path(*file)),
        FileOp::Link { at, .. } | FileOp::Unlink { at, .. } => whole(paths.place(at)),
        FileOp::Rename { to, .. } => whole(paths.place(to)),
        FileOp::Exchange { a, .. } => whole(paths.place(a)),
        FileOp::SyncAll => whole(String::new()),
        FileOp::Nothing { .. } | FileOp::Failed { .. } => None,
    }
}

/// Pairs of equal calls in order, as heavy in sum as they can be.
fn pairs(old: &[Step], new: &[Step]) -> Vec<(usize, usize)> {
    if old.len().saturating_mul(new.len()) > PAIRS {
        return counted(old, new);
    }
    let width = new.len() + 1;
    let mut best = vec![0u32; (old.len() + 1) * width];
    let weight =
        |a: &Step, b: &Step| match (a.name == b.name && a.file == b.file, a.place == b.place) {
            (true, true) => SAME_PLACE,
            (true, false) => SAME_FILE,
            _ => 0,
        };
    for (a, one) in old.iter().enumerate().rev() {
        for (b, other) in new.iter().enumerate().rev() {
            let weight = weight(one, other);
            let both = if weight > 0 { best[(a + 1) * width + b + 1] + weight } else { 0 };
            let neither = best[(a + 1) * width + b].max(best[a * width + b + 1]);
            best[a * width + b] = both.max(neither);
        }
    }
    let (mut a, mut b, mut found) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        let here = best[a * width + b];
        let weight = weight(&old[a], &new[b]);
        if weight > 0 && here == best[(a + 1) * width + b + 1] + weight {
            found.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if here == best[(a + 1) * width + b] {
            a += 1;
        } else {
            b += 1;
        }
    }
    found
}

/// The n-th call on a file is the n-th.
fn counted(old: &[Step], new: &[Step]) -> Vec<(usize, usize)> {
    let number = |steps: &[Step]| {
        let mut times: BTreeMap<(String, String), u32> = BTreeMap::new();
        let one = |(at, step): (usize, &Step)| {
            let nth = times.entry((step.name.clone(), step.file.clone())).or_default();
            *nth += 1;
            ((step.name.clone(), step.file.clone(), *nth), at)
        };
        steps.iter().enumerate().map(one).collect::<BTreeMap<_, _>>()
    };
    let there = number(new);
    number(old).into_iter().filter_map(|(key, at)| Some((at, *there.get(&key)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::workload::{Answer, OpNo, Request};

    fn ask(script: &mut Script, op: u32) {
        script.event(EventKind::Request { op: OpNo(op), request: Request::Sync });
    }

    fn answer(script: &mut Script, op: u32) {
        script.event(EventKind::Reply { op: OpNo(op), answer: Answer::Ack });
    }

    /// Two requests, each a write to `log`; with a sync after each where `syncs`.
    fn run(syncs: bool, log: &str) -> Script {
        let mut script = Script::new();
        for op in 0..2 {
            ask(&mut script, op);
            if op == 0 {
                script.create(log);
            }
            script.write(log, u64::from(op) * 100, &[1; 100]);
            if syncs {
                script.fsync(log);
            }
            answer(&mut script, op);
        }
        script
    }

    #[test]
    fn calls_that_a_fix_adds_leave_the_others_matched() {
        let (old, new) = (run(false, "log"), run(true, "log"));
        let found = align(&old.trace, &new.trace, (0, 0), &BTreeSet::new());
        assert_eq!(found.share(EventNo(u32::MAX)), (3, 3));
        assert!(!found.is_whole(&new.trace));
        // asked, create, write, answered, asked, write, answered against one more before each answer.
        let at: Vec<Option<u32>> =
            (0..7).map(|event| found.event(EventNo(event)).map(|event| event.0)).collect();
        assert_eq!(at, [0, 1, 2, 4, 5, 6, 8].map(Some));
        assert_eq!(
            found.point(EventNo(4)),
            EventNo(5),
            "after the answer, and what came before it"
        );
    }

    #[test]
    fn a_point_after_an_answer_stays_after_it_when_a_call_moves_before_it() {
        let (mut old, mut new) = (Script::new(), Script::new());
        ask(&mut old, 0);
        answer(&mut old, 0);
        old.create("log");
        ask(&mut new, 0);
        new.create("log");
        answer(&mut new, 0);
        let found = align(&old.trace, &new.trace, (0, 0), &BTreeSet::new());
        assert_eq!(found.point(EventNo(2)), EventNo(3));
    }

    #[test]
    fn a_file_with_another_name_each_time_is_the_same_file() {
        let (old, new) = (run(false, "qwxe"), run(false, "zuio"));
        let found = align(&old.trace, &new.trace, (0, 0), &BTreeSet::new());
        assert_eq!(found.share(EventNo(u32::MAX)), (3, 3));
        assert!(found.is_whole(&new.trace));
        let stable = files(&new.trace);
        let found = align(&old.trace, &new.trace, (0, 0), &stable);
        assert_eq!(found.share(EventNo(u32::MAX)), (3, 0), "it has that name each time");
    }

    #[test]
    fn what_the_other_recording_does_not_do_is_not_there() {
        let mut new = Script::new();
        ask(&mut new, 0);
        new.create("log");
        answer(&mut new, 0);
        let found = align(&run(false, "log").trace, &new.trace, (0, 0), &BTreeSet::new());
        assert_eq!(found.share(EventNo(u32::MAX)), (3, 1));
        assert_eq!(found.event(EventNo(2)), None);
    }

    #[test]
    fn very_many_calls_are_matched_by_their_number() {
        let step = |event, name: &str| Step {
            event,
            name: name.into(),
            file: "log".into(),
            place: String::new(),
        };
        let old = [step(0, "write"), step(1, "fsync"), step(2, "write")];
        let new = [step(0, "write"), step(1, "write")];
        assert_eq!(counted(&old, &new), [(0, 0), (2, 1)]);
    }
}
