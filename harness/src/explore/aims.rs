//! The first visits: one state of each group before a second of any. Most bugs show in a state that loses
//! one sort of thing after one sort of event, and a slow program recovers only some dozens of states, so
//! the sorts are taken in turn and not the points. Within a turn come first the states that lose all that
//! is pending, then those that lose or keep one sort of effect; the most significant points first.

use std::collections::HashMap;

use super::batch::Batch;
use super::forms::forms;
use super::pending::BySort;
use super::points::Point;
use super::sorts::Sorts;
use crate::base::Rng;
use crate::persistence::{Loss, Model, Profile, ProfileSet, View};
use crate::trace::{EventKind, EventNo, FileOp, Trace};

/// How many states of each group are visited before the strategies take all points in turn.
const ROUNDS: usize = 8;
/// How many crash points of one group are kept to choose from.
const PLACES: usize = 64;
/// How many groups of the first turn are visited in the order of what they tell; the others are
/// visited in the order of their crash points, which is cheaper.
const TELLING_FIRST: usize = 256;
/// How many forms of one torn effect are tried.
const FORMS: usize = 3;

/// What a state loses, of what is pending at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum How {
    /// Everything.
    Durable,
    /// All effects of one sort, with what depends on them.
    Lose,
    /// Everything but one sort and what it depends on.
    Keep,
    /// One event of one sort, with what depends on it, of which the latest survives: the first that is
    /// pending, in later turns any of them.
    LoseEarlier,
    /// The latest event of one sort, with what depends on it.
    LoseLast,
    /// Nothing.
    Whole,
    /// A part of the latest effect of one sort.
    Tear,
    /// Nothing; a process kill, which may cut the write in flight.
    Kill,
}

/// One group: states that differ only in their crash point.
#[derive(Clone, Debug)]
struct Group {
    how: How,
    profile: Profile,
    /// The sort of effect that is lost or kept.
    sort: u32,
    /// Lower is more significant.
    significance: u8,
    /// Groups with an equal one differ less than others.
    family: (How, u32),
    /// Places in the list of points, thinned out.
    places: Vec<u32>,
    /// One point in this many is kept.
    stride: u32,
    met: u32,
}

/// One state, or the forms of one, to visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    /// The place of its crash point in the list of points.
    pub(super) place: usize,
    how: How,
    profile: Profile,
    sort: u32,
    /// In which turn of its group.
    round: usize,
}

/// The first visits of one recording.
#[derive(Debug)]
pub(super) struct Aims {
    groups: Vec<Group>,
    round: usize,
    /// The aims of this round that are left, the next one last.
    left: Vec<Aim>,
}

impl Aims {
    /// The first visits at these points; of kills alone where `kills`.
    pub(super) fn new(
        trace: &Trace,
        model: &Model,
        points: &[Point],
        sorts: &Sorts,
        asked: ProfileSet,
        kills: bool,
    ) -> Self {
        let mut found = Finder::default();
        let profiles: Vec<Profile> = asked.iter().collect();
        let mut pending = vec![BySort::default(); profiles.len()];
        for (place, point) in points.iter().enumerate() {
            let (class, significance) = (sorts.point(point.at), significance(trace, point.at));
            let mut add = |how, profile, sort, family, set| {
                let group = Group {
                    how,
                    profile,
                    sort,
                    significance,
                    family: (how, family),
                    places: Vec::new(),
                    stride: 1,
                    met: 0,
                };
                found.add((how, profile, class, sort, set), group, place as u32);
            };
            if kills {
                let cut = model.kill_cuts(point.at) > 0;
                add(How::Kill, Profile::Ext4, u32::from(cut), class, 0);
                continue;
            }
            if !point.telling {
                continue;
            }
            add(How::Whole, Profile::Ext4, 0, class, 0);
            for (profile, pending) in profiles.iter().zip(&mut pending) {
                pending.follow(model, point.at, *profile, sorts);
                let set = pending.lists().fold(0u64, |set, (sort, _)| {
                    (set ^ u64::from(sort)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17)
                });
                let several = pending.lists().nth(1).is_some();
                if pending.lists().next().is_some() {
                    add(How::Durable, *profile, 0, class, set);
                }
                for (sort, list) in pending.lists() {
                    if several {
                        add(How::Lose, *profile, sort, sort, 0);
                        add(How::Keep, *profile, sort, sort, 0);
                    }
                    if list.len() > 1 {
                        add(How::LoseEarlier, *profile, sort, sort, 0);
                        add(How::LoseLast, *profile, sort, sort, 0);
                    }
                    add(How::Tear, *profile, sort, sort, 0);
                }
            }
        }
        let mut aims = Aims { groups: found.groups, round: 0, left: Vec::new() };
        aims.order();
        aims.begin_round();
        aims
    }

