//! What helps where one more sync after the call does not: an answer that waits for the sync that there
//! is, a sync in the recovery that finds what a killed process left, or none at all.

use std::collections::BTreeSet;

use super::tried::{Added, gone};
use super::{Remedy, all, fsyncs, lost_effects};
use crate::diagnose::cause::Lost;
use crate::diagnose::group::{Failing, Scene};
use crate::diagnose::promise::promise;
use crate::diagnose::site::Sites;
use crate::persistence::EffectNo;
use crate::trace::{EventKind, EventNo};
use crate::workload::Request;

/// What helps where only a part of a write arrives and nothing had promised that write itself.
pub(super) fn torn() -> Remedy {
    Remedy::untried(
        "no sync, for power may be cut before it returns: let the reader tell what is torn (a checksum, \
         a length), and keep what it replaces until it is durable (a log, a copy)",
    )
}

/// An acknowledgement that waits for a sync that is made anyway: each of the states was cut between the
/// two.
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
        let by = lost_effects(one.state)
            .into_iter()
            .filter(|effect| sites.of(*effect).is_some_and(|site| lost.contains(site)))
            .map(|effect| scene.model.durable_by(effect, one.profile))
            .collect::<Option<Vec<EventNo>>>()?;
        let by = by.into_iter().max().filter(|by| *by >= one.state.point)?;
        (!asked_between(scene, promised.answered, by)).then_some((promised.answered, by))
    };
    let (answered, by) = waits(tried.first()?)?;
    let call = sites.call(by)?;
    if !tried.iter().all(|one| waits(one).is_some()) {
        return None;
    }
    Some(Remedy {
        place: format!("acknowledge only after the {call} that follows"),
        detail: format!(" (event {}; acknowledged at {})", by.0, answered.0),
        gone: all(tried, members),
    })
}

/// True if anything was asked between these events: a sync that comes only then is another request's.
fn asked_between(scene: &Scene<'_>, from: EventNo, to: EventNo) -> bool {
    let events = scene.trace.events.get(from.0 as usize..to.0 as usize).unwrap_or_default();
    events.iter().any(|event| matches!(event.kind, EventKind::Request { .. }))
}

/// Where all that was lost had been done before a kill: a sync of it in the recovery that comes after.
pub(super) fn recovering(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    lost: &Lost,
    tried: &[&Failing<'_>],
    members: &[&Failing<'_>],
) -> Option<Remedy> {
    let killed = scene.recovery?;
    let before_open = EventNo(opened(scene, killed)?.0.checked_sub(1)?);
    let mut places: BTreeSet<Added> = BTreeSet::new();
    for effect in tried.iter().flat_map(|one| lost_effects(one.state)) {
        if !sites.of(effect).is_some_and(|site| lost.contains(site)) {
            continue;
        }
        if scene.model.effect(effect).is_none_or(|found| found.event >= killed) {
            return None;
        }
        places.extend(sites.synced_by(effect).map(|file| (before_open, file)));
    }
    let places: Vec<Added> = places.into_iter().collect();
    if places.is_empty() || gone(scene, sites, lost, &places, tried) < tried.len() {
        return None;
    }
    Some(Remedy {
        place: format!("add {} in recovery, before `open` is answered", fsyncs(sites, &places)),
        detail: format!(" (after event {})", before_open.0),
        gone: all(tried, members),
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
