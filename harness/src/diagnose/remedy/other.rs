//! What helps where one more sync after the call does not: an answer that waits for the sync that there
//! is, a sync in the recovery that finds what a killed process left, or none at all.

use std::collections::BTreeSet;

use super::{Added, Remedy, Search, Whole, fsyncs};
use crate::diagnose::group::{Failing, Scene};
use crate::diagnose::promise::{Promise, promise};
use crate::oracle::Kind;
use crate::persistence::{EffectKind, EffectNo};
use crate::trace::{EventKind, EventNo, FileId};
use crate::workload::Request;

/// What helps where only a part of a write arrives and nothing had promised that write itself.
pub(super) fn torn() -> Remedy {
    Remedy::untried(
        "no sync, for power may be cut before it returns: let the reader tell what is torn (a checksum, \
         a length), and keep what it replaces until it is durable (a log, a copy)",
    )
}

/// What helps where a later write counts though an earlier one is not there.
pub(super) fn hole() -> Remedy {
    Remedy::untried(
        "end recovery at the first record that is missing or does not check out: what comes behind it was \
         promised later",
    )
}

/// What helps where the only copy of what was promised is written over.
pub(super) fn replaced(whole: Whole) -> Remedy {
    let place = "write the new elsewhere and switch to it when it is durable, or keep a copy of what it \
                 replaces until then: no sync helps while the only copy is written over in place";
    Remedy { whole: Some(whole), ..Remedy::untried(place) }
}

/// What helps where recovery loses what was promised because of what was torn behind it; nothing where it takes what was
/// torn for data.
pub(super) fn cut_back(whole: Whole, kind: Kind) -> Option<Remedy> {
    let loses = matches!(kind, Kind::LostAck | Kind::Vanished | Kind::Hole);
    let place = "end recovery at what is torn and keep all that stands before it: what was promised is in the \
                 files, and recovery drops it";
    loses.then(|| Remedy { whole: Some(whole), ..Remedy::untried(place) })
}

