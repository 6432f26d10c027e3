//! The same moment of a run in which no call failed: what was asked and done up to it, and the same losses.
//! What fails there alike needs no failing call. Pure.
//!
//! Events are the same where they are the same call on the same place of the same file (by the name that it
//! had in the end: temporary names differ), for the same request, and as often before. A loss of anything that the
//! other run did not do has no twin; a kill loses nothing, and has one wherever it struck.

use std::collections::BTreeMap;

use super::run::about;
use crate::diagnose::{Lost, NamePatterns, Sites, lost_effects};
use crate::fault::today::around::Around;
use crate::persistence::{CrashState, Loss, Model, ProfileSet};
use crate::trace::paths::Paths;
use crate::trace::{EventKind, EventNo, FileOp, Trace};
use crate::workload::OpNo;

/// A run and its model.
#[derive(Clone, Copy, Debug)]
pub struct Timeline<'a> {
    /// What happened.
    pub trace: &'a Trace,
    /// What may be lost of it.
    pub model: &'a Model,
}

/// During which request, what, and how often that was there before.
type Name = (Option<OpNo>, String, u32);

/// The state of `plain` that `state` is in `struck`.
pub fn twin(state: &CrashState, struck: Timeline<'_>, plain: Timeline<'_>) -> Option<CrashState> {
    let pairs = Pairs::of(struck.trace, plain.trace, None);
    let same = |event: EventNo| pairs.same(event);
    let point = pairs.point(state.point)?;
    let Some(loss) = state.loss() else { return Some(CrashState::kill(point)) };
    let effect = |effect: u32| {
        let event = struck.model.effects().get(effect as usize)?.event;
        let (own, other) = (struck.model.effects_of(event), plain.model.effects_of(same(event)?));
        (own.len() == other.len()).then(|| other.start + (effect - own.start))
    };
    let mut lost = loss.lost().map(|lost| effect(lost.0)).collect::<Option<Vec<u32>>>()?;
    lost.sort_unstable();
    let forms = loss.forms().iter().map(|(torn, form)| Some((effect(*torn)?, *form)));
    let forms = forms.collect::<Option<Vec<_>>>()?;
    Some(CrashState::power(point, Loss::new(&lost, forms)))
}

/// States of `plain` that lose the same sorts of things as `state` does, the nearest to the same moment first,
/// under these profiles: a call that was cut short, or a random name, leaves no exact twin. Of a kill the one after as
/// many calls of the request on such a file, wherever in the file.
pub fn alike(
    state: &CrashState,
    struck: Timeline<'_>,
    plain: Timeline<'_>,
    profiles: ProfileSet,
) -> Vec<CrashState> {
    let mut patterns = NamePatterns::of(plain.trace);
    patterns.learn(struck.trace);
    if state.is_kill() {
        let pairs = Pairs::of(struck.trace, plain.trace, Some(&patterns));
        return pairs.point(state.point).map(CrashState::kill).into_iter().collect();
    }
    let known = Sites::knowing(struck.trace, struck.model, &patterns);
    let sites: Lost =
        lost_effects(state).into_iter().filter_map(|effect| known.of(effect)).cloned().collect();
    if sites.is_empty() {
        return Vec::new();
    }
    let point = Pairs::of(struck.trace, plain.trace, None).point(state.point);
    let around = Around {
        trace: plain.trace,
        model: plain.model,
        sites: &sites,
        crash: &state.crash,
        point: point.unwrap_or(state.point),
        from: EventNo(0),
        profiles,
    };
    around.states()
}

/// The event of `plain` that is the same call for the same request, wherever in such a file it went.
pub fn same_call(
    struck: &Trace,
    plain: &Trace,
    patterns: &NamePatterns,
    event: EventNo,
) -> Option<EventNo> {
    Pairs::of(struck, plain, Some(patterns)).same(event)
}

/// Which event of the one run is which of the other.
struct Pairs {
    struck: Vec<Name>,
    plain: BTreeMap<Name, EventNo>,
}

impl Pairs {
    /// With patterns, files are told by these and places in them play no part.
    fn of(struck: &Trace, plain: &Trace, patterns: Option<&NamePatterns>) -> Pairs {
        let plain = names(plain, patterns).into_iter().zip(0..);
        Pairs {
            struck: names(struck, patterns),
            plain: plain.map(|(name, at)| (name, EventNo(at))).collect(),
        }
    }

    fn same(&self, event: EventNo) -> Option<EventNo> {
        self.plain.get(self.struck.get(event.0 as usize)?).copied()
    }

    /// After the last event before a point that both have: what only looks may not have been recorded in both.
    fn point(&self, point: EventNo) -> Option<EventNo> {
        let before = (0..point.0).rev().find_map(|event| self.same(EventNo(event)))?;
        Some(EventNo(before.0 + 1))
    }
}

