//! A crash state of one recording in another recording of the same requests: the same point, the loss of
//! the same calls' effects, torn in the same way where it can be. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::align::Alignment;
use crate::diagnose::{Lost, Names, Sites};
use crate::persistence::{
    Crash, CrashState, EffectNo, Form, Loss, Model, Profile, ProfileSet, View,
};
use crate::trace::{EventKind, EventNo, Trace};

/// A recording and its model.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What happened.
    pub trace: &'a Trace,
    /// What may be lost of it.
    pub model: &'a Model,
}

/// What became of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Here it is.
    State {
        /// The state.
        state: CrashState,
        /// The sites of what it lost.
        sites: Lost,
    },
    /// Its calls are there, and no profile that allowed the loss allows it now.
    Forbidden {
        /// The point at which it would be.
        point: EventNo,
        /// The sites of what it would lose.
        sites: Lost,
        /// What forbids it.
        why: String,
    },
    /// A call that it takes is not there.
    Gone {
        /// The point at which it would be.
        point: EventNo,
        /// The sites of what it lost, as the old recording names them.
        sites: Lost,
        /// Which call.
        what: String,
    },
}

impl Transfer {
    /// The point at which the state is, or would be.
    pub fn point(&self) -> EventNo {
        match self {
            Transfer::State { state, .. } => state.point,
            Transfer::Forbidden { point, .. } | Transfer::Gone { point, .. } => *point,
        }
    }

    /// The sites of what is lost.
    pub fn sites(&self) -> &Lost {
        match self {
            Transfer::State { sites, .. }
            | Transfer::Forbidden { sites, .. }
            | Transfer::Gone { sites, .. } => sites,
        }
    }

    /// True if the calls that the state takes are there.
    pub fn is_there(&self) -> bool {
        !matches!(self, Transfer::Gone { .. })
    }
}

/// The effects of one call that a state takes: lost in whole, or in a form.
type Taken = Vec<(u32, Option<Form>)>;

/// Finds `state` of `old` in `new`. `profiles` are those under which it may be legal there.
pub fn transfer(
    state: &CrashState,
    old: Side<'_>,
    new: Side<'_>,
    alignment: &Alignment,
    profiles: ProfileSet,
) -> Transfer {
    let point = alignment.point(state.point);
    let loss = match &state.crash {
        Crash::Kill { pages } => return killed(state.point, *pages, old, new, alignment),
        Crash::Power(loss) => loss,
    };
    let old_sites = Sites::new(old.trace, old.model);
    let roots = roots(state, old.model);
    let mut by_event: BTreeMap<EventNo, Taken> = BTreeMap::new();
    let whole = loss.lost().map(|effect| (effect.0, None));
    let parts = loss.forms().iter().map(|(effect, form)| (*effect, Some(*form)));
    for (effect, form) in whole.chain(parts) {
        if let Some(found) = old.model.effect(EffectNo(effect)) {
            by_event.entry(found.event).or_default().push((effect, form));
        }
    }
    let (mut taken, mut rooted): (Taken, Taken) = (Vec::new(), Vec::new());
    for (event, effects) in &by_event {
        let twin = alignment.event(*event);
        let there = |some: &Taken| counterparts(some, *event, old, twin?, new);
        let of_roots: Taken =
            effects.iter().copied().filter(|(effect, _)| roots.contains(effect)).collect();
        if !of_roots.is_empty() {
            let Some(there) = there(&of_roots) else {
                let sites = sites_of(&old_sites, roots.iter().copied());
                let site = of_roots.first().and_then(|(effect, _)| old_sites.of(EffectNo(*effect)));
                let what = site.map_or_else(String::new, |site| site.words());
                return Transfer::Gone { point, sites, what };
            };
            rooted.extend(there);
        }
        taken.extend(there(effects).into_iter().flatten());
    }
    taken.sort_unstable();
    let new_sites = Sites::new(new.trace, new.model);
    let sites = sites_of(&new_sites, rooted.iter().map(|(effect, _)| *effect));
    let view = View::at(new.model, point);
    let legal =
        |taken: &Taken| profiles.iter().find_map(|profile| legal(&view, profile, taken, profiles));
    // What went only because something else did may be durable by now.
    match legal(&taken).or_else(|| legal(&rooted)) {
        Some(state) => Transfer::State { state, sites },
        None => {
            let why = why_not(&view, &rooted, new, profiles);
            Transfer::Forbidden { point, sites, why }
        }
    }
}

