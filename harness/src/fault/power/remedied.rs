//! A remedy tried: the recording with the calls that it adds is explored again, and what a power cut leaves
//! of that is recovered and judged. A sync takes time: until an added one returns, what it syncs is pending as
//! before, and the power may be cut there too. A remedy holds if no state of it fails in the same way for what
//! the remedy was to cure.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ground::{Ground, Spot};
use super::group::Member;
use super::trial::Trial;
use crate::base::{Result, Rng};
use crate::diagnose::{self, Added, Lost, Remedy, Sites, lost_effects, number, with_syncs};
use crate::explore::Explorer;
use crate::fault::Budget;
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Violation};
use crate::persistence::{CrashState, Device, EffectNo, Loss, Model, Profile, ProfileSet, View};
use crate::trace::{EventKind, EventNo, FileId};

/// The most failing states that are looked at again with the remedy.
const MEMBERS: usize = 40;
/// So many of them before anything else.
const FIRST: usize = 12;
/// Where the time is over after so many states, the remedy counts as tried on these.
const ENOUGH: u64 = 24;
/// Between so many calls and their added syncs the power is cut.
const GAPS: usize = 24;
/// States of each of these places.
const GAP_STATES: usize = 6;
/// How many states of the whole recording are visited besides.
const STATES: usize = 120;
/// They are looked for among so many.
const LOOKED: usize = 20_000;
/// How many recoveries the remedies of one group may take together.
pub const RECOVERIES: u64 = 600;

/// What is to be gone.
#[derive(Clone)]
pub struct Sought<'a> {
    /// The kind of violation.
    pub kind: Kind,
    /// Notes of it do not count.
    pub alarm: bool,
    /// What has to be lost.
    pub lost: &'a Lost,
    /// What explains other groups of the same kind: a state that lost that fails for their reason.
    pub others: Vec<&'a Lost>,
    /// The mildest profile under which it shows.
    pub profile: Profile,
    /// The failing states.
    pub members: &'a [Member],
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many states were judged, and none failed in the same way.
    Held(u64),
    /// One did.
    Fails,
    /// There was no time to find out.
    Untried,
}

/// Tries remedies on one recording.
pub struct Remedied<'a> {
    ground: &'a Rc<Ground>,
    trial: &'a mut dyn Trial,
    device: Device,
    budget: &'a Budget,
    left: u64,
}

impl<'a> Remedied<'a> {
    /// Of this recording; recoveries are counted for all remedies of one group.
    pub fn new(
        ground: &'a Rc<Ground>,
        trial: &'a mut dyn Trial,
        device: Device,
        budget: &'a Budget,
    ) -> Self {
        Self { ground, trial, device, budget, left: RECOVERIES }
    }

    /// The first remedy that holds, with what was tried of it. A later answer goes by what the diagnosis
    /// found, and so does advice that follows from every sync having failed.
    pub fn first(&mut self, remedies: &[Remedy], sought: &Sought<'_>) -> Result<Option<Remedy>> {
        for remedy in remedies {
            if remedy.syncs.is_empty() && remedy.whole.is_none() {
                return Ok(Some(remedy.clone()));
            }
            match self.outcome(remedy, sought)? {
                Outcome::Held(states) => {
                    let explored = match remedy.whole {
                        Some(whole) if whole.appended => {
                            format!("; where none of it arrives, none of {states} states fails so")
                        }
                        Some(_) => format!(
                            "; with the old contents kept, none of {states} states fails so"
                        ),
                        None => {
                            format!("; explored again with it, none of {states} states fails so")
                        }
                    };
                    return Ok(Some(Remedy { gone: explored, ..remedy.clone() }));
                }
                Outcome::Fails => {}
                // What is not known to cure is not offered.
                Outcome::Untried => return Ok(None),
            }
        }
        Ok(None)
    }

    /// True if a remedy that was found for another group holds for this one too.
    pub fn holds(&mut self, remedy: &Remedy, sought: &Sought<'_>) -> Result<bool> {
        Ok(matches!(self.outcome(remedy, sought)?, Outcome::Held(_)))
    }

    fn outcome(&mut self, remedy: &Remedy, sought: &Sought<'_>) -> Result<Outcome> {
        match remedy.whole {
            Some(whole) => self.switch(whole.file, sought),
            None if remedy.syncs.is_empty() => Ok(Outcome::Untried),
            // Where nothing has to be lost, no sync helps.
            None if sought.lost.is_empty() => Ok(Outcome::Fails),
            None => self.explore(&remedy.syncs, sought),
        }
    }