    /// Sorts the groups: the first of each family before the second of any.
    fn order(&mut self) {
        self.groups.sort_by_key(|group| (group.family, group.significance, group.profile));
        let mut nth: HashMap<(How, u32), u32> = HashMap::new();
        let mut keyed: Vec<((u32, How, u8), Group)> = Vec::new();
        for group in std::mem::take(&mut self.groups) {
            let before = nth.entry(group.family).or_default();
            keyed.push(((*before, group.how, group.significance), group));
            *before += 1;
        }
        keyed.sort_by_key(|(key, _)| *key);
        self.groups = keyed.into_iter().map(|(_, group)| group).collect();
    }

    fn begin_round(&mut self) {
        let aim = |group: &Group| {
            let place = nth_place(&group.places, self.round)?;
            let Group { how, profile, sort, .. } = *group;
            Some(Aim { place: place as usize, how, profile, sort, round: self.round })
        };
        let mut left: Vec<Aim> = self.groups.iter().filter_map(aim).collect();
        let first = if self.round == 0 { TELLING_FIRST.min(left.len()) } else { 0 };
        left[first..].sort_by_key(|aim| (aim.place, aim.how));
        left.reverse();
        self.left = left;
    }

    /// True once all were given.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty() && self.round + 1 >= ROUNDS
    }

    /// The next one; nothing once each group had its turns.
    pub(super) fn next(&mut self) -> Option<Aim> {
        while self.left.is_empty() && self.round + 1 < ROUNDS {
            self.round += 1;
            self.begin_round();
        }
        self.left.pop()
    }
}

impl Aim {
    /// Proposes its states; `view` stands at its point.
    pub(super) fn propose(&self, view: &View<'_>, sorts: &Sorts, rng: &mut Rng, batch: &mut Batch) {
        let (point, profile) = (view.point(), self.profile);
        let pending = view.pending(profile);
        let of_sort = || pending.iter().copied().filter(|one| sorts.effect(*one) == self.sort);
        match self.how {
            How::Kill => {
                let cuts = view.model().kill_cuts(point);
                batch.kill(point, 0);
                if cuts > 0 {
                    batch.kill(point, 1 + rng.below(u64::from(cuts)) as u32);
                }
            }
            How::Whole => batch.power(point, Loss::default()),
            How::Durable => batch.power(point, view.losing_all(profile)),
            How::Lose => batch.power(point, view.losing(profile, of_sort())),
            How::Keep => batch.power(point, view.keeping(profile, of_sort())),
            How::LoseEarlier => {
                let events = by_event(view, of_sort());
                let nth = if self.round == 0 { 0 } else { rng.index(events.len().max(2) - 1) };
                batch.power(
                    point,
                    view.losing(profile, events.into_iter().nth(nth).unwrap_or_default()),
                );
            }
            How::LoseLast => {
                let latest = by_event(view, of_sort()).pop().unwrap_or_default();
                batch.power(point, view.losing(profile, latest));
            }
            How::Tear => {
                let Some(effect) = of_sort().next_back() else { return };
                let all = forms(&view.model().effects()[effect as usize].kind, rng);
                for form in all.into_iter().take(FORMS) {
                    let lost = view.closed_loss(profile, [effect]);
                    batch.power(point, Loss::new(&lost, vec![(effect, form)]));
                }
            }
        }
    }
}