/// The effects of a power cut that did not have to go because others did: what was lost in part, and of
/// the rest the earliest from which everything else follows.
pub fn roots(state: &CrashState, model: &Model) -> BTreeSet<u32> {
    let Some(loss) = state.loss() else { return BTreeSet::new() };
    let view = View::at(model, state.point);
    let profile = view.legal_in(state, ProfileSet::ALL).mildest().unwrap_or(Profile::Strict);
    let mut roots: BTreeSet<u32> = loss.forms().iter().map(|(effect, _)| *effect).collect();
    let mut known: BTreeSet<u32> = BTreeSet::new();
    for effect in loss.lost().map(|effect| effect.0) {
        if !known.contains(&effect) {
            known.extend(view.closed_loss(profile, [effect]));
            known.insert(effect);
            roots.insert(effect);
        }
    }
    roots
}

/// A kill at the same point, the write in flight cut alike.
fn killed(
    at: EventNo,
    pages: u32,
    old: Side<'_>,
    new: Side<'_>,
    alignment: &Alignment,
) -> Transfer {
    let (point, sites) = (alignment.point(at), Lost::new());
    if pages == 0 {
        return Transfer::State { state: CrashState::kill(point), sites };
    }
    let twin = alignment.event(at).filter(|twin| new.model.kill_cuts(*twin) > 0);
    let Some(twin) = twin else {
        let what = format!("the write that is cut, {}", call(old, at));
        return Transfer::Gone { point, sites, what };
    };
    let (had, has) = (old.model.kill_cuts(at).max(1), new.model.kill_cuts(twin));
    // As many pages, or as great a part of them where there are fewer.
    let pages = if pages <= has { pages } else { (has * pages / had).clamp(1, has) };
    Transfer::State { state: CrashState { point: twin, crash: Crash::Kill { pages } }, sites }
}

/// Every effect that a loss names.
pub fn effects_of(loss: &Loss) -> impl Iterator<Item = u32> {
    loss.lost().map(|effect| effect.0).chain(loss.forms().iter().map(|(effect, _)| *effect))
}

/// The sites of effects.
pub fn sites_of(sites: &Sites<'_>, effects: impl Iterator<Item = u32>) -> Lost {
    effects.filter_map(|effect| sites.of(EffectNo(effect)).cloned()).collect()
}

/// The effects of the call `twin` that those of the call `event` are; nothing where none of them is
/// there. Where the call does not do the same in the same number of steps, the n-th of a sort is the
/// n-th, and the last the last.
fn counterparts(
    effects: &Taken,
    event: EventNo,
    old: Side<'_>,
    twin: EventNo,
    new: Side<'_>,
) -> Option<Taken> {
    let (theirs, ours) = (old.model.effects_of(event), new.model.effects_of(twin));
    let word =
        |model: &Model, effect: u32| model.effect(EffectNo(effect)).map(|found| found.kind.word());
    let words = |model: &Model, range: std::ops::Range<u32>| {
        range.map(|effect| word(model, effect)).collect::<Vec<_>>()
    };
    let same = words(old.model, theirs.clone()) == words(new.model, ours.clone());
    let one = |&(effect, form): &(u32, Option<Form>)| {
        if same {
            return Some((ours.start + (effect - theirs.start), form));
        }
        let sort = word(old.model, effect);
        let alike = |model: &Model, range: std::ops::Range<u32>| {
            range.filter(|other| word(model, *other) == sort).collect::<Vec<u32>>()
        };
        let (before, now) = (alike(old.model, theirs.clone()), alike(new.model, ours.clone()));
        let nth = before.iter().position(|other| *other == effect)?;
        let at = if nth + 1 == before.len() { now.len().checked_sub(1)? } else { nth };
        now.get(at).map(|effect| (*effect, form))
    };
    let mut found: Taken = effects.iter().filter_map(one).collect();
    found.sort_unstable();
    found.dedup_by_key(|(effect, _)| *effect);
    (!found.is_empty()).then_some(found)
}

/// The state that lost these effects and what has to go with them, if `profile` allows it.
fn legal(
    view: &View<'_>,
    profile: Profile,
    taken: &Taken,
    profiles: ProfileSet,
) -> Option<CrashState> {
    if !taken.iter().all(|(effect, _)| view.is_pending(*effect, profile)) {
        return None;
    }
    let whole = taken.iter().filter(|(_, form)| form.is_none()).map(|(effect, _)| *effect);
    let forms: Vec<(u32, Form)> =
        taken.iter().filter_map(|(effect, form)| Some((*effect, (*form)?))).collect();
    let torn = Loss::new(&view.closed_loss(profile, whole), forms);
    // What cannot be torn any more may still be lost.
    let lost = view.losing(profile, taken.iter().map(|(effect, _)| *effect));
    let states = [torn, lost].map(|loss| CrashState::power(view.point(), loss));
    states.into_iter().find(|state| !view.legal_in(state, profiles).is_empty())
}