    /// Has the failing states keep the contents that a file had when the request under way was asked: that is
    /// there until the new ones are durable. A request that changed other files too is not looked at.
    fn switch(&mut self, file: FileId, sought: &Sought<'_>) -> Result<Outcome> {
        let ground = Rc::clone(self.ground);
        let step = sought.members.len().div_ceil(MEMBERS).max(1);
        let members = sought.members.iter().step_by(step);
        let before = |member: &Member| before_request(&ground, file, member, sought.profile);
        let states: Option<Vec<(EventNo, CrashState)>> = members.map(before).collect();
        let Some(states) = states.filter(|states| !states.is_empty()) else {
            return Ok(Outcome::Fails);
        };
        let mut builder = Builder::new(&ground.model);
        let mut judged = 0;
        for (point, state) in states {
            if self.left == 0 || self.budget.must_confirm() {
                return Ok(Outcome::Untried);
            }
            let image = builder.image(&state);
            // What recovers is older; what had been promised is not.
            let moment = CrashState { point, crash: state.crash };
            judged += 1;
            if self.fails(&image, Spot { ground: Rc::clone(&ground), state: moment }, sought)? {
                return Ok(Outcome::Fails);
            }
        }
        Ok(Outcome::Held(judged))
    }

    /// True if what recovers from an image is wrong in the way that is sought.
    fn fails(&mut self, image: &Image, spot: Spot, sought: &Sought<'_>) -> Result<bool> {
        let before = self.trial.recoveries();
        let found = self.trial.violations(image, &spot, false)?;
        self.left = self.left.saturating_sub(self.trial.recoveries() - before);
        let same = |found: &Violation| found.kind == sought.kind && !(sought.alarm && found.note);
        Ok(found.iter().any(same))
    }

    /// Explores the recording with these syncs: some of the failing states, the gaps before the syncs return,
    /// the others, and states of the whole recording.
    fn explore(&mut self, syncs: &[Added], sought: &Sought<'_>) -> Result<Outcome> {
        let overlay = with_syncs(&self.ground.overlay, syncs);
        let model = Model::with(&self.ground.trace, &overlay, self.device);
        let mut judged = 0;
        let mut members = members(sought, &self.ground.model, &model);
        let rest = members.split_off(members.len().min(FIRST));
        match self.all(&model, || members, sought, &mut judged)? {
            Outcome::Held(_) => {}
            other => return Ok(other),
        }
        let gaps = gaps(syncs, sought, &self.ground.model);
        for added in gaps {
            let rest: Vec<Added> = syncs.iter().copied().filter(|other| *other != added).collect();
            let overlay = with_syncs(&self.ground.overlay, &rest);
            let model = Model::with(&self.ground.trace, &overlay, self.device);
            let states = || {
                let mut states = gap_states(&model, added.0, sought.profile);
                states.extend(cut_in_gap(sought, &self.ground.model, &model, added.0));
                states
            };
            match self.all(&model, states, sought, &mut judged)? {
                Outcome::Held(_) => {}
                other => return Ok(other),
            }
        }
        let profiles: ProfileSet = [sought.profile].into_iter().collect();
        let states = || {
            let sorts = diagnose::sorts(&self.ground.trace, &model);
            let rng = Rng::new(0);
            let mut explorer =
                Explorer::new(&self.ground.trace, &model, profiles, &rng).by_groups(sorts);
            // Random states never end.
            let explorer =
                std::iter::from_fn(
                    move || {
                        if explorer.is_endless() { None } else { explorer.next() }
                    },
                );
            let offset = self.ground.offset;
            let visits =
                explorer.take(LOOKED).filter(|visit| !visit.kill && visit.state.point.0 > offset);
            rest.into_iter().chain(visits.map(|visit| visit.state).take(STATES)).collect()
        };
        self.all(&model, states, sought, &mut judged)
    }

