//! What helps where one more sync after the call does not: an answer that waits for the sync that there
//! is, a sync in the recovery that finds what a killed process left, or none at all.

use std::collections::BTreeSet;

use super::tried::{Added, gone};
use super::{Remedy, fsyncs, lost_effects, most};
use crate::diagnose::cause::Lost;
use crate::diagnose::group::{Failing, Scene};
use crate::diagnose::promise::promise;
use crate::diagnose::site::Sites;
use crate::persistence::EffectNo;
use crate::trace::{EventKind, EventNo, FileId};
use crate::workload::Request;

/// What helps where only a part of a write arrives and nothing had promised that write itself.
pub(super) fn torn() -> Remedy {
    Remedy::untried(
        "no sync, for power may be cut before it returns: let the reader tell what is torn (a checksum, \
         a length), and keep what it replaces until it is durable (a log, a copy)",
    )
}

/// An acknowledgement that waits for a sync that is made anyway: the states were cut between the two.
pub(super) fn later(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    lost: &Lost,
    tried: &[&Failing<'_>],
    members: &[&Failing<'_>],
) -> Option<Remedy> {
    let waits = |one: &&Failing<'_>| -> Option<(EventNo, EventNo)> {
        let op = one.operations.first()?;
        let promised = promise(scene.trace, scene.durable, *op, one.state.point)?;
        let effects = lost_effects(one.state).into_iter();
        let of_it =
            effects.filter(|effect| sites.of(*effect).is_some_and(|site| lost.contains(site)));
        let last = of_it.max()?;
        let by = scene.model.durable_by(last, one.profile).filter(|by| *by >= one.state.point)?;
        let done = scene.model.effect(last)?.event;
        is_its_own(scene, promised.asked, done, by).then_some((promised.answered, by))
    };
    let (answered, by) = waits(tried.first()?)?;
    let gone = tried.iter().filter(|one| waits(one).is_some()).count();
    Some(Remedy {
        place: format!("acknowledge only after the {} that follows", sites.call(by)?),
        detail: format!(" (event {}; acknowledged at {})", by.0, answered.0),
        is_rule: true,
        gone: most(gone, tried, members)?,
    })
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

/// Where what was lost had been done before a kill: a sync of it in the recovery that comes after.
pub(super) fn recovering(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    lost: &Lost,
    tried: &[&Failing<'_>],
    members: &[&Failing<'_>],
) -> Option<Remedy> {
    let killed = scene.recovery?;
    let before_kill =
        |effect: EffectNo| scene.model.effect(effect).is_some_and(|found| found.event < killed);
    let left = |effect: &EffectNo| {
        before_kill(*effect) && sites.of(*effect).is_some_and(|site| lost.contains(site))
    };
    let effects = tried.iter().flat_map(|one| lost_effects(one.state)).filter(left);
    let files: BTreeSet<FileId> = effects.filter_map(|effect| sites.synced_by(effect)).collect();
    let moments = [
        (opened(scene, killed)?, "in recovery, before `open` is answered"),
        (killed, "at the start of recovery"),
    ];
    moments.into_iter().find_map(|(before, when)| {
        let after = EventNo(before.0.checked_sub(1)?);
        let places: Vec<Added> = files.iter().map(|file| (after, *file)).collect();
        let gone = most(gone(scene, sites, (lost, &before_kill), &places, tried), tried, members)?;
        let what = fsyncs(sites, &places);
        Some(Remedy {
            place: format!("add {what} {when}"),
            detail: format!(" (before event {})", before.0),
            is_rule: true,
            gone,
        })
    })
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

/// True if the write that was torn had been promised itself, and not only what it replaces.
pub(super) fn is_promised(scene: &Scene<'_>, one: &Failing<'_>, effects: &[EffectNo]) -> bool {
    let promised = one
        .operations
        .first()
        .and_then(|op| promise(scene.trace, scene.durable, *op, one.state.point));
    let event = |effect: &EffectNo| scene.model.effect(*effect).map(|found| found.event);
    promised.is_some_and(|promised| {
        let asked_for = |at: EventNo| promised.asked <= at && at < promised.answered;
        effects.iter().filter_map(event).all(asked_for)
    })
}
