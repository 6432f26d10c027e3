//! The visits, one after the other: where sorts are known one state of each group before a second of
//! any; then the first two strategies by turns, with a sample of the third, then each of the others at
//! each point, then random ones without end.

use std::collections::{BTreeMap, VecDeque};

use super::aims::{Aim, Aims};
use super::batch::Batch;
use super::coverage::{Coverage, Covered};
use super::points::{Point, points, spread};
use super::seen::Seen;
use super::sorts::Sorts;
use super::strategy::{Site, Skipped, Strategy};
use super::{
    durable::Durable, everything::Everything, forms::Forms, groups::Groups, keep_one::KeepOne,
    lose_one::LoseOne, random::Random, subsets::Subsets,
};
use crate::base::Rng;
use crate::persistence::{CrashState, Model, ProfileSet, View};
use crate::trace::{EventNo, Trace};

/// So many random batches in a row without a new state end the exploration: there is nothing left. Where
/// there are few points, so many for each of them.
const DRY: u32 = 200;
const DRY_EACH: u32 = 4;

/// A point at which random draws find nothing new is drawn at half as often each time, down to one time
/// in 2 to the power of this: most have few states, and all of them were visited.
const BARREN: u8 = 7;

static ORDER: [&(dyn Strategy + Sync); 8] =
    [&Everything, &Durable, &LoseOne::ALL, &KeepOne, &Forms, &Groups, &Subsets, &Random];
const EVERYTHING: usize = 0;
const DURABLE: usize = 1;
const LOSE_ONE: usize = 2;
/// The first two strategies take turns on so many parts of the points, …
const PARTS: usize = 16;
/// … of at least so many points each.
const PART_POINTS: usize = 16;
/// … and after each part single effects are lost at one in so many of its points: a trace may be so long
/// that the first two are not through when the budget is spent.
const SAMPLE: usize = 8;
/// What does it: the third strategy on a few effects. It stands outside the order, which comes to those
/// points again.
static SAMPLER: LoseOne = LoseOne::FEW;
const SAMPLED: usize = ORDER.len();
/// The first visits of groups, which stand outside the order too.
const CHOSEN: usize = SAMPLED + 1;
/// Their name in visits and reports.
const FIRST_OF_GROUPS: &str = "first of groups";
/// From here on every other batch is a random one, so that points with too much pending for every
/// subset have their share.
const SUBSETS: usize = 6;
const RANDOM: usize = 7;

/// A crash state to visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The state.
    pub state: CrashState,
    /// The asked-for profiles under which it is legal; a kill is legal under all.
    pub profiles: ProfileSet,
    /// Which strategy found it.
    pub strategy: &'static str,
    /// True for a kill: judged by the kill promise.
    pub kill: bool,
}

/// Goes through the crash states of one trace. It ends only where every state it can think of was
/// visited.
pub struct Explorer<'m> {
    view: View<'m>,
    trace: &'m Trace,
    asked: ProfileSet,
    grouped: Option<Grouped>,
    /// The place of the point at which the batch was filled.
    place: usize,
    /// The state that was given last, and its place: it counts as visited once another is asked for.
    given: Option<(usize, CrashState)>,
    rng: Rng,
    points: Vec<Point>,
    order: Vec<usize>,
    /// The turns of the first two strategies that are left: which, and at which point.
    opening: VecDeque<(usize, usize)>,
    kills_only: bool,
    /// Which strategy is at work, and where in `order`.
    strategy: usize,
    next: usize,
    batch: Batch,
    /// Which strategy filled the batch.
    filled_by: usize,
    seen: Seen,
    skipped: Skipped,
    dry: u32,
    /// How often in a row random draws found nothing new, by point.
    barren: Vec<u8>,
    /// The point of a random batch of which nothing was new so far.
    fruitless: Option<usize>,
    visited: BTreeMap<&'static str, u64>,
}

/// What an exploration by groups needs besides.
#[derive(Debug)]
struct Grouped {
    sorts: Sorts,
    aims: Aims,
    coverage: Coverage,
}