impl Search<'_> {
    /// The file of what was lost, if what was promised had been promised before anything of that was written: it was
    /// written over by that, or that stands behind it.
    pub(super) fn replaces(&self, first: &Failing<'_>) -> Option<Whole> {
        let event = |effect| self.scene.model.effect(effect).map(|found| found.event);
        let bytes = |effect: EffectNo| {
            matches!(
                self.scene.model.effect(effect).map(|found| &found.kind),
                Some(EffectKind::Data { .. } | EffectKind::Resize { .. } | EffectKind::Grow { .. })
            )
        };
        let file = |effect| Some(self.scene.model.effect(effect)?.kind.file());
        let file = self.effects(first).next().and_then(file)?;
        let since = match promised(self.scene, first) {
            Some(promised) => promised.answered,
            // A recovery writes over what was promised before it.
            None if self.scene.trace.initial.iter().any(|node| node.file == file) => EventNo(0),
            // No operation is named: what was there before the write was good.
            None if first.operations.is_empty() && self.overwrites(first) => {
                let done = self.effects(first).next().and_then(event)?;
                EventNo(done.0.checked_sub(1)?)
            }
            None => return None,
        };
        let mut events = self.effects(first).map(event);
        let over = self.is_mixed_since(first, since)
            && events.all(|event| event.is_some_and(|event| event > since))
            && self.effects(first).all(bytes);
        let appended = self.effects(first).all(|effect| self.is_behind_the_end(effect));
        over.then_some(Whole { file, appended })
    }

    /// True if the call of an effect put it behind the end that the file had.
    fn is_behind_the_end(&self, effect: EffectNo) -> bool {
        let model = self.scene.model;
        let Some(event) = model.effect(effect).map(|found| found.event) else { return false };
        let effects = model.effects_of(event).filter_map(|effect| model.effect(EffectNo(effect)));
        effects.map(|found| &found.kind).any(|kind| match kind {
            EffectKind::Grow { from, offset, .. } => offset >= from,
            EffectKind::Resize { from, to, .. } => to >= from,
            _ => false,
        })
    }

    /// True if all that was lost was written over what was there, from the file's start on: the whole of it anew.
    fn overwrites(&self, first: &Failing<'_>) -> bool {
        self.effects(first).all(|effect| {
            let found = self.scene.model.effect(effect);
            let start = found.and_then(|found| self.sites.offset(found.event));
            let kind = found.map(|found| &found.kind);
            start.is_none_or(|start| start == 0)
                && matches!(
                    kind,
                    Some(
                        EffectKind::Data { fresh: false, .. }
                            | EffectKind::Resize { .. }
                            | EffectKind::Grow { .. }
                    )
                )
        })
    }

    /// True if of what was lost a part survived, or something that was written to its file later.
    pub(super) fn is_mixed(&self, first: &Failing<'_>) -> bool {
        let event = |effect| self.scene.model.effect(effect).map(|found| found.event);
        let since = self.effects(first).next().and_then(event);
        since.is_some_and(|since| self.is_mixed_since(first, since))
    }

    /// True if some of what was written since then survived, or a part of one write: the old and the new are
    /// mixed.
    fn is_mixed_since(&self, first: &Failing<'_>, since: EventNo) -> bool {
        let (model, point) = (self.scene.model, first.state.point);
        let Some(loss) = first.state.loss() else { return false };
        let files: BTreeSet<FileId> = self
            .effects(first)
            .filter_map(|effect| Some(model.effect(effect)?.kind.file()))
            .collect();
        let survives = |effect: u32| {
            let file = model.effect(EffectNo(effect)).map(|found| found.kind.file());
            !loss.is_lost(effect) && file.is_some_and(|file| files.contains(&file))
        };
        let mut written = model.effects_before(since)..model.effects_before(point);
        !loss.forms().is_empty() || written.any(survives)
    }

    /// An acknowledgement that waits for a sync that is made anyway: the states were cut between the two.
    pub(super) fn later(&self) -> Option<Remedy> {
        let scene = self.scene;
        let waits = |one: &&Failing<'_>| -> Option<(EventNo, EventNo)> {
            let last = self.effects(one).max()?;
            let by = scene.model.durable_by(last, one.profile);
            let by = by.filter(|by| *by >= one.state.point)?;
            let done = scene.model.effect(last)?.event;
            let promised = promised(scene, one)?;
            // What was written over later had been promised by then.
            if done > promised.answered {
                return None;
            }
            is_its_own(scene, promised.asked, done, by).then_some((promised.answered, by))
        };
        let (answered, by) = waits(self.tried.first()?)?;
        let gone = self.tried.iter().filter(|one| waits(one).is_some()).count();
        Some(Remedy {
            place: format!("acknowledge only after the {} that follows", self.sites.call(by)?),
            detail: format!(" (event {}; acknowledged at {})", by.0, answered.0),
            is_rule: true,
            gone: self.most(gone)?,
            ..Remedy::default()
        })
    }

    /// Where what was lost had been done before a kill: a sync of it in the recovery that comes after.
    pub(super) fn recovering(&self) -> Option<Remedy> {
        let scene = self.scene;
        let killed = scene.recovery?;
        let before_kill =
            |effect: EffectNo| scene.model.effect(effect).is_some_and(|found| found.event < killed);
        let effects = self.tried.iter().flat_map(|one| self.effects(one));
        let left = effects.filter(|effect| before_kill(*effect));
        let files: BTreeSet<FileId> =
            left.filter_map(|effect| self.sites.synced_by(effect)).collect();
        let moments = [
            (opened(scene, killed)?, "in recovery, before `open` is answered"),
            (killed, "at the start of recovery"),
        ];
        moments.into_iter().find_map(|(before, when)| {
            let after = EventNo(before.0.checked_sub(1)?);
            let places: Vec<Added> = files.iter().map(|file| (after, *file)).collect();
            let gone = self.most(self.gone(&before_kill, &places))?;
            Some(Remedy {
                place: format!("add {} {when}", fsyncs(self.sites, &places)),
                detail: format!(" (before event {})", before.0),
                is_rule: true,
                gone,
                syncs: places,
                ..Remedy::default()
            })
        })
    }

    /// True if the write that was torn had been promised itself, and not only what it replaces.
    pub(super) fn is_promised(&self, one: &Failing<'_>) -> bool {
        let event = |effect| self.scene.model.effect(effect).map(|found| found.event);
        promised(self.scene, one).is_some_and(|promised| {
            // A `sync` or a close promises what was written before it was asked for.
            let since = if promised.barrier.is_some() { EventNo(0) } else { promised.asked };
            let asked_for = |at: EventNo| since <= at && at < promised.answered;
            self.effects(one).filter_map(event).all(asked_for)
        })
    }
}

/// What promised the first operation that a failing state violates.
pub(super) fn promised(scene: &Scene<'_>, one: &Failing<'_>) -> Option<Promise> {
    promise(scene.trace, scene.durable, *one.operations.first()?, one.state.point)
}

/// True if this sync is that of the request which was asked here and made the call: the next thing that is
/// done after the call, and nothing but writes was asked meanwhile.
fn is_its_own(scene: &Scene<'_>, asked: EventNo, call: EventNo, sync: EventNo) -> bool {
    let done = (call.0 + 1..sync.0).any(|at| scene.model.changes_files(EventNo(at)));
    let events = scene.trace.events.get(asked.0 as usize..sync.0 as usize).unwrap_or_default();
    let only_writes = events.iter().all(|event| match &event.kind {
        EventKind::Request { request, .. } => !request.mutations().is_empty(),
        _ => true,
    });
    asked < call && !done && only_writes
}

/// The event at which the first `open` from here on was answered.
fn opened(scene: &Scene<'_>, from: EventNo) -> Option<EventNo> {
    let numbered = || (from.0..).zip(scene.trace.events.iter().skip(from.0 as usize));
    let asked = numbered().find_map(|(_, event)| match &event.kind {
        EventKind::Request { op, request: Request::Open } => Some(*op),
        _ => None,
    })?;
    let answers = |kind: &EventKind| matches!(kind, EventKind::Reply { op, .. } if *op == asked);
    numbered().find(|(_, event)| answers(&event.kind)).map(|(at, _)| EventNo(at))
}