/// What keeps a power cut from taking all of this.
fn why_not(view: &View<'_>, taken: &Taken, new: Side<'_>, profiles: ProfileSet) -> String {
    let sites = Sites::new(new.trace, new.model);
    let durable = |(effect, _): &&(u32, Option<Form>)| {
        !profiles.iter().any(|profile| view.is_pending(*effect, profile))
    };
    let Some((effect, _)) = taken.iter().find(durable) else {
        return "no file system loses this and keeps the rest any more".into();
    };
    let what = sites.of(EffectNo(*effect)).map_or_else(String::new, |site| site.words());
    let by = profiles.mildest().and_then(|one| new.model.durable_by(EffectNo(*effect), one));
    match by {
        Some(by) => {
            format!("{what} is durable by then: {} (event {}) came first", call(new, by), by.0)
        }
        None => format!("{what} is durable by then"),
    }
}

/// `fsync of log`.
fn call(side: Side<'_>, at: EventNo) -> String {
    let Some(event) = side.trace.events.get(at.0 as usize) else { return "the end".into() };
    let EventKind::Call(call) = &event.kind else { return "an answer".into() };
    use crate::trace::FileOp;
    let file = match &call.op {
        FileOp::Sync { file, .. }
        | FileOp::Write { file, .. }
        | FileOp::Resize { file, .. }
        | FileOp::Rename { file, .. } => *file,
        _ => return call.name.to_string(),
    };
    format!("{} of {}", call.name, Names::new(side.trace).path(file, at))
}

#[cfg(test)]
mod tests {
    use super::super::align::align;
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::workload::{Answer, OpNo, Request};

    /// A request that makes `log` of so many bytes, synced where `synced`, and its answer.
    fn run(bytes: usize, synced: bool) -> Script {
        let mut script = Script::new();
        script.event(EventKind::Request { op: OpNo(0), request: Request::Sync });
        script.create("log");
        script.fsync("");
        if bytes > 0 {
            script.write("log", 0, &vec![1; bytes]);
        }
        if synced {
            script.fsync("log");
        }
        script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
        script
    }

    fn found(state: &CrashState, old: &Script, new: &Script) -> Transfer {
        let (one, other) = (old.model(), new.model());
        let alignment = align(&old.trace, &new.trace, (0, 0), &BTreeSet::new());
        let old = Side { trace: &old.trace, model: &one };
        let new = Side { trace: &new.trace, model: &other };
        transfer(state, old, new, &alignment, ProfileSet::ALL)
    }

    /// The whole write of `run` lost at its end.
    fn lost(script: &Script) -> CrashState {
        let model = script.model();
        let lost: Vec<u32> = model.effects_of(EventNo(3)).collect();
        assert!(!lost.is_empty());
        CrashState::power(script.end(), Loss::new(&lost, Vec::new()))
    }

    #[test]
    fn the_same_write_is_lost_whatever_its_length() {
        let old = run(5000, false);
        for bytes in [5000, 100, 90_000] {
            let new = run(bytes, false);
            let Transfer::State { state, sites } = found(&lost(&old), &old, &new) else {
                panic!("{bytes}");
            };
            assert!(new.model().is_legal(&state, Profile::Ext4), "{state}");
            assert_eq!(sites.len(), 1);
            assert_eq!(state.point, new.end());
        }
    }

    #[test]
    fn what_a_new_sync_makes_durable_is_forbidden_and_the_sync_is_named() {
        let (old, new) = (run(5000, false), run(5000, true));
        match found(&lost(&old), &old, &new) {
            Transfer::Forbidden { why, .. } => {
                assert!(why.contains("of log (event 4) came first"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_loss_of_what_is_not_written_any_more_is_gone() {
        let (old, new) = (run(5000, false), run(0, false));
        match found(&lost(&old), &old, &new) {
            Transfer::Gone { what, .. } => assert!(what.contains("log"), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_kill_inside_a_write_is_one_inside_the_same_write() {
        let (old, new) = (run(9000, false), run(9000, true));
        let cut = CrashState { point: EventNo(3), crash: Crash::Kill { pages: 2 } };
        match found(&cut, &old, &new) {
            Transfer::State { state, .. } => assert_eq!(state, cut),
            other => panic!("{other:?}"),
        }
        let small = run(100, true);
        assert!(!found(&cut, &old, &small).is_there(), "a write of one page is not cut");
    }
}
