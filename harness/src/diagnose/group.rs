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

use super::cause::{Cause, Lost, of_loss, of_moment};
use super::promise::promise;
use super::remedy;
use super::site::{During, Part, Site, Sites};
use crate::driver::Durable;
use crate::oracle::Kind;
use crate::persistence::{
    Crash, CrashState, Device, EffectKind, EffectNo, Loss, Model, Overlay, Profile,
};
use crate::trace::{EventNo, Trace};
use crate::workload::OpNo;

/// How many tries of the caller's one state may cost.
const PROBES: usize = 12;

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
    pub durable: Durable,
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
    let sites = Sites::new(scene.trace, scene.model);
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
    let tell = |found: Found| tell(scene, &sites, failing, &seen, found);
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
    members: Vec<usize>,
}

impl Found {
    fn take(&mut self, member: usize, profile: Profile) {
        self.members.push(member);
        self.mildest = self.mildest.min(profile);
    }

    /// True if a state that lost this much fails for the reason of this group.
    fn explains(&self, kind: Kind, seen: &Seen<'_>) -> bool {
        // A page that may be lost may be torn too; that one may be torn explains no lost one.
        let torn = !self.torn || self.lost.iter().all(|site| seen.parts.contains(site));
        let lost = self.lost.iter().all(|site| seen.sites.contains_key(site));
        kind == self.kind && self.moment.is_none() && torn && lost
    }
}

/// Whether states fail alike when nothing at all is lost, by kind and crash point.
struct Bare {
    known: BTreeMap<(Kind, EventNo), bool>,
    passing: BTreeSet<EventNo>,
}

