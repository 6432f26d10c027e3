//! Failing states with the same kind and the same cause are one finding.
//!
//! Where a state fails alike with nothing lost, what it lost is no cause: the moment is. Otherwise a
//! cause is a set of sites ([`Site`]) whose loss suffices. The states that lost least are looked at
//! first: what a single loss explains needs no more. A state that lost what an earlier group's states
//! lost, among other things, belongs to that group; but where it is legal under a milder profile than
//! any of them, only if what the group lost suffices there too. Of any other state the fewest sites are
//! sought that explain it: a part of the loss that passes at the same crash point is no cause, and
//! where the caller can try (`probe`), what fails by itself is one.

use std::collections::{BTreeMap, BTreeSet};

mod bare;
mod fewest;
mod tell;

use bare::Bare;
use fewest::{alike, fewest};
pub use tell::explain;
use tell::tell;

use super::cause::{Cause, Lost};
use super::patterns::NamePatterns;
use super::remedy;
use super::site::{During, Site, Sites};
use crate::driver::PowerPromise;
use crate::oracle::Kind;
use crate::persistence::{CrashState, Device, EffectNo, Model, Overlay, Profile};
use crate::trace::{EventNo, Trace};
use crate::workload::OpNo;

/// One recording and the model by which its states were judged.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The recording.
    pub trace: &'a Trace,
    /// The model of it.
    pub model: &'a Model,
    /// The overlay under which the model was made.
    pub overlay: &'a Overlay,
    /// The device for which it was made.
    pub device: Device,
    /// What makes a write durable by promise.
    pub durable: PowerPromise,
    /// The patterns of its files' names.
    pub patterns: &'a NamePatterns,
    /// Where the recovery after a kill begins, if the recording is one of that.
    pub recovery: Option<EventNo>,
}

/// One failing state.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'a> {
    /// The state.
    pub state: &'a CrashState,
    /// A profile under which it is legal: the mildest.
    pub profile: Profile,
    /// What was violated.
    pub kind: Kind,
    /// The operations that the violation names.
    pub operations: &'a [OpNo],
}

/// Failing states with one kind and one cause.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is violated.
    pub kind: Kind,
    /// The failing states, by their index; the one that stands for all first.
    pub members: Vec<usize>,
    /// Why.
    pub cause: Cause,
}

/// Groups failing states. `passing` are states that were judged and held; `probe` says of a state that
/// lost less than a failing one whether it fails alike, or nothing where it cannot be tried.
pub fn group(
    scene: &Scene<'_>,
    failing: &[Failing<'_>],
    passing: &[&CrashState],
    mut probe: impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
) -> Vec<Group> {
    let sites = Sites::knowing(scene.trace, scene.model, scene.patterns);
    let seen: Vec<Seen<'_>> = failing.iter().map(|one| Seen::new(&sites, one)).collect();
    let passing = by_point(passing);
    let mut order: Vec<usize> = (0..failing.len()).collect();
    order.sort_by_key(|&at| {
        let (one, seen) = (&failing[at], &seen[at]);
        (seen.sites.len(), seen.parts.len(), one.profile, seen.effects.len(), one.state.point, at)
    });
    let mut bare = Bare::new(failing, &passing);
    let mut found: Vec<Found> = Vec::new();
    for at in order {
        let (one, seen) = (&failing[at], &seen[at]);
        let mut lost = Lost::new();
        if !seen.effects.is_empty() && bare.fails(one) != Some(true) {
            let explained = found.iter().position(|group| {
                group.explains(one.kind, seen)
                    && (one.profile >= group.mildest || alike(scene, one, seen, group, &mut probe))
            });
            if let Some(group) = explained {
                found[group].take(at, one.profile);
                continue;
            }
            if bare.try_it(one, &mut probe) != Some(true) {
                lost = fewest(scene, one, seen, &passing, &mut probe);
            }
        }
        let moment = lost.is_empty().then_some(seen.during);
        let known = found
            .iter_mut()
            .find(|group| (group.kind, group.moment, &group.lost) == (one.kind, moment, &lost));
        match known {
            Some(group) => group.take(at, one.profile),
            None => found.push(Found {
                kind: one.kind,
                moment,
                torn: !lost.is_empty() && seen.whole(&lost, one.state).is_empty(),
                lost,
                mildest: one.profile,
                members: vec![at],
            }),
        }
    }
    let tell = |found: Found| tell(scene, &sites, failing, found);
    let mut groups: Vec<Group> = found.into_iter().map(tell).collect();
    groups.sort_by(|a, b| (a.kind, &a.cause.sentence).cmp(&(b.kind, &b.cause.sentence)));
    groups
}

/// What is seen of one failing state.
struct Seen<'s> {
    sites: BTreeMap<&'s Site, Vec<EffectNo>>,
    effects: Vec<EffectNo>,
    /// The sites of which something survived in part.
    parts: BTreeSet<&'s Site>,
    /// What had been asked for when it was stopped.
    during: During,
}

impl<'s> Seen<'s> {
    fn new(sites: &'s Sites<'_>, one: &Failing<'_>) -> Seen<'s> {
        let effects = remedy::lost_effects(one.state);
        let mut by_site: BTreeMap<&Site, Vec<EffectNo>> = BTreeMap::new();
        for effect in &effects {
            if let Some(site) = sites.of(*effect) {
                by_site.entry(site).or_default().push(*effect);
            }
        }
        let forms = one.state.loss().map_or(&[][..], |loss| loss.forms());
        let parts = forms.iter().filter_map(|(effect, _)| sites.of(EffectNo(*effect))).collect();
        let during = sites.during(EventNo(one.state.point.0.saturating_sub(1)));
        Seen { sites: by_site, parts, effects, during }
    }
}

impl Seen<'_> {
    /// The effects of these sites that were lost in whole.
    fn whole(&self, lost: &Lost, state: &CrashState) -> Vec<EffectNo> {
        let effects = lost.iter().filter_map(|site| self.sites.get(site)).flatten().copied();
        let whole = |effect: &EffectNo| state.loss().is_some_and(|loss| loss.is_lost(effect.0));
        effects.filter(whole).collect()
    }
}

struct Found {
    kind: Kind,
    lost: Lost,
    torn: bool,
    /// Where nothing that was lost is the cause: what had been asked for.
    moment: Option<During>,
    /// The mildest profile of its members.
    mildest: Profile,
    /// The first stands for all, so it is one of the mildest.
    members: Vec<usize>,
}

impl Found {
    fn take(&mut self, member: usize, profile: Profile) {
        if profile < self.mildest {
            self.mildest = profile;
            self.members.insert(0, member);
        } else {
            self.members.push(member);
        }
    }

    /// True if a state that lost this much fails for the reason of this group.
    fn explains(&self, kind: Kind, seen: &Seen<'_>) -> bool {
        // A page that may be lost may be torn too; that one may be torn explains no lost one.
        let torn = !self.torn || self.lost.iter().all(|site| seen.parts.contains(site));
        let lost = self.lost.iter().all(|site| seen.sites.contains_key(site));
        kind == self.kind && self.moment.is_none() && torn && lost
    }
}

/// The passing states of each crash point, as the sets of effects that they lost.
fn by_point(passing: &[&CrashState]) -> BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>> {
    let mut by_point: BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>> = BTreeMap::new();
    for state in passing.iter().filter(|state| !state.is_kill()) {
        let lost = remedy::lost_effects(state).into_iter().collect();
        by_point.entry(state.point).or_default().push(lost);
    }
    by_point
}

#[cfg(test)]
mod tests;
