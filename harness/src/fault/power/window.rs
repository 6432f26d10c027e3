//! The window of a failure that needs no loss: from which event on a crash fails, up to which. Each crash point
//! around the one that was found is recovered from and judged; where two calls of one request are the cause,
//! the recording with the first of them behind the second is tried as well, and one that writes elsewhere what is
//! written over in place.

mod attempts;
mod beside;
mod changed;
mod elsewhere;
mod order;

use std::rc::Rc;

use attempts::attempts;

use super::ground::Ground;
use super::group::{Group, Terms};
use super::trial::{self, Trial};
use crate::base::Result;
use crate::diagnose::{Cause, Sites, Window};
use crate::driver::PowerPromise;
use crate::fault::{Budget, reason};
use crate::image::Builder;
use crate::oracle::{Kind, Violation};
use crate::persistence::{CrashState, EffectNo};
use crate::trace::{Event, EventNo};
use crate::workload::OpNo;

/// So many crash points on either side are recovered from one by one; farther ones at longer steps.
const NEAR: usize = 24;

/// Why the state that stands for a group fails, if every crash around it does, up to a certain event on either
/// side; nothing where a crash at its point holds, or no end was found before it.
pub fn cause(
    group: &Group,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<Option<Cause>> {
    let Some(window) = window(group, trial, budget)? else { return Ok(None) };
    let ground = Rc::clone(&group.spot.ground);
    let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
    let mut cause = window.tell(&ground.trace, &sites, group.kind);
    if window.is_answer(&ground.trace) {
        if let Some((remedy, closes)) = cause.counterfactual.as_mut().zip(window.closes) {
            remedy.place.push_str(&durable_too(&ground, &sites, closes, terms));
        }
    } else if let Some(order) =
        window.order(&ground.trace).filter(|_| !window.is_on_one_page(&sites))
    {
        // What was not tried, or does not help, is not offered.
        cause.counterfactual = None;
        for attempt in attempts(&ground, &sites, &window, order, terms) {
            let around = (order.last, attempt.around.clone());
            if let Some(points) = attempt.changed.holds(group, around, trial, terms, budget)? {
                cause.counterfactual = Some(attempt.remedy(points));
                break;
            }
        }
    }
    Ok(Some(cause))
}

/// The same of a store that does not open, or dies of it, where the crash right before the guilty call has that for the
/// same reason with nothing lost: then it is no loss that does it.
pub fn without_the_loss(
    group: &Group,
    trial: &mut dyn Trial,
    terms: Terms,
    budget: &Budget,
) -> Result<Option<Cause>> {
    let ground = &group.spot.ground;
    let guilty = group.cause.guilty.filter(|guilty| guilty.0 >= ground.offset);
    let Some(guilty) =
        guilty.filter(|_| matches!(group.kind, Kind::Refused | Kind::RecoveryCrashed))
    else {
        return Ok(None);
    };
    let mut before = group.clone();
    before.spot.state = CrashState::kill(guilty);
    let mut builder = Builder::new(&ground.model);
    let state = before.spot.state.clone();
    let found = trial::of_state(trial, &mut builder, &before.spot, state, group.kind)?;
    let why = reason(group.kind, &group.violation.sentence);
    let same = |found: &Violation| {
        found.kind == group.kind && why.is_some() && reason(found.kind, &found.sentence) == why
    };
    match found.iter().any(same) {
        true => cause(&before, trial, terms, budget),
        false => Ok(None),
    }
}

/// What an answer has to wait for besides, where the promise is one against power cuts too.
fn durable_too(ground: &Ground, sites: &Sites<'_>, closes: EventNo, terms: Terms) -> String {
    if terms.durable != PowerPromise::Ack {
        return String::new();
    }
    let Some(last) = ground.model.effects_of(closes).next_back().map(EffectNo) else {
        return String::new();
    };
    match ground.model.durable_by(last, terms.fail_on) {
        Some(by) if by > closes => {
            format!(" and the {} that makes it durable", sites.call(by).unwrap_or("sync"))
        }
        Some(_) => String::new(),
        None => " and a sync of it".into(),
    }
}

/// The window around the state that stands for a group.
fn window(group: &Group, trial: &mut dyn Trial, budget: &Budget) -> Result<Option<Window>> {
    let spot = &group.spot;
    let ground = &spot.ground;
    let events = &ground.trace.events;
    let point = spot.state.point;
    let mut builder = Builder::new(&ground.model);
    let mut fails = |at: u32| -> Result<bool> {
        let state = CrashState::kill(EventNo(at));
        let found = trial::of_state(trial, &mut builder, spot, state, group.kind)?;
        Ok(shows(&found, group))
    };
    if !fails(point.0)? {
        return Ok(None);
    }
    let matters = |at: &u32| matters(ground, events.get(*at as usize), EventNo(*at));
    let before: Vec<u32> = (ground.offset..point.0).rev().filter(matters).collect();
    let after: Vec<u32> = (point.0..ground.model.last_point().0).filter(matters).collect();
    // Before an event the store is as the event before it left it.
    let Some(opens) = first_that_holds(before.len(), budget, |at| fails(before[at]))? else {
        return Ok(None);
    };
    let closes = first_that_holds(after.len(), budget, |at| fails(after[at] + 1))?;
    Ok(Some(Window {
        opens: EventNo(before[opens]),
        closes: closes.map(|at| EventNo(after[at])),
        point,
    }))
}

/// The first of so many crash points, one by one at first, then at ever longer steps, that holds where the one
/// before it fails; nothing where every one that was tried fails.
fn first_that_holds(
    count: usize,
    budget: &Budget,
    mut fails: impl FnMut(usize) -> Result<bool>,
) -> Result<Option<usize>> {
    let (mut failing, mut step, mut at) = (None, 1, 0);
    let holds = loop {
        if at >= count || budget.must_confirm() {
            match failing {
                Some(last) if last + 1 < count && !budget.must_confirm() => at = count - 1,
                _ => return Ok(None),
            }
        }
        if !fails(at)? {
            break at;
        }
        failing = Some(at);
        if at + 1 >= NEAR {
            step *= 2;
        }
        at += step;
    };
    let (mut low, mut high) = (failing, holds);
    while let Some(fails_at) = low.filter(|low| low + 1 < high) {
        let middle = fails_at.midpoint(high);
        match fails(middle)? {
            true => low = Some(middle),
            false => high = middle,
        }
    }
    Ok(Some(high))
}

/// True if an event makes a difference to what a crash leaves, or to what had been promised.
fn matters(ground: &Ground, event: Option<&Event>, at: EventNo) -> bool {
    let answers = event.is_some_and(Event::is_answer);
    let known = !ground.model.is_amid_stores(at) && !ground.model.is_amid_stores(EventNo(at.0 + 1));
    known && (answers || ground.model.changes_files(at))
}

/// True if the same is wrong, of the same operation where one is named; before the store was ever opened it is
/// but a note.
fn shows(found: &[Violation], group: &Group) -> bool {
    let first = group.violation.operations.first();
    let names = |of: &[OpNo]| first.is_none_or(|first| of.contains(first) || of.is_empty());
    let kind = |kind: Kind| if kind == Kind::RefusedUnborn { Kind::Refused } else { kind };
    let same = |found: &Violation| kind(found.kind) == kind(group.kind) && names(&found.operations);
    found.iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_point_that_holds_is_found_and_a_far_one_by_halves() {
        let holds_from = |edge: usize, count: usize| {
            let mut tried = 0;
            let found = first_that_holds(count, &Budget::unlimited(), |at| {
                tried += 1;
                Ok(at < edge)
            });
            (found.unwrap(), tried)
        };
        for edge in [0, 1, 7, NEAR, NEAR + 1, 100, 999] {
            let (found, tried) = holds_from(edge, 1000);
            assert_eq!(found, Some(edge));
            assert!(tried <= NEAR + 24, "{edge}: {tried}");
        }
        assert_eq!(holds_from(1000, 1000).0, None);
        assert_eq!(holds_from(5, 5).0, None);
        assert_eq!(holds_from(0, 0).0, None);
    }
}