impl<'m> Explorer<'m> {
    /// An exploration of `trace`, of which `model` is the model, for the asked-for profiles. The same
    /// generator gives the same visits.
    pub fn new(trace: &'m Trace, model: &'m Model, asked: ProfileSet, rng: &Rng) -> Self {
        let points = points(trace, model);
        let order = spread(points.len());
        Explorer {
            view: View::new(model),
            trace,
            asked,
            grouped: None,
            place: 0,
            given: None,
            rng: rng.fork("explore"),
            opening: opening(&order, &points),
            order,
            points,
            kills_only: false,
            strategy: 0,
            next: 0,
            batch: Batch::default(),
            filled_by: 0,
            seen: Seen::default(),
            skipped: Skipped::new(),
            dry: 0,
            barren: Vec::new(),
            fruitless: None,
            visited: BTreeMap::new(),
        }
    }

    /// The same, without the crash points before `first`.
    #[must_use]
    pub fn starting_at(mut self, first: EventNo) -> Self {
        self.points.retain(|point| point.at >= first);
        self.order = spread(self.points.len());
        self.opening = opening(&self.order, &self.points);
        self
    }

    /// The same, with only what kills leave.
    #[must_use]
    pub fn only_kills(mut self) -> Self {
        self.opening = on_each(&self.order, EVERYTHING).collect();
        self.kills_only = true;
        self
    }

    /// The same, beginning with one state of each group before a second of any. Call it last.
    #[must_use]
    pub fn by_groups(mut self, sorts: Sorts) -> Self {
        let (model, kills) = (self.view.model(), self.kills_only);
        let aims = Aims::new(self.trace, model, &self.points, &sorts, self.asked, kills);
        let coverage = Coverage::new(model, &self.points, &sorts, self.asked, kills);
        self.grouped = Some(Grouped { sorts, aims, coverage });
        self
    }

    /// What the visited states cover, where groups are known.
    pub fn covered(&self) -> Option<Covered> {
        self.grouped.as_ref().map(|grouped| grouped.coverage.covered())
    }

    /// The state that was given last was not visited after all.
    pub fn give_back(&mut self) {
        self.given = None;
    }

    /// The crash points.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// What was capped or left out so far, by reason.
    pub fn skipped(&self) -> &BTreeMap<String, u64> {
        &self.skipped
    }