    /// Judges states of one model, as many as there is time for.
    fn all(
        &mut self,
        model: &Model,
        states: impl FnOnce() -> Vec<CrashState>,
        sought: &Sought<'_>,
        judged_so_far: &mut u64,
    ) -> Result<Outcome> {
        let ground = self.ground;
        let sites = Sites::knowing(&ground.trace, model, &ground.patterns);
        let mut builder = Builder::new(model);
        for state in states() {
            if self.left == 0 || self.budget.must_confirm() {
                return Ok(match *judged_so_far {
                    some if some >= ENOUGH => Outcome::Held(some),
                    _ => Outcome::Untried,
                });
            }
            // Only what is lost of it can make a difference, and what other findings lose is theirs.
            let lost: BTreeSet<_> =
                lost_effects(&state).into_iter().filter_map(|effect| sites.of(effect)).collect();
            let of = |all: &Lost| !all.is_empty() && all.iter().all(|site| lost.contains(site));
            if sought.others.iter().any(|other| of(other)) && !of(sought.lost) {
                continue;
            }
            let image = builder.image(&state);
            *judged_so_far += 1;
            let spot = |state| Spot { ground: Rc::clone(ground), state };
            if !self.fails(&image, spot(state.clone()), sought)? {
                continue;
            }
            // Where it fails without the guilty loss too, something else is to blame.
            let guilty = |effect: u32| {
                sites.of(EffectNo(effect)).is_some_and(|site| sought.lost.contains(site))
            };
            let Some(less) = without(model, &state, &guilty, sought.profile) else { continue };
            let image = builder.image(&less);
            if !self.fails(&image, spot(less), sought)? {
                return Ok(Outcome::Fails);
            }
        }
        Ok(Outcome::Held(*judged_so_far))
    }
}

/// The failing states as far as they can still be: without what is durable now.
fn members(sought: &Sought<'_>, from: &Model, to: &Model) -> Vec<CrashState> {
    let step = sought.members.len().div_ceil(MEMBERS).max(1);
    let members = sought.members.iter().step_by(step);
    distinct(members.filter_map(|member| {
        let profile = member.mildest.unwrap_or(sought.profile);
        still(&member.spot.state, from, to, member.spot.state.point, profile)
    }))
}

/// What a failing state leaves of a file as it was when the latest request was asked, and the moment at which
/// it failed; nothing where the request changed another file, or no profile has that.
fn before_request(
    ground: &Ground,
    file: FileId,
    member: &Member,
    mildest: Profile,
) -> Option<(EventNo, CrashState)> {
    let (model, state) = (&ground.model, &member.spot.state);
    let asked = |event: u32| {
        let event = ground.trace.events.get(event as usize);
        event.is_some_and(|event| matches!(event.kind, EventKind::Request { .. }))
    };
    let asked = EventNo((0..state.point.0).rev().find(|event| asked(*event))?);
    if let Some(kept) = all_pending(model, file, state, asked, member.mildest.unwrap_or(mildest)) {
        return Some((state.point, kept));
    }
    let mut since = model.effects_before(asked)..model.effects_before(state.point);
    let of_it =
        |effect: u32| model.effect(EffectNo(effect)).is_some_and(|found| found.kind.file() == file);
    if !since.all(of_it) {
        return None;
    }
    let profile = member.mildest.unwrap_or(mildest);
    let left = match state.loss() {
        None => CrashState::kill(asked),
        Some(_) => still(state, model, model, asked, profile)?,
    };
    Some((state.point, left))
}

/// A state that lost, besides, all that a request did to a file; nothing where some of that is durable.
fn all_pending(
    model: &Model,
    file: FileId,
    state: &CrashState,
    asked: EventNo,
    profile: Profile,
) -> Option<CrashState> {
    let view = View::at(model, state.point);
    let of_it = |effect: &u32| {
        let found = model.effect(EffectNo(*effect)).map(|found| &found.kind);
        found.is_some_and(|kind| kind.file() == file && !kind.is_name())
    };
    let since = model.effects_before(asked)..model.effects_before(state.point);
    let own: Vec<u32> = since.filter(of_it).collect();
    if own.is_empty() || !own.iter().all(|effect| view.is_pending(*effect, profile)) {
        return None;
    }
    let loss = state.loss()?;
    let lost = loss.lost().map(|effect| effect.0).chain(own);
    let closed = view.closed_loss(profile, lost);
    let forms = loss.forms().iter().copied().filter(|(effect, _)| !of_it(effect)).collect();
    let kept = CrashState::power(state.point, Loss::new(&closed, forms));
    view.check(&kept, profile).is_ok().then_some(kept)
}

/// What failing states lost, the power cut right after a call, while it is being synced.
fn cut_in_gap(sought: &Sought<'_>, from: &Model, to: &Model, after: EventNo) -> Vec<CrashState> {
    let point = EventNo(after.0 + 1);
    let lost = |member: &&Member| {
        lost_effects(&member.spot.state)
            .iter()
            .any(|effect| from.effect(*effect).is_some_and(|found| found.event <= after))
    };
    // The nearest of them.
    let mut members: Vec<&Member> = sought.members.iter().filter(lost).collect();
    members.sort_by_key(|member| member.spot.state.point.0.abs_diff(point.0));
    let states = distinct(members.into_iter().take(MEMBERS).filter_map(|member| {
        let profile = member.mildest.unwrap_or(sought.profile);
        still(&member.spot.state, from, to, point, profile)
    }));
    states.into_iter().take(GAP_STATES).collect()
}

