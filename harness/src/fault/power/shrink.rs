//! A failing state made smaller, by its lost effects and its crash point: as few lost calls as still
//! fail, as early as it still fails. Every candidate is closed under a profile's order, so that it is
//! a legal state by itself.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ground::Spot;
use super::prove::Prover;
use super::trial::{self, Trial};
use crate::base::Result;
use crate::fault::{Budget, second};
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Verdict, Violation, judge_used};
use crate::persistence::{CrashState, EffectNo, Form, Loss, ProfileSet, View};
use crate::recover::Recovery;
use crate::shrink::{Tries, minimize_list};
use crate::trace::{Event, EventNo};

/// How many recoveries one shrinking may take.
const TRIES: u32 = 60;
/// How many earlier points are tried.
const EARLIER: usize = 24;
/// Effects within calls are looked at one by one up to so many.
const SINGLE: usize = 48;

/// Judges single states.
pub struct Trier<'p, 'g> {
    trial: &'p mut dyn Trial,
    builder: Builder<'g>,
    spot: &'g Spot,
    kind: Kind,
    /// Notes of the kind do not count: what is no alarm cannot stand for one.
    alarms: bool,
}

impl<'p, 'g> Trier<'p, 'g> {
    /// Tries states of the ground of `spot` for violations of `kind`.
    pub fn new(trial: &'p mut dyn Trial, spot: &'g Spot, kind: Kind) -> Self {
        Self { trial, builder: Builder::new(&spot.ground.model), spot, kind, alarms: false }
    }

    /// Tries for alarms alone, where `alarms` is set.
    pub fn alarms(mut self, alarms: bool) -> Self {
        self.alarms = alarms;
        self
    }

    /// What is found wrong with a state.
    pub fn violations(&mut self, state: &CrashState) -> Result<Vec<Violation>> {
        trial::of_state(self.trial, &mut self.builder, self.spot, state.clone(), self.kind)
    }

    /// True if a state shows the kind.
    pub fn fails(&mut self, state: &CrashState) -> Result<bool> {
        self.shows(state, self.kind)
    }

    /// True if a state shows this kind.
    pub fn shows(&mut self, state: &CrashState, kind: Kind) -> Result<bool> {
        self.kind = kind;
        let found = self.violations(state)?;
        let counts = |found: &Violation| found.kind == kind && !(self.alarms && found.note);
        Ok(found.iter().any(counts))
    }
}

/// Recovers and judges one image; with second openings and a put where they are asked for.
pub fn judged(
    prover: &mut Prover,
    image: &Image,
    spot: &Spot,
    besides: bool,
) -> Result<(Verdict, Recovery)> {
    let recovery = prover.recovery(image)?;
    let mut verdict = spot.ground.court.at(spot.moment(), spot.loss(), &recovery);
    if besides {
        verdict.merge(second_openings(prover, image, &recovery)?);
    }
    Ok((verdict, recovery))
}

/// What second openings, a put and ordinary use show of an image that opened; nothing is wrong with another one.
pub fn second_openings(prover: &mut Prover, image: &Image, recovery: &Recovery) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let Recovery::Opened(shown) = recovery else { return Ok(verdict) };
    let worker = prover.worker();
    let twice = [worker.stable(image)?, worker.reopened(image)?];
    let tried = worker.writable(image, &shown.contents)?;
    for found in twice.iter().filter_map(second::reopened).chain(second::written(&tried)) {
        verdict.merge(found);
    }
    verdict.merge(judge_used(&worker.used(image)?));
    Ok(verdict)
}

/// The smallest state that was found to fail in the same way, as an alarm where it is one, legal under
/// the mildest of `profiles`.
pub fn smallest(
    trial: &mut dyn Trial,
    spot: &Spot,
    profiles: ProfileSet,
    (kind, alarm): (Kind, bool),
    budget: &Budget,
) -> Result<CrashState> {
    let (Some(loss), Some(profile)) = (spot.state.loss(), profiles.mildest()) else {
        return Ok(spot.state.clone());
    };
    let ground = Rc::clone(&spot.ground);
    let model = &ground.model;
    let mut trier = Trier::new(trial, spot, kind).alarms(alarm);
    let mut trouble = None;
    let mut tries = Tries::new(TRIES);
    let view = View::at(model, spot.state.point);
    let mut by_event: BTreeMap<EventNo, Vec<(u32, Option<Form>)>> = BTreeMap::new();
    let whole = loss.lost().map(|effect| (effect.0, None));
    let parts = loss.forms().iter().map(|(effect, form)| (*effect, Some(*form)));
    for (effect, form) in whole.chain(parts) {
        if let Some(found) = model.effect(EffectNo(effect)) {
            by_event.entry(found.event).or_default().push((effect, form));
        }
    }
    let close = |items: &[(u32, Option<Form>)]| {
        let lost = items.iter().filter(|(_, form)| form.is_none()).map(|(effect, _)| *effect);
        let closed = view.closed_loss(profile, lost);
        let forms = items.iter().filter_map(|(effect, form)| Some((*effect, (*form)?)));
        CrashState::power(spot.state.point, Loss::new(&closed, forms.collect()))
    };
    let mut fails = |state: &CrashState| {
        if trouble.is_some() || budget.must_confirm() || view.check(state, profile).is_err() {
            return false;
        }
        match trier.fails(state) {
            Ok(fails) => fails,
            Err(error) => {
                trouble = Some(error);
                false
            }
        }
    };
    let events: Vec<Vec<(u32, Option<Form>)>> = by_event.into_values().collect();
    let kept = minimize_list(&events, &mut tries, |some| fails(&close(&some.concat())));
    let mut items = kept.concat();
    if items.len() <= SINGLE {
        items = minimize_list(&items, &mut tries, |some| fails(&close(some)));
    }
    let mut smallest = close(&items);
    if smallest != spot.state && !fails(&smallest) {
        smallest = spot.state.clone();
    }
    if let Some(error) = trouble {
        return Err(error);
    }
    earliest(&mut trier, smallest, profile, budget)
}

/// The same loss at the earliest point at which it fails: right after an answer, or a line.
fn earliest(
    trier: &mut Trier<'_, '_>,
    state: CrashState,
    profile: crate::persistence::Profile,
    budget: &Budget,
) -> Result<CrashState> {
    let ground = Rc::clone(&trier.spot.ground);
    let Some(loss) = state.loss() else { return Ok(state) };
    let effects = loss.lost().map(|effect| effect.0).chain(loss.forms().iter().map(|form| form.0));
    let Some(last) = effects.max().and_then(|effect| ground.model.effect(EffectNo(effect))) else {
        return Ok(state);
    };
    let points = (last.event.0 + 1..state.point.0).filter(|point| {
        *point > ground.offset
            && ground.trace.events.get(*point as usize - 1).is_some_and(Event::is_answer)
    });
    for point in points.take(EARLIER).collect::<Vec<_>>() {
        let earlier = CrashState { point: EventNo(point), crash: state.crash.clone() };
        if budget.must_confirm() {
            break;
        }
        if ground.model.is_legal(&earlier, profile) && trier.fails(&earlier)? {
            return Ok(earlier);
        }
    }
    Ok(state)
}
