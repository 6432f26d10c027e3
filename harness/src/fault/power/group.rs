//! Failing states into groups: one kind and one cause each. The states with the fewest losses come
//! first; each that no group explains is made smaller, and what is then left of its losses is the cause
//! of a new group. A state belongs to a group if it fails alike and lost at least that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::bench::Failure;
use super::ground::{Ground, Spot};
use super::names::Names;
use super::prove::Prover;
use super::shrink;
use super::sites::{self, Site};
use crate::base::Result;
use crate::oracle::{Kind, Violation};
use crate::persistence::{Profile, ProfileSet};

/// How many states are made smaller in search of causes; beyond it a state joins its kind's first
/// group.
const SMALLER: usize = 160;

/// Failing states of one kind and one cause.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is violated.
    pub kind: Kind,
    /// Worth a word and no alarm.
    pub note: bool,
    /// The smallest of its states.
    pub spot: Spot,
    /// What is wrong with that one.
    pub violation: Violation,
    /// What was lost.
    pub sites: BTreeSet<Site>,
    /// Under which profiles it shows.
    pub profiles: ProfileSet,
    /// True if a kill alone shows it.
    pub killed: bool,
    /// How many states are in it.
    pub states: u64,
    /// A few more of its states.
    pub others: Vec<(Spot, ProfileSet)>,
}

/// The most states of a group that are kept.
const OTHERS: usize = 2000;

/// Groups what failed. `names` has the names of every ground.
pub fn group(failures: BTreeMap<u64, Failure<Spot>>, prover: &mut Prover) -> Result<Vec<Group>> {
    let mut known = KnownNames::default();
    let mut ranked: Vec<(Rank, Failure<Spot>)> =
        failures.into_iter().map(|(visit, failure)| (rank(visit, &failure), failure)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut groups: Vec<Group> = Vec::new();
    let mut smaller = 0;
    for (_, failure) in ranked {
        let Some(violation) = worst(&failure.violations) else { continue };
        let Some(ask) = failure.asks.iter().min_by_key(|ask| mildness(ask.profiles)) else {
            continue;
        };
        let all = failure.asks.iter().fold(ProfileSet::EMPTY, |all, ask| all.union(ask.profiles));
        let spot = &ask.what;
        let alike = |group: &Group| {
            group.kind == violation.kind
                && group.note == violation.note
                && group.spot.ground.depth() == spot.ground.depth()
        };
        let lost = known.lost(spot);
        let explains = |group: &&mut Group| {
            alike(group)
                && group.sites.is_subset(&lost)
                && group.sites.is_empty() == lost.is_empty()
        };
        if let Some(group) = groups.iter_mut().find(explains) {
            group.add(spot, all);
            continue;
        }
        if smaller >= SMALLER
            && let Some(group) = groups.iter_mut().find(|group| alike(group))
        {
            group.add(spot, all);
            continue;
        }
        smaller += 1;
        let state = shrink::smallest(prover, spot, ask.profiles, violation.kind)?;
        let small = Spot { ground: Rc::clone(&spot.ground), state };
        let sites = known.lost(&small);
        if let Some(group) = groups.iter_mut().find(|group| alike(group) && group.sites == sites) {
            group.add(spot, all);
            continue;
        }
        let violation = match small.state == spot.state {
            true => violation.clone(),
            false => again(prover, &small, violation)?,
        };
        let mut group = Group { sites, ..Group::of(spot.clone(), violation, all) };
        group.spot = small;
        groups.push(group);
    }
    groups.sort_by_key(|group| (group.note, group.kind, mildness(group.profiles)));
    Ok(groups)
}

impl Group {
    /// A group of one state.
    pub fn of(spot: Spot, violation: Violation, profiles: ProfileSet) -> Self {
        let mut group = Self {
            kind: violation.kind,
            note: violation.note,
            spot: spot.clone(),
            violation,
            sites: BTreeSet::new(),
            profiles: ProfileSet::EMPTY,
            killed: false,
            states: 0,
            others: Vec::new(),
        };
        group.add(&spot, profiles);
        group
    }

    fn add(&mut self, spot: &Spot, profiles: ProfileSet) {
        self.states += 1;
        self.killed |= profiles.is_empty();
        self.profiles = self.profiles.union(profiles);
        if self.others.len() < OTHERS {
            self.others.push((spot.clone(), profiles));
        }
    }
}

/// The same violation in a smaller state's own words.
fn again(prover: &mut Prover, spot: &Spot, violation: &Violation) -> Result<Violation> {
    let mut trier = shrink::Trier::new(prover, spot, violation.kind);
    let (verdict, _) = trier.verdict(&spot.state)?;
    let same = verdict.violations.into_iter().find(|found| found.kind == violation.kind);
    Ok(same.unwrap_or_else(|| violation.clone()))
}

/// The violation that names the failure: the worst that is no note.
fn worst(violations: &[Violation]) -> Option<&Violation> {
    violations.iter().min_by_key(|violation| (violation.note, violation.kind))
}

type Rank = (usize, Option<Profile>, u64, u64);

/// Kills first, then by the mildest profile, then by how much was lost.
fn rank(visit: u64, failure: &Failure<Spot>) -> Rank {
    let best = failure.asks.iter().map(|ask| {
        let spot = &ask.what;
        let lost = spot.state.loss().map_or(0, |loss| loss.count() + loss.forms().len() as u64);
        (spot.ground.depth(), ask.profiles.mildest(), lost, visit)
    });
    best.min().unwrap_or((0, None, 0, visit))
}

fn mildness(profiles: ProfileSet) -> Option<Profile> {
    profiles.mildest()
}

/// The names on each ground, read once.
#[derive(Default)]
pub struct KnownNames {
    known: Vec<(Rc<Ground>, Rc<Names>)>,
}

impl KnownNames {
    /// The names on a ground.
    pub fn of(&mut self, ground: &Rc<Ground>) -> Rc<Names> {
        if let Some((_, names)) = self.known.iter().find(|(other, _)| Rc::ptr_eq(other, ground)) {
            return Rc::clone(names);
        }
        let names = Rc::new(Names::new(&ground.trace));
        self.known.push((Rc::clone(ground), Rc::clone(&names)));
        names
    }

    /// What a state lost.
    pub fn lost(&mut self, spot: &Spot) -> BTreeSet<Site> {
        let names = self.of(&spot.ground);
        sites::lost(&spot.ground.trace, &spot.ground.model, &names, &spot.state)
    }
}