impl Bare {
    fn new(failing: &[Failing<'_>], passing: &BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>>) -> Bare {
        let nothing =
            |one: &&Failing<'_>| !one.state.is_kill() && remedy::lost_effects(one.state).is_empty();
        let known = failing.iter().filter(nothing).map(|one| ((one.kind, one.state.point), true));
        let passing = passing.iter().filter(|(_, lost)| lost.iter().any(BTreeSet::is_empty));
        Bare { known: known.collect(), passing: passing.map(|(point, _)| *point).collect() }
    }

    /// What is known without trying.
    fn fails(&self, one: &Failing<'_>) -> Option<bool> {
        let known = self.known.get(&(one.kind, one.state.point)).copied();
        known.or_else(|| self.passing.contains(&one.state.point).then_some(false))
    }

    /// What the caller finds.
    fn try_it(
        &mut self,
        one: &Failing<'_>,
        probe: &mut impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
    ) -> Option<bool> {
        if let Some(known) = self.fails(one) {
            return Some(known);
        }
        let found = probe(one, &CrashState::power(one.state.point, Loss::default()));
        if let Some(found) = found {
            self.known.insert((one.kind, one.state.point), found);
        }
        found
    }
}

/// True if what a group lost makes this state fail under its own, milder profile too: a grade must not
/// come from a state that fails for another reason.
fn alike(
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
    let state = only(one.state, &effects);
    scene.model.is_legal(&state, one.profile) && probe(one, &state).unwrap_or(true)
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

/// The fewest sites of a state that explain its failure.
fn fewest(
    scene: &Scene<'_>,
    one: &Failing<'_>,
    seen: &Seen<'_>,
    passing: &BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>>,
    probe: &mut impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
) -> Lost {
    let all: Vec<&Site> = seen.sites.keys().copied().collect();
    let whole = || all.iter().map(|site| (*site).clone()).collect();
    if all.len() < 2 {
        return whole();
    }
    let empty = Vec::new();
    let passing = passing.get(&one.state.point).unwrap_or(&empty);
    let held = |effects: &[EffectNo]| {
        passing.iter().any(|lost| effects.iter().all(|effect| lost.contains(effect)))
    };
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
        let state = only(one.state, &effects);
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
    likely.unwrap_or_else(whole)
}

/// The state that lost only these effects, as far as it lost them.
fn only(state: &CrashState, effects: &[EffectNo]) -> CrashState {
    let Some(loss) = state.loss() else { return state.clone() };
    let lost: Vec<u32> =
        loss.lost().filter(|effect| effects.contains(effect)).map(|effect| effect.0).collect();
    let forms = loss.forms().iter().filter(|(effect, _)| effects.contains(&EffectNo(*effect)));
    CrashState::power(state.point, Loss::new(&lost, forms.copied().collect()))
}

fn tell(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    failing: &[Failing<'_>],
    seen: &[Seen<'_>],
    mut found: Found,
) -> Group {
    // What stands for all must be possible where the group is said to fail.
    let milder = found.members.iter().position(|at| failing[*at].profile == found.mildest);
    let first = found.members.remove(milder.unwrap_or(0));
    found.members.insert(0, first);
    let (one, what) = (&failing[first], &seen[first]);
    let lost = found.lost.iter().filter_map(|site| what.sites.get(site)).flatten();
    let mut lost: Vec<EffectNo> = lost.copied().collect();
    lost.sort_unstable();
    let mut cause = match found.moment {
        Some(during) => {
            let inside = matches!(one.state.crash, Crash::Kill { pages } if pages > 0);
            of_moment(during.words(), &sites.around(one.state.point), inside)
        }
        None => {
            let survivor = survivor(scene, sites, one, &lost);
            of_loss(one.kind, &found.lost, found.torn, survivor)
        }
    };
    let event = |effect: &EffectNo| scene.model.effect(*effect).map(|found| found.event);
    let promised = one
        .operations
        .first()
        .and_then(|op| promise(scene.trace, scene.durable, *op, one.state.point));
    // What was lost of what had been done by the promise; where there is none, the last loss.
    let before = promised.and_then(|promised| {
        lost.iter()
            .rev()
            .find(|effect| event(effect).is_some_and(|event| event < promised.answered))
    });
    let latest = before.or(lost.last()).copied();
    cause.promised = promised.filter(|_| before.is_some());
    cause.guilty = latest.as_ref().and_then(event);
    cause.detail = detail(scene, sites, one, &cause, latest);
    let members: Vec<&Failing<'_>> = found.members.iter().map(|at| &failing[*at]).collect();
    if !lost.is_empty() {
        cause.counterfactual = remedy::find(scene, sites, &found.lost, &members, one);
    }
    Group { kind: found.kind, members: found.members, cause }
}

/// A name that a lost file has and that survives, though it came later.
fn survivor(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    one: &Failing<'_>,
    lost: &[EffectNo],
) -> Option<String> {
    let first = scene.model.effect(*lost.first()?)?;
    sites.of(lost[0]).filter(|site| site.part != Part::Name)?;
    let later = lost[0].0 + 1..scene.model.effects_before(one.state.point);
    let named = later.map(EffectNo).find(|effect| {
        let found = scene.model.effect(*effect).map(|found| &found.kind);
        let rename = matches!(found, Some(EffectKind::Rename { .. } | EffectKind::Link { .. }));
        let same = found.is_some_and(|kind| kind.file() == first.kind.file());
        rename && same && one.state.loss().is_some_and(|loss| !loss.is_lost(effect.0))
    })?;
    sites.of(named).map(Site::words)
}

/// The case that stands for all, with its events.
fn detail(
    scene: &Scene<'_>,
    sites: &Sites<'_>,
    one: &Failing<'_>,
    cause: &Cause,
    latest: Option<EffectNo>,
) -> String {
    let point = one.state.point.0;
    let Some(effect) = latest else { return format!("stopped before event {point}") };
    let during = scene.model.effect(effect).map_or(During::Idle, |at| sites.during(at.event));
    let mut text =
        format!("stopped before event {point}; lost: {}, {}", sites.event(effect), during.words());
    match scene.model.durable_by(effect, one.profile) {
        Some(by) if by >= one.state.point => {
            let call = sites.call(by).unwrap_or("event");
            text.push_str(&format!(", durable only by event {} ({call})", by.0));
        }
        Some(_) => {}
        None => text.push_str(", never made durable"),
    }
    if let Some(promised) = cause.promised {
        let of = promised.barrier.map_or(String::new(), |barrier| format!(" of `{barrier}`"));
        let at = promised.answered.0;
        text.push_str(&format!("; promised by the acknowledgement{of} at event {at}"));
    }
    text
}

impl Sites<'_> {
    /// The calls that changed files right before and right after a crash point.
    fn around(&self, point: EventNo) -> (String, String) {
        let name = |event: EventNo| -> String {
            let call = self.call(event).unwrap_or("the end");
            let site = self.site_of(event);
            match site {
                Some(site) => format!("{call} of {}", site.file),
                None => call.to_owned(),
            }
        };
        let before = (0..point.0).rev().map(EventNo).find(|event| self.changes(*event));
        let after = (point.0..self.end().0).map(EventNo).find(|event| self.changes(*event));
        let before = before.map_or("the beginning".into(), name);
        (before, after.map_or("the end".into(), name))
    }
}

#[cfg(test)]
mod tests;
