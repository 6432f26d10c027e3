//! A remedy tried: the recording with the calls that it adds is explored again, and what a power cut leaves
//! of that is recovered and judged. A sync takes time: until an added one returns, what it syncs is pending as
//! before, and the power may be cut there too. A remedy holds if no state of it fails in the same way for what
//! the remedy was to cure.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ground::{Ground, Spot};
use super::group::Member;
use super::prove::Prover;
use super::shrink::judged;
use crate::base::{Result, Rng};
use crate::diagnose::{self, Added, Lost, Remedy, Sites, lost_effects, number, with_syncs};
use crate::explore::Explorer;
use crate::fault::Budget;
use crate::image::Builder;
use crate::oracle::Kind;
use crate::persistence::{CrashState, Device, EffectNo, Loss, Model, Profile, ProfileSet, View};
use crate::trace::EventNo;

/// The most failing states that are looked at again with the remedy.
const MEMBERS: usize = 40;
/// Between so many calls and their added syncs the power is cut.
const GAPS: usize = 24;
/// States of each of these places.
const GAP_STATES: usize = 6;
/// How many states of the whole recording are visited besides.
const STATES: usize = 120;
/// How many recoveries the remedies of one group may take together.
pub const RECOVERIES: u64 = 600;

/// What is to be gone.
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
    prover: &'a mut Prover,
    device: Device,
    budget: &'a Budget,
    left: u64,
}

impl<'a> Remedied<'a> {
    /// Of this recording; recoveries are counted for all remedies of one group.
    pub fn new(
        ground: &'a Rc<Ground>,
        prover: &'a mut Prover,
        device: Device,
        budget: &'a Budget,
    ) -> Self {
        Self { ground, prover, device, budget, left: RECOVERIES }
    }

    /// The first remedy that holds, with what was tried of it. One that adds no sync goes by what the
    /// diagnosis found.
    pub fn first(&mut self, remedies: &[Remedy], sought: &Sought<'_>) -> Result<Option<Remedy>> {
        for remedy in remedies {
            if remedy.syncs.is_empty() {
                return Ok(Some(remedy.clone()));
            }
            match self.explore(&remedy.syncs, sought)? {
                Outcome::Held(states) => {
                    let explored =
                        format!("; explored again with it, none of {states} states fails so");
                    let gone = format!("{}{explored}", remedy.gone);
                    return Ok(Some(Remedy { gone, ..remedy.clone() }));
                }
                Outcome::Fails => {}
                // What is not known to cure is not offered.
                Outcome::Untried => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Explores the recording with these syncs.
    fn explore(&mut self, syncs: &[Added], sought: &Sought<'_>) -> Result<Outcome> {
        let overlay = with_syncs(&self.ground.overlay, syncs);
        let model = Model::with(&self.ground.trace, &overlay, self.device);
        let whole = Cured { model: &model, builder: Builder::new(&model) };
        let mut judged = 0;
        match self.all(
            whole,
            || members(sought, &self.ground.model, &model),
            sought,
            &mut judged,
        )? {
            Outcome::Held(_) => {}
            other => return Ok(other),
        }
        let gaps = gaps(syncs, sought, &self.ground.model);
        for added in gaps {
            let rest: Vec<Added> = syncs.iter().copied().filter(|other| *other != added).collect();
            let overlay = with_syncs(&self.ground.overlay, &rest);
            let model = Model::with(&self.ground.trace, &overlay, self.device);
            let cured = Cured { model: &model, builder: Builder::new(&model) };
            let states = || gap_states(&model, added.0, sought.profile);
            match self.all(cured, states, sought, &mut judged)? {
                Outcome::Held(_) => {}
                other => return Ok(other),
            }
        }
        let profiles: ProfileSet = [sought.profile].into_iter().collect();
        let states = || {
            let sorts = diagnose::sorts(&self.ground.trace, &model);
            let rng = Rng::new(0);
            let explorer =
                Explorer::new(&self.ground.trace, &model, profiles, &rng).by_groups(sorts);
            let offset = self.ground.offset;
            let visits = explorer.filter(|visit| !visit.kill && visit.state.point.0 > offset);
            visits.map(|visit| visit.state).take(STATES).collect()
        };
        let cured = Cured { model: &model, builder: Builder::new(&model) };
        self.all(cured, states, sought, &mut judged)
    }

    /// Judges states of one model.
    fn all(
        &mut self,
        mut cured: Cured<'_>,
        states: impl FnOnce() -> Vec<CrashState>,
        sought: &Sought<'_>,
        judged_so_far: &mut u64,
    ) -> Result<Outcome> {
        let ground = self.ground;
        let sites = Sites::knowing(&ground.trace, cured.model, &ground.patterns);
        for state in states() {
            if self.left == 0 || self.budget.must_confirm() {
                return Ok(Outcome::Untried);
            }
            // Only what is lost of it can make a difference, and what other findings lose is theirs.
            let lost: BTreeSet<_> =
                lost_effects(&state).into_iter().filter_map(|effect| sites.of(effect)).collect();
            let of = |all: &Lost| !all.is_empty() && all.iter().all(|site| lost.contains(site));
            if sought.others.iter().any(|other| of(other)) && !of(sought.lost) {
                continue;
            }
            let image = cured.builder.image(&state);
            let spot = Spot { ground: Rc::clone(ground), state };
            let before = self.prover.recoveries;
            let (verdict, _) = judged(self.prover, &image, &spot, false)?;
            self.left = self.left.saturating_sub(self.prover.recoveries - before);
            *judged_so_far += 1;
            let same = verdict
                .violations
                .iter()
                .any(|found| found.kind == sought.kind && !(sought.alarm && found.note));
            if same {
                return Ok(Outcome::Fails);
            }
        }
        Ok(Outcome::Held(*judged_so_far))
    }
}

/// The recording with syncs that were added.
struct Cured<'m> {
    model: &'m Model,
    builder: Builder<'m>,
}

/// The failing states as far as they can still be: without what is durable now.
fn members(sought: &Sought<'_>, from: &Model, to: &Model) -> Vec<CrashState> {
    let step = sought.members.len().div_ceil(MEMBERS).max(1);
    let state = |member: &Member| {
        let state = &member.spot.state;
        let loss = state.loss()?;
        let profile = member.mildest.unwrap_or(sought.profile);
        let view = View::at(to, state.point);
        let there = |effect: u32| {
            let same = number(from, to, EffectNo(effect))?.0;
            view.is_pending(same, profile).then_some(same)
        };
        let lost = loss.lost().filter_map(|effect| there(effect.0));
        let closed = view.closed_loss(profile, lost);
        let forms: Vec<_> = loss
            .forms()
            .iter()
            .filter_map(|(effect, form)| Some((there(*effect)?, *form)))
            .filter(|(effect, _)| !closed.contains(effect))
            .collect();
        let left = CrashState::power(state.point, Loss::new(&closed, forms));
        view.check(&left, profile).is_ok().then_some(left)
    };
    let mut seen = BTreeSet::new();
    let states = sought.members.iter().step_by(step).filter_map(state);
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
