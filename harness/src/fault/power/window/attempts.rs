//! What is tried where two calls of one request are the cause: the recording changed, and the change in words. Pure.

use std::ops::RangeInclusive;

use super::super::ground::Ground;
use super::super::group::Terms;
use super::beside;
use super::changed::Changed;
use super::elsewhere::InPlace;
use super::order;
use crate::diagnose::{Order, Remedy, Sites, Window};
use crate::driver::PowerPromise;
use crate::persistence::EffectNo;
use crate::trace::{EventKind, EventNo, FileId};

/// So many syncs are tried as what the guilty call has to wait for.
const SYNCS: usize = 3;

/// A change of a recording.
pub(super) struct Attempt {
    /// The recording with it.
    pub changed: Changed,
    /// The events that it concerns.
    pub around: RangeInclusive<u32>,
    /// The change in the program: `move A behind B`.
    place: String,
    /// How the recording differs: `in that order`.
    so: &'static str,
}

impl Attempt {
    /// The remedy that it is where so many crashes around the two calls hold.
    pub fn remedy(&self, points: usize) -> Remedy {
        let gone = format!("; {} none of {points} crashes around them fails so", self.so);
        Remedy { gone, ..Remedy::untried(&self.place) }
    }
}

/// Makes one, where it can be.
type Other = fn(&Ground, &Sites<'_>, Order) -> Option<Attempt>;

/// All of them, the ones that change least first.
pub(super) fn attempts<'a>(
    ground: &'a Ground,
    sites: &'a Sites<'a>,
    window: &'a Window,
    order: Order,
    terms: Terms,
) -> impl Iterator<Item = Attempt> + 'a {
    let moved = behind(ground, sites, order, terms).into_iter();
    let moved = moved.filter_map(move |to| reordered(ground, sites, window, order, to));
    let others: [Other; 3] = [replaced, renamed_over, elsewhere];
    moved.chain(others.into_iter().filter_map(move |other| other(ground, sites, order)))
}

/// The guilty call moved behind another, with a sync of a file in between where one is given.
fn reordered(
    ground: &Ground,
    sites: &Sites<'_>,
    window: &Window,
    order: Order,
    (first, synced): (EventNo, Option<FileId>),
) -> Option<Attempt> {
    let order = Order { first, ..order };
    let (changed, with) = order::swapped(&ground.trace, &ground.overlay, order, synced)?;
    let follows = match (sites.call(first), synced) {
        (_, Some(file)) => {
            let path = sites.patterns.path(&sites.names.path(file, first));
            format!(", with a sync of {path} in between")
        }
        (Some(call), None) if Some(first) != window.closes => {
            format!(", and behind the {call} that follows that")
        }
        _ => String::new(),
    };
    let place = format!("{}{follows}", window.moved(sites, &with));
    Some(Attempt { changed, around: order.last.0..=first.0, place, so: "in that order" })
}

/// The name not taken away before the rename that makes it anew.
fn replaced(ground: &Ground, sites: &Sites<'_>, order: Order) -> Option<Attempt> {
    let changed = order::without_removal(&ground.trace, &ground.overlay, order)?;
    let (removal, rename) = (sites.named(order.last), sites.named(order.first));
    let place = format!("leave out {removal}: {rename} replaces the old file at once");
    Some(Attempt { changed, around: order.last.0..=order.first.0, place, so: "without it" })
}

/// The name made anew under another name, which is renamed over it when it is durable.
fn renamed_over(ground: &Ground, sites: &Sites<'_>, order: Order) -> Option<Attempt> {
    let (trace, model) = (&ground.trace, &ground.model);
    let (changed, around) = beside::renamed_over(trace, model, &ground.overlay, order)?;
    let removal = sites.named(order.last);
    let place = format!(
        "leave out {removal}: make the new one under another name, sync it, and rename it over the old"
    );
    Some(Attempt { changed, around, place, so: "with that" })
}

/// The file that is changed in place written elsewhere, and switched to when it is durable.
fn elsewhere(ground: &Ground, sites: &Sites<'_>, order: Order) -> Option<Attempt> {
    let trace = &ground.trace;
    let in_place = InPlace::of(trace, &ground.model, order.last, order.first)?;
    let (changed, around) = in_place.switched(trace, &ground.overlay, order.last)?;
    let path = sites.patterns.path(&sites.names.path(in_place.file, order.last));
    let place = match in_place.is_anew() {
        true => format!(
            "write the new {path} to a file of its own, sync that, and rename it over {path}"
        ),
        false => format!(
            "keep what is written over in {path} until the new is durable: write it elsewhere and switch, or log the \
             change first"
        ),
    };
    let so = "with the new contents renamed over the old,";
    Some(Attempt { changed, around, place, so })
}

/// Behind which calls the guilty one may have to come: the sync of the same request that makes up for it for good, where
/// power cuts count; the call that makes up for it; the other syncs behind that; and that call with a sync of its file.
fn behind(
    ground: &Ground,
    sites: &Sites<'_>,
    order: Order,
    terms: Terms,
) -> Vec<(EventNo, Option<FileId>)> {
    let model = &ground.model;
    let events = ground.trace.events.iter().enumerate().skip(order.first.0 as usize + 1);
    let calls = events.take_while(|(_, event)| matches!(event.kind, EventKind::Call(_)));
    let syncs: Vec<EventNo> = calls
        .map(|(at, _)| EventNo(at as u32))
        .filter(|at| model.changes_files(*at) && model.effects_of(*at).next().is_none())
        .collect();
    let last = model.effects_of(order.first).next_back().map(EffectNo);
    let file = last.and_then(|effect| sites.synced_by(effect));
    let for_good = last
        .filter(|_| terms.durable != PowerPromise::None)
        .and_then(|effect| model.durable_by(effect, terms.fail_on))
        .filter(|by| syncs.contains(by));
    let mut all: Vec<_> = for_good.into_iter().map(|at| (at, None)).collect();
    all.push((order.first, None));
    let others = syncs.into_iter().filter(|at| Some(*at) != for_good);
    all.extend(others.take(SYNCS).map(|at| (at, None)));
    all.extend(file.map(|file| (order.first, Some(file))));
    all
}
