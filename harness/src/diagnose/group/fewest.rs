//! What of a failing state's loss explains its failure: the fewest sites, as far as the caller can try
//! states that lost less.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cause::Lost;
use super::super::site::Site;
use super::{Failing, Found, Scene, Seen};
use crate::persistence::{CrashState, EffectNo, Loss, View};
use crate::trace::EventNo;

/// How many tries of the caller's one state may cost.
const PROBES: usize = 12;

/// True if what a group lost makes this state fail under its own, milder profile too: a grade must not
/// come from a state that fails for another reason.
pub(super) fn alike(
    scene: &Scene<'_>,
    one: &Failing<'_>,
    seen: &Seen<'_>,
    group: &Found,
    probe: &mut impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
) -> bool {
    if group.lost.len() == seen.sites.len() {
        return true;
    }
    let lost = group.lost.iter().filter_map(|site| seen.sites.get(site)).flatten();
    let effects: Vec<EffectNo> = lost.copied().collect();
    let state = only(&View::at(scene.model, one.state.point), one, &effects);
    scene.model.is_legal(&state, one.profile) && probe(one, &state).unwrap_or(true)
}

/// The fewest sites of a state that explain its failure.
pub(super) fn fewest(
    scene: &Scene<'_>,
    one: &Failing<'_>,
    seen: &Seen<'_>,
    passing: &BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>>,
    probe: &mut impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
) -> Lost {
    let mut all: Vec<&Site> = seen.sites.keys().copied().collect();

    if all.len() < 2 {
        return all.into_iter().cloned().collect();
    }
    let empty = Vec::new();
    let passing = passing.get(&one.state.point).unwrap_or(&empty);
    let held = |effects: &[EffectNo]| {
        passing.iter().any(|lost| effects.iter().all(|effect| lost.contains(effect)))
    };
    let view = View::at(scene.model, one.state.point);
    // What takes nothing else along with it first: of an append that is lost wherever the name before it is,
    // the append is to blame and not the name.
    let along = |site: &&Site| {
        let effects = &seen.sites[*site];
        let state = only(&view, one, effects);
        let lost = state.loss().map_or(0, |loss| loss.count() + loss.forms().len() as u64);
        lost.saturating_sub(effects.len() as u64)
    };
    all.sort_by_cached_key(along);
    let singles = all.iter().map(|site| vec![*site]);
    let pairs = (0..all.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let pairs = pairs.map(|(a, b)| vec![all[b], all[a]]);
    let candidates = singles.chain(pairs).filter(|candidate| candidate.len() < all.len());
    let mut probes = 0;
    let mut likely: Option<Lost> = None;
    for candidate in candidates {
        let effects: Vec<EffectNo> =
            candidate.iter().flat_map(|site| seen.sites[*site].iter().copied()).collect();
        if held(&effects) {
            continue;
        }
        let lost = || candidate.iter().map(|site| (*site).clone()).collect::<Lost>();
        let state = only(&view, one, &effects);
        if state == *one.state {
            // Nothing less can be lost where this is.
            return lost();
        }
        let possible = probes < PROBES && scene.model.is_legal(&state, one.profile);
        probes += usize::from(possible);
        match possible.then(|| probe(one, &state)).flatten() {
            Some(true) => return lost(),
            Some(false) => {}
            // Not tried, and nothing speaks against it.
            None if likely.is_none() && candidate.len() == 1 => likely = Some(lost()),
            None => {}
        }
    }
    likely.unwrap_or_else(|| all.into_iter().cloned().collect())
}

/// The state that lost only these effects, as far as it lost them, and what is lost with them.
fn only(view: &View<'_>, one: &Failing<'_>, effects: &[EffectNo]) -> CrashState {
    let state = one.state;
    let Some(loss) = state.loss() else { return state.clone() };
    let with = view.closed_loss(one.profile, effects.iter().map(|effect| effect.0));
    let meant = |effect: u32| with.contains(&effect) || effects.contains(&EffectNo(effect));
    let lost: Vec<u32> =
        loss.lost().map(|effect| effect.0).filter(|effect| meant(*effect)).collect();
    let forms = loss.forms().iter().filter(|(effect, _)| meant(*effect));
    CrashState::power(state.point, Loss::new(&lost, forms.copied().collect()))
}