    /// How many states each strategy gave so far.
    pub fn visited(&self) -> &BTreeMap<&'static str, u64> {
        &self.visited
    }

    /// True while the states of the groups are not all given.
    pub fn is_choosing(&self) -> bool {
        self.grouped.as_ref().is_some_and(|grouped| !grouped.aims.is_over())
    }

    /// True once every strategy but the endless one has had its turn at every point.
    pub fn is_endless(&self) -> bool {
        self.strategy >= RANDOM
    }

    /// Fills the batch at the next point; false at the end.
    fn refill(&mut self) -> bool {
        if let Some(aim) = self.grouped.as_mut().and_then(|grouped| grouped.aims.next()) {
            self.filled_by = CHOSEN;
            self.aim(&aim);
            return true;
        }
        if self.strategy < LOSE_ONE {
            let Some((strategy, at)) = self.opening.pop_front() else {
                self.strategy = if self.kills_only { ORDER.len() } else { LOSE_ONE };
                self.next = 0;
                return true;
            };
            self.filled_by = strategy;
            self.propose(at);
            return true;
        }
        let random_turn = self.strategy == SUBSETS && self.filled_by == SUBSETS;
        self.filled_by = if random_turn { RANDOM } else { self.strategy };
        if self.filled_by >= ORDER.len() || self.points.is_empty() {
            return false;
        }
        let at = if self.filled_by == RANDOM {
            self.dry += u32::from(self.strategy == RANDOM);
            if self.dry > DRY.min(DRY_EACH.saturating_mul(self.points.len() as u32)) {
                self.strategy += 1;
                return false;
            }
            let at = self.fertile();
            self.fruitless = Some(at);
            at
        } else if let Some(at) = self.order.get(self.next) {
            self.next += 1;
            *at
        } else {
            self.strategy += 1;
            self.next = 0;
            return true;
        };
        self.propose(at);
        true
    }

    /// A point for random draws, rarely one that gave nothing new the last times.
    fn fertile(&mut self) -> usize {
        self.barren.resize(self.points.len(), 0);
        if let Some(at) = self.fruitless.take() {
            self.barren[at] = BARREN.min(self.barren[at] + 1);
        }
        loop {
            let at = self.rng.index(self.points.len());
            if self.rng.below(1 << self.barren[at]) == 0 {
                return at;
            }
        }
    }

    /// Fills the batch with the states of one group at one point.
    fn aim(&mut self, aim: &Aim) {
        let Some(grouped) = &self.grouped else { return };
        self.place = aim.place;
        self.view.advance(self.points[aim.place].at);
        self.batch.clear();
        aim.propose(&self.view, &grouped.sorts, &mut self.rng, &mut self.batch);
    }

    /// Counts the state that was given last.
    fn count_given(&mut self) {
        let Some((place, state)) = self.given.take() else { return };
        if let Some(grouped) = &mut self.grouped {
            grouped.coverage.visited(place, &self.points[place], &state, &grouped.sorts);
        }
    }

    /// Has the strategy whose turn it is fill the batch at one point.
    fn propose(&mut self, at: usize) {
        let (point, strategy) = (self.points[at], strategy(self.filled_by));
        if strategy.telling_only() && !point.telling {
            return;
        }
        self.place = at;
        self.view.advance(point.at);
        self.batch.clear();
        let mut left_for_later = Skipped::new();
        let mut site = Site {
            view: &self.view,
            asked: self.asked,
            rng: &mut self.rng,
            skipped: match self.filled_by {
                // What it leaves out has its turn yet.
                SAMPLED => &mut left_for_later,
                _ => &mut self.skipped,
            },
        };
        strategy.propose(&mut site, &mut self.batch);
    }
}

fn strategy(number: usize) -> &'static dyn Strategy {
    match number {
        SAMPLED => &SAMPLER,
        number => ORDER[number],
    }
}

/// The turns of the first strategies. They need every point, and on a long trace a slow store does not
/// get through even one of them: so they take turns, a part of the points at a time.
fn opening(order: &[usize], points: &[Point]) -> VecDeque<(usize, usize)> {
    let part = order.len().div_ceil(PARTS).max(PART_POINTS);
    let turns = |part: &[usize]| {
        let telling = part.iter().copied().filter(|at| points[*at].telling);
        let sample: Vec<usize> = telling.step_by(SAMPLE).collect();
        let both = on_each(part, EVERYTHING).chain(on_each(part, DURABLE));
        both.chain(on_each(&sample, SAMPLED)).collect::<Vec<_>>()
    };
    order.chunks(part).flat_map(turns).collect()
}

fn on_each(points: &[usize], strategy: usize) -> impl Iterator<Item = (usize, usize)> {
    points.iter().map(move |&at| (strategy, at))
}

impl Iterator for Explorer<'_> {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        self.count_given();
        loop {
            let Some((digest, state)) = self.batch.next() else {
                if !self.refill() {
                    return None;
                }
                continue;
            };
            if !self.seen.is_new(digest) {
                continue;
            }
            let profiles = self.view.legal_in(&state, self.asked);
            if profiles.is_empty() {
                continue;
            }
            self.seen.add(digest);
            self.dry = 0;
            if self.filled_by == RANDOM
                && let Some(at) = self.fruitless.take()
            {
                self.barren[at] = 0;
            }
            let strategy = match self.filled_by {
                CHOSEN => FIRST_OF_GROUPS,
                number => strategy(number).name(),
            };
            if self.grouped.is_some() {
                self.given = Some((self.place, state.clone()));
            }
            *self.visited.entry(strategy).or_default() += 1;
            return Some(Visit { profiles, strategy, kill: state.is_kill(), state });
        }
    }
}
