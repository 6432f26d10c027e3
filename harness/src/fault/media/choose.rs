//! Which damages a store gets, in which order: the beginnings of what was appended and of the blocks
//! that were written last, and clean cuts, then the exhaustive ones of its small files, both shuffled; in
//! turn with a seeded sample of all its files. No damaged directory twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Rng;
use crate::diagnose::plain;
use crate::explore::{Covered, Part};
use crate::image::Image;
use crate::media::choose::{SMALL_FILE_BYTES, beginnings, cuts, heads};
use crate::media::{Damage, apply, exhaustive, sample};

use super::rest::Rest;

/// After this many draws in a row without a new damaged directory there are none left worth waiting for.
const DRY_AFTER: u32 = 2_000;

/// The damages of one store still to be tried.
pub struct Choice<'a> {
    rest: &'a Rest,
    exhaustive: Vec<Damage>,
    rng: Rng,
    seen: BTreeSet<u128>,
    sample_next: bool,
    from_exhaustive: bool,
    dry: bool,
    /// Each sort of damage that was planned or drawn, and how often it was tried.
    tried: BTreeMap<Sort, u64>,
    /// The sort of the last one.
    last: Option<Sort>,
}

/// A sort of damage: the operator, and the file with the numbers in its name left out.
type Sort = (&'static str, String);

fn sort(damage: &Damage) -> Sort {
    (damage.harm.name(), plain(&damage.file.to_string_lossy()))
}

impl<'a> Choice<'a> {
    /// Every damage that `rest` may get.
    pub fn new(rest: &'a Rest, mut rng: Rng) -> Self {
        let mut all: Vec<Damage> = exhaustive(&rest.image, SMALL_FILE_BYTES).collect();
        rng.shuffle(&mut all);
        // Taken from the end: these first.
        let mut first = beginnings(&rest.image, &rest.snapshots, SMALL_FILE_BYTES);
        first.extend(heads(&rest.image, &rest.snapshots, SMALL_FILE_BYTES, &mut rng));
        first.extend(cuts(&rest.image, &rest.snapshots, SMALL_FILE_BYTES));
        rng.shuffle(&mut first);
        all.append(&mut first);
        let tried = all.iter().map(|damage| (sort(damage), 0)).collect();
        Self {
            tried,
            last: None,
            rest,
            exhaustive: all,
            rng,
            seen: BTreeSet::from([rest.image.hash()]),
            sample_next: true,
            from_exhaustive: false,
            dry: false,
        }
    }

    /// True if nothing new is to be expected.
    pub fn is_dry(&self) -> bool {
        self.dry && self.exhaustive.is_empty()
    }

    /// What the damages that were tried cover.
    pub fn covered(&self) -> Covered {
        let tried = self.tried.values().sum();
        let seen = self.tried.values().filter(|count| **count > 0).count() as u64;
        Covered {
            groups: Part { seen, all: self.tried.len() as u64 },
            points: Part::default(),
            targets: Part { seen: tried, all: tried + self.exhaustive_left() },
            again: Part::default(),
            lossy: tried,
        }
    }

    /// How many damages of small files were not tried.
    pub fn exhaustive_left(&self) -> u64 {
        self.exhaustive.len() as u64
    }

    /// The last damage was not tried after all.
    pub fn give_back(&mut self) {
        if let Some(last) = self.last.take() {
            *self.tried.entry(last).or_insert(1) -= 1;
        }
        if self.from_exhaustive
            && let Some(first) = self.exhaustive.first().cloned()
        {
            // Only its number is reported.
            self.exhaustive.push(first);
        }
    }

    /// The next damage with the directory that it leaves.
    pub fn next(&mut self) -> Option<(Damage, Image)> {
        self.sample_next = !self.sample_next;
        let sampled = self.sample_next && !self.dry;
        let found = if sampled { self.sampled() } else { self.exhausted() };
        found.or_else(|| if sampled { self.exhausted() } else { self.sampled() })
    }

    fn exhausted(&mut self) -> Option<(Damage, Image)> {
        while let Some(damage) = self.exhaustive.pop() {
            if let Some(image) = self.fresh(&damage) {
                self.from_exhaustive = true;
                return Some((damage, image));
            }
        }
        None
    }

    fn sampled(&mut self) -> Option<(Damage, Image)> {
        for _ in 0..DRY_AFTER {
            if self.dry {
                break;
            }
            let Some(damage) = sample(&self.rest.image, &self.rest.snapshots, &mut self.rng) else {
                continue;
            };
            if let Some(image) = self.fresh(&damage) {
                self.from_exhaustive = false;
                return Some((damage, image));
            }
        }
        self.dry = true;
        None
    }

    fn fresh(&mut self, damage: &Damage) -> Option<Image> {
        let image = apply(&self.rest.image, damage)?;
        if !self.seen.insert(image.hash()) {
            return None;
        }
        let sort = sort(damage);
        *self.tried.entry(sort.clone()).or_default() += 1;
        self.last = Some(sort);
        Some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Harm;
    use crate::workload::{History, Moment};

    /// A log of 60 frames of 100 bytes, and a count of them beside it: a witness of what is cut off.
    fn rest() -> Rest {
        let (mut snapshots, mut image) = (crate::media::Snapshots::default(), Image::empty());
        let mut bytes = Vec::new();
        for number in 1..=60u8 {
            bytes.extend((0..100u8).map(|at| at ^ number.wrapping_mul(37)));
            image.put("log", &bytes);
            image.put("count", &[number]);
            snapshots.push(Moment(u64::from(number)), image.clone());
        }
        let end = Moment(61);
        let history = History::default();
        Rest { killed: false, history, end, image, snapshots, acknowledged: 60 }
    }

    #[test]
    fn clean_cuts_and_heads_of_blocks_come_before_what_is_drawn_anywhere() {
        let rest = rest();
        let mut choice = Choice::new(&rest, Rng::new(3));
        let early: Vec<Damage> =
            std::iter::from_fn(|| choice.next()).take(1500).map(|(damage, _)| damage).collect();
        let log = || early.iter().filter(|damage| damage.file == std::path::Path::new("log"));
        let cut = |at: &u64| log().any(|damage| damage.harm == Harm::Truncate { size: *at });
        // The last frame alone could be gone after a crash: the count may be written first.
        assert_eq!((37..59).map(|frames| frames * 100).filter(cut).count(), 22);
        assert!(!cut(&5900));
        let flipped = |at: u64| {
            log()
                .any(|damage| matches!(damage.harm, Harm::Flip { offset, mask: 1 } if offset == at))
        };
        let blocks = [0, 4096].map(|block| (block..block + 32).filter(|at| flipped(*at)).count());
        assert_eq!(blocks, [32, 32]);
    }
}