/// Effects in their order, those of one event together.
fn by_event(view: &View<'_>, effects: impl Iterator<Item = u32>) -> Vec<Vec<u32>> {
    let event = |effect: u32| view.model().effects()[effect as usize].event;
    let mut events: Vec<Vec<u32>> = Vec::new();
    for effect in effects {
        match events.last_mut().filter(|last| event(last[0]) == event(effect)) {
            Some(last) => last.push(effect),
            None => events.push(vec![effect]),
        }
    }
    events
}

/// The groups found so far, by what they have in common.
#[derive(Default)]
struct Finder {
    groups: Vec<Group>,
    known: HashMap<(How, Profile, u32, u32, u64), usize>,
}

impl Finder {
    fn add(&mut self, key: (How, Profile, u32, u32, u64), group: Group, place: u32) {
        let at = *self.known.entry(key).or_insert_with(|| {
            self.groups.push(group);
            self.groups.len() - 1
        });
        self.groups[at].meet(place);
    }
}

impl Group {
    /// Keeps a point of the group, or one of some where there are many.
    fn meet(&mut self, place: u32) {
        self.met += 1;
        if !(self.met - 1).is_multiple_of(self.stride) {
            return;
        }
        if self.places.len() == PLACES {
            let mut nth = 0;
            self.places.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.stride *= 2;
            if !(self.met - 1).is_multiple_of(self.stride) {
                return;
            }
        }
        self.places.push(place);
    }
}

/// The place of the n-th visit of a group: from two thirds on, in steps that spread the visits over
/// all of them.
fn nth_place(places: &[u32], nth: usize) -> Option<u32> {
    let count = places.len();
    if nth >= count {
        return None;
    }
    let step = (count * 5 / 8..count).find(|step| gcd(*step, count) == 1).unwrap_or(1);
    Some(places[(count * 2 / 3 + nth * step) % count])
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How much a crash right before `at` tells: after an answer or a printed line most, then after a change of
/// names or sizes, then after a sync.
fn significance(trace: &Trace, at: EventNo) -> u8 {
    let before = at.0.checked_sub(1).and_then(|event| trace.events.get(event as usize));
    match before.map(|event| &event.kind) {
        Some(EventKind::Reply { .. } | EventKind::Line(_)) => 0,
        Some(EventKind::Call(call)) => match &call.op {
            FileOp::Rename { .. }
            | FileOp::Exchange { .. }
            | FileOp::Link { .. }
            | FileOp::Unlink { .. }
            | FileOp::Resize { .. } => 1,
            FileOp::Sync { .. } => 2,
            _ => 3,
        },
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_place_of_a_group_is_visited_once(count in 1usize..200) {
            let places: Vec<u32> = (0..count as u32).collect();
            let visits = (0..count).filter_map(|nth| nth_place(&places, nth));
            let mut visited: Vec<u32> = visits.collect();
            visited.sort_unstable();
            prop_assert_eq!(visited, places);
            prop_assert_eq!(nth_place(&[1, 2], 2), None);
        }
    }

    #[test]
    fn a_large_group_keeps_points_from_all_over_it() {
        let mut group = Group {
            how: How::Whole,
            profile: Profile::Ext4,
            sort: 0,
            significance: 0,
            family: (How::Whole, 0),
            places: Vec::new(),
            stride: 1,
            met: 0,
        };
        (0..10_000).for_each(|place| group.meet(place));
        assert!((PLACES / 2..=PLACES).contains(&group.places.len()), "{}", group.places.len());
        assert!(group.places.first() == Some(&0) && group.places.last() > Some(&9_000));
    }
}