/// The name of each event.
fn names(trace: &Trace, patterns: Option<&NamePatterns>) -> Vec<Name> {
    let mut paths = Paths::new(trace);
    for event in &trace.events {
        if let EventKind::Call(call) = &event.kind {
            paths.apply(&call.op);
        }
    }
    let mut during = None;
    let mut known: BTreeMap<(Option<OpNo>, String), u32> = BTreeMap::new();
    let name = |event: &crate::trace::Event| {
        if let EventKind::Request { op, .. } = &event.kind {
            during = Some(*op);
        }
        let what = match &event.kind {
            EventKind::Request { .. } => "asked".into(),
            EventKind::Reply { op, .. } => format!("answered {}", op.0),
            EventKind::Call(call) => match patterns {
                None => format!("{} {}", call.name, place(&call.op, &paths)),
                Some(patterns) => {
                    format!("{} {}", call.name, patterns.path(&about(&call.op, &paths)))
                }
            },
            EventKind::Line(_) | EventKind::Warn(_) | EventKind::Exit(_) => "said".into(),
        };
        let times = known.entry((during, what.clone())).or_default();
        *times += 1;
        (during, what, *times)
    };
    trace.events.iter().map(name).collect()
}

/// Where a call strikes.
fn place(op: &FileOp, paths: &Paths) -> String {
    match op {
        FileOp::Write { file, offset, bytes, .. } => {
            format!("{} {offset}+{}", paths.path(*file), bytes.len())
        }
        FileOp::Resize { file, to, .. } => format!("{} {to}", paths.path(*file)),
        FileOp::Allocate { file, offset, len } | FileOp::Zero { file, offset, len } => {
            format!("{} {offset}+{len}", paths.path(*file))
        }
        FileOp::Create { file, .. }
        | FileOp::CreateUnnamed { file, .. }
        | FileOp::Sync { file, .. }
        | FileOp::FailedSync { file, .. }
        | FileOp::Nothing { file: Some(file) }
        | FileOp::Failed { file: Some(file) } => paths.path(*file),
        FileOp::Link { at, .. } | FileOp::Unlink { at, .. } => paths.place(at),
        FileOp::Rename { to, .. } => paths.place(to),
        FileOp::Exchange { a, .. } => paths.place(a),
        FileOp::SyncAll | FileOp::Nothing { file: None } | FileOp::Failed { file: None } => {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::Form;
    use crate::persistence::tests::script::Script;
    use crate::workload::Request;

    fn ask(script: &mut Script, op: u32) {
        script.event(EventKind::Request { op: OpNo(op), request: Request::Sync });
    }

    /// Two requests that write to `log`; before the second something fails, if `fails`.
    fn run(fails: bool, second: u64) -> Script {
        let mut script = Script::new();
        ask(&mut script, 0);
        script.create("log");
        script.write("log", 0, &[1; 100]);
        script.fsync("log");
        if fails {
            script.op(FileOp::Failed { file: None });
            script.create("spare");
        }
        ask(&mut script, 1);
        script.write("log", 4000, &vec![2; second as usize]);
        script
    }

    fn of(state: &CrashState, struck: &Script, plain: &Script) -> Option<CrashState> {
        let (one, other) = (struck.model(), plain.model());
        let struck = Timeline { trace: &struck.trace, model: &one };
        twin(state, struck, Timeline { trace: &plain.trace, model: &other })
    }

    #[test]
    fn the_same_write_for_the_same_request_is_lost_whatever_its_number() {
        let (struck, plain) = (run(true, 200), run(false, 200));
        let write = |script: &Script| EventNo(script.end().0 - 1);
        let (one, other) = (struck.model(), plain.model());
        let (from, to) = (one.effects_of(write(&struck)), other.effects_of(write(&plain)));
        assert_ne!(from, to, "the spare file has effects of its own");
        let torn = |at: u32| vec![(at, Form::Cut(4096))];
        let state = CrashState::power(struck.end(), Loss::new(&[from.start], torn(from.end - 1)));
        let same = CrashState::power(plain.end(), Loss::new(&[to.start], torn(to.end - 1)));
        assert_eq!(of(&state, &struck, &plain), Some(same));
        // It begins after a call that the other run did not make.
        let early = CrashState::power(EventNo(6), Loss::default());
        assert_eq!(of(&early, &struck, &plain).map(|twin| twin.point), Some(EventNo(4)));
    }

    #[test]
    fn what_the_other_run_did_not_write_has_no_twin() {
        let (struck, plain) = (run(true, 200), run(false, 300));
        let lost = struck.model().effects_of(EventNo(struck.end().0 - 1)).start;
        let state = CrashState::power(struck.end(), Loss::new(&[lost], Vec::new()));
        assert_eq!(of(&state, &struck, &plain), None);
    }

    #[test]
    fn a_kill_has_a_twin_after_the_last_call_that_both_runs_made() {
        let (struck, plain) = (run(true, 200), run(false, 300));
        // Before the second write, which is another one there.
        let twin = of(&CrashState::kill(struck.end()), &struck, &plain);
        assert_eq!(twin, Some(CrashState::kill(EventNo(plain.end().0 - 1))));
        assert_eq!(of(&CrashState::kill(EventNo(0)), &struck, &plain), None, "nothing came before");
        // After as many writes, whatever their lengths.
        let (one, other) = (struck.model(), plain.model());
        let alike = alike(
            &CrashState::kill(struck.end()),
            Timeline { trace: &struck.trace, model: &one },
            Timeline { trace: &plain.trace, model: &other },
            ProfileSet::EMPTY,
        );
        assert_eq!(alike, [CrashState::kill(plain.end())]);
    }
}
