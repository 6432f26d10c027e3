//! Seeded randomness: the raw ChaCha8 stream and what is drawn from it. Only `next_u64` of the
//! library is used, because `shuffle`, ranges and `choose` changed between its versions and the raw
//! stream never did; golden vectors below hold ours.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seeded generator. The same seed gives the same draws on every machine and version.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// An independent generator for one named purpose, so that adding a draw in one place does not
    /// shift the draws of another.
    pub fn fork(&self, purpose: &str) -> Self {
        let mut base = self.0.clone();
        let hash = xxhash_rust::xxh3::xxh3_64(purpose.as_bytes());
        Self::new(base.next_u64() ^ hash)
    }

    /// The next raw draw.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..n`; 0 where `n` is 0. Unbiased (Lemire's rejection).
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            let low = wide as u64;
            // The remainder is less than `n`, and costs a division.
            if low >= n || low >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// An index into a slice of `len` items.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        debug_assert!(low <= high);
        let span = high.saturating_sub(low);
        if span == u64::MAX { self.next_u64() } else { low + self.below(span + 1) }
    }

    /// True in `percent` of a hundred draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Many small decisions from one draw; each is true in `percent` of a hundred.
    pub fn tosses(&mut self, percent: u64) -> Tosses {
        Tosses { state: self.next_u64(), limit: (1 << 32) * percent.min(100) / 100 }
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// One of `items`, or nothing where there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { Some(&items[self.index(items.len())]) }
    }

    /// The index of one weight, with a chance in proportion to it; 0 where all are 0.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut draw = self.below(weights.iter().sum());
        for (index, &weight) in weights.iter().enumerate() {
            if draw < weight {
                return index;
            }
            draw -= weight;
        }
        0
    }
}

/// Tosses of one unfair coin (SplitMix64, Steele, Lea and Flood 2014): for choices that need many and
/// no more than to differ.
#[derive(Clone, Debug)]
pub struct Tosses {
    state: u64,
    /// Of 2 to the power of 32.
    limit: u64,
}

impl Tosses {
    /// The next one.
    pub fn toss(&mut self) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 32 < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tosses_come_up_as_often_as_they_should_and_differ_from_draw_to_draw() {
        let mut rng = Rng::new(3);
        for percent in [0, 3, 50, 97, 100] {
            let mut tosses = rng.tosses(percent);
            let up = (0..10_000).filter(|_| tosses.toss()).count() as u64;
            assert!(up.abs_diff(percent * 100) < 300, "{percent}: {up}");
        }
        let (mut one, mut other) = (rng.tosses(50), rng.tosses(50));
        assert!((0..64).any(|_| one.toss() != other.toss()));
    }

    #[test]
    fn golden_vectors_never_change() {
        let mut rng = Rng::new(7);
        let raw: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        let below: Vec<u64> = (0..8).map(|_| rng.below(10)).collect();
        let mut items: Vec<u32> = (0..8).collect();
        rng.shuffle(&mut items);
        let weighted: Vec<usize> = (0..8).map(|_| rng.weighted(&[1, 0, 3])).collect();
        let forked = rng.fork("workload").next_u64();
        assert_eq!(raw, [2910824217569608635, 3098856782162503994, 12991601491111613745]);
        assert_eq!(below, [7, 6, 3, 0, 8, 3, 9, 2]);
        assert_eq!(items, [5, 6, 0, 4, 2, 1, 7, 3]);
        assert_eq!(weighted, [2, 0, 2, 2, 0, 0, 2, 2]);
        assert_eq!(forked, 8706291139613717760);
    }

    #[test]
    fn below_stays_below_and_reaches_every_number() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[rng.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(rng.below(0), 0);
    }
}