/// What a state lost as far as that is pending at `point` of another model of the same recording.
fn still(
    state: &CrashState,
    from: &Model,
    to: &Model,
    point: EventNo,
    profile: Profile,
) -> Option<CrashState> {
    let loss = state.loss()?;
    let view = View::at(to, point);
    let there = |effect: u32| {
        let same = number(from, to, EffectNo(effect))?.0;
        (same < to.effects_before(point) && view.is_pending(same, profile)).then_some(same)
    };
    let lost = loss.lost().filter_map(|effect| there(effect.0));
    let closed = view.closed_loss(profile, lost);
    let forms: Vec<_> = loss
        .forms()
        .iter()
        .filter_map(|(effect, form)| Some((there(*effect)?, *form)))
        .filter(|(effect, _)| !closed.contains(effect))
        .collect();
    let left = CrashState::power(point, Loss::new(&closed, forms));
    view.check(&left, profile).is_ok().then_some(left)
}

/// The state with what is guilty in it returned; nothing where it lost nothing of that, or no profile has the rest.
fn without(
    model: &Model,
    state: &CrashState,
    guilty: &dyn Fn(u32) -> bool,
    profile: Profile,
) -> Option<CrashState> {
    let loss = state.loss()?;
    let view = View::at(model, state.point);
    let lost = loss.lost().map(|effect| effect.0).filter(|effect| !guilty(*effect));
    let closed = view.closed_loss(profile, lost);
    let forms = loss.forms().iter().copied().filter(|(effect, _)| !guilty(*effect)).collect();
    let less = CrashState::power(state.point, Loss::new(&closed, forms));
    (less != *state).then_some(less)
}

fn distinct(states: impl Iterator<Item = CrashState>) -> Vec<CrashState> {
    let mut seen = BTreeSet::new();
    states.filter(|state| seen.insert(state.clone())).collect()
}

/// The added syncs before which the power is cut: those after what the failing states lost, then others from
/// all over the recording.
fn gaps(syncs: &[Added], sought: &Sought<'_>, model: &Model) -> Vec<Added> {
    let mut lost: BTreeSet<EventNo> = BTreeSet::new();
    for member in sought.members.iter().take(MEMBERS) {
        let effects = lost_effects(&member.spot.state);
        lost.extend(effects.iter().filter_map(|effect| Some(model.effect(*effect)?.event)));
    }
    let (own, other): (Vec<Added>, Vec<Added>) =
        syncs.iter().copied().partition(|(after, _)| lost.contains(after));
    let spread = |all: Vec<Added>, most: usize| {
        let step = all.len().div_ceil(most).max(1);
        all.into_iter().step_by(step).collect::<Vec<_>>()
    };
    let mut gaps = spread(own, GAPS / 2);
    let rest = GAPS - gaps.len();
    gaps.extend(spread(other, rest));
    gaps
}

/// What a power cut leaves right after a call: each of its effects is lost or arrives in part, and all that
/// is pending is lost.
fn gap_states(model: &Model, after: EventNo, profile: Profile) -> Vec<CrashState> {
    let point = EventNo(after.0 + 1);
    let view = View::at(model, point);
    let mut states = vec![CrashState::power(point, view.losing_all(profile))];
    let mut rng = Rng::new(u64::from(after.0));
    let pending: Vec<u32> =
        model.effects_of(after).filter(|effect| view.is_pending(*effect, profile)).collect();
    if let (Some(first), Some(last)) = (pending.first(), pending.last()) {
        states.push(CrashState::power(point, view.losing(profile, pending.iter().copied())));
        states.push(CrashState::power(point, view.losing(profile, [*first])));
        for form in crate::explore::forms(&model.effects()[*last as usize].kind, &mut rng) {
            let closed = view.closed_loss(profile, [*last]);
            states.push(CrashState::power(point, Loss::new(&closed, vec![(*last, form)])));
        }
    }
    let mut seen = BTreeSet::new();
    states.retain(|state| view.check(state, profile).is_ok() && seen.insert(state.clone()));
    states.truncate(GAP_STATES);
    states
}
