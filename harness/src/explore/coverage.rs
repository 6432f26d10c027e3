//! How much of one recording the visited states cover. A *group* is a sort of crash point together with
//! a sort of effect that can be lost there: "right after a put was acknowledged, a frame of the log".
//! A state that loses something covers the groups, the crash point and the effects of what it loses. Where
//! only kills are visited, which lose nothing, a group is a sort of crash point.

use std::collections::HashSet;

use super::pending::BySort;
use super::points::Point;
use super::sorts::Sorts;
use crate::persistence::{CrashState, Model, Profile, ProfileSet};

/// Some of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many were visited.
    pub seen: u64,
    /// How many there are.
    pub all: u64,
}

impl Part {
    /// Adds the counts of another part of the same kind.
    pub fn add(&mut self, other: Part) {
        self.seen += other.seen;
        self.all += other.all;
    }

    /// 0 to 1; where there is nothing, all of it was seen.
    pub fn share(self) -> f64 {
        if self.all == 0 { 1.0 } else { self.seen as f64 / self.all as f64 }
    }
}

/// What the visited cases of a fault cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Groups of like cases.
    pub groups: Part,
    /// Crash points at which something was lost, of those at which something can be.
    pub points: Part,
    /// What can be struck: effects that can be lost, calls that can fail, damages of small files.
    pub targets: Part,
    /// Sorts of recoveries that were struck again, of those that can be.
    pub again: Part,
    /// Visited cases that take something from the store: states that lose an effect, kills, damages,
    /// failing calls.
    pub lossy: u64,
}

impl Covered {
    /// Adds what another part of the same fault covers.
    pub fn add(&mut self, other: &Covered) {
        self.groups.add(other.groups);
        self.points.add(other.points);
        self.targets.add(other.targets);
        self.again.add(other.again);
        self.lossy += other.lossy;
    }
}

/// Counts what is covered.
#[derive(Debug)]
pub(super) struct Coverage {
    kills: bool,
    /// By place in the list of points: how many effects can be lost there; none where the point is not
    /// telling.
    pending: Vec<u64>,
    all_groups: HashSet<(u32, u32)>,
    seen_groups: HashSet<(u32, u32)>,
    /// By place: true once a state there lost something.
    seen_points: Vec<bool>,
    /// By place: true once a state there lost everything that can be lost.
    exhausted: Vec<bool>,
    /// By effect: true if it is pending at one of the points.
    can_be_lost: Vec<bool>,
    seen_effects: Vec<bool>,
    lossy: u64,
}

impl Coverage {
    /// Nothing covered yet, of what can be lost at these points under the weakest of the profiles.
    pub(super) fn new(
        model: &Model,
        points: &[Point],
        sorts: &Sorts,
        asked: ProfileSet,
        kills: bool,
    ) -> Self {
        let effects = model.effects().len();
        let weakest = asked.iter().max().unwrap_or(Profile::Strict);
        let mut coverage = Self {
            kills,
            pending: vec![0; points.len()],
            all_groups: HashSet::new(),
            seen_groups: HashSet::new(),
            seen_points: vec![false; points.len()],
            exhausted: vec![false; points.len()],
            can_be_lost: vec![false; effects],
            seen_effects: vec![false; effects],
            lossy: 0,
        };
        if kills {
            coverage.pending = vec![1; points.len()];
            coverage.all_groups = points.iter().map(|point| (sorts.point(point.at), 0)).collect();
            return coverage;
        }
        let mut pending = BySort::default();
        for (place, point) in points.iter().enumerate().filter(|(_, point)| point.telling) {
            for effect in pending.follow(model, point.at, weakest, sorts) {
                coverage.can_be_lost[effect as usize] = true;
            }
            let class = sorts.point(point.at);
            coverage.all_groups.extend(pending.lists().map(|(sort, _)| (class, sort)));
            coverage.pending[place] = pending.count();
        }
        coverage
    }

    /// A state at the point of this place was visited.
    pub(super) fn visited(
        &mut self,
        place: usize,
        point: &Point,
        state: &CrashState,
        sorts: &Sorts,
    ) {
        let class = sorts.point(point.at);
        if self.kills && state.is_kill() {
            self.lossy += 1;
            self.seen_groups.insert((class, 0));
            self.seen_points[place] = true;
            return;
        }
        let Some(loss) = state.loss().filter(|loss| loss.count() > 0 || !loss.forms().is_empty())
        else {
            return;
        };
        self.lossy += 1;
        // What was marked whole is not marked again: logs without a sync have long lists.
        if self.exhausted[place] {
            return;
        }
        let lost = loss.lost().map(|effect| effect.0);
        for effect in lost.chain(loss.forms().iter().map(|form| form.0)) {
            let Some(seen) = self.seen_effects.get_mut(effect as usize) else { continue };
            *seen = true;
            self.seen_groups.insert((class, sorts.effect(effect)));
        }
        self.seen_points[place] = true;
        self.exhausted[place] = loss.count() == self.pending[place];
    }

    /// The counts so far.
    pub(super) fn covered(&self) -> Covered {
        let can_lose = |place: &usize| self.pending[*place] > 0;
        let both = self.seen_effects.iter().zip(&self.can_be_lost);
        let places = || (0..self.pending.len()).filter(can_lose);
        Covered {
            groups: Part {
                seen: self.seen_groups.intersection(&self.all_groups).count() as u64,
                all: self.all_groups.len() as u64,
            },
            points: Part {
                seen: places().filter(|place| self.seen_points[*place]).count() as u64,
                all: places().count() as u64,
            },
            targets: Part {
                seen: both.filter(|(seen, can)| **seen && **can).count() as u64,
                all: self.can_be_lost.iter().filter(|can| **can).count() as u64,
            },
            again: Part::default(),
            lossy: self.lossy,
        }
    }
}
