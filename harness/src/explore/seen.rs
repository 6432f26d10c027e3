//! Which states were visited: by a 64-bit hash, up to a limit. Beyond it a state may come twice,
//! which costs time and proves nothing wrong.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::persistence::CrashState;

/// Most states that are remembered.
const LIMIT: usize = 2_000_000;

/// A set of digests, which are spread evenly already.
pub(super) type Digests = HashSet<u64, BuildHasherDefault<Mix>>;

/// Hashes of visited states. Only asked, never gone through.
#[derive(Debug, Default)]
pub(super) struct Seen(Digests);

impl Seen {
    /// True if the state of this digest was not visited before, as far as is remembered.
    pub(super) fn is_new(&self, digest: u64) -> bool {
        !self.0.contains(&digest)
    }

    /// Remembers a state by its digest.
    pub(super) fn add(&mut self, digest: u64) {
        if self.0.len() < LIMIT {
            self.0.insert(digest);
        }
    }
}

/// A hash of a state, the same in every run.
pub(super) fn digest(state: &CrashState) -> u64 {
    let mut mix = Mix::default();
    state.hash(&mut mix);
    mix.finish()
}

/// A multiplication for each word (states are lists of small numbers), and the finisher of SplitMix64.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::{Form, Loss};
    use crate::trace::EventNo;

    #[test]
    fn a_state_is_new_once_and_states_that_differ_in_anything_are_two() {
        let cut =
            |point, lost: &[u32], forms| CrashState::power(EventNo(point), Loss::new(lost, forms));
        let torn = |arrived| vec![(9, Form::Sectors { arrived, garbage: false })];
        let states = [
            cut(1, &[], Vec::new()),
            cut(2, &[], Vec::new()),
            cut(2, &[1, 2], Vec::new()),
            cut(2, &[1, 3], Vec::new()),
            cut(2, &[1, 2], torn(1)),
            cut(2, &[1, 2], torn(2)),
            cut(2, &[1, 2], vec![(9, Form::Cut(1))]),
            CrashState::kill(EventNo(2)),
        ];
        let mut seen = Seen::default();
        for state in &states {
            assert!(seen.is_new(digest(state)), "{state}");
            seen.add(digest(state));
            assert!(!seen.is_new(digest(state)), "{state}");
        }
    }

    #[test]
    fn the_digests_of_many_like_states_differ() {
        let mut digests = Digests::default();
        for point in 0..20 {
            for first in 0..100 {
                for length in 1..100 {
                    let lost: Vec<u32> = (first..first + length).collect();
                    let state = CrashState::power(EventNo(point), Loss::new(&lost, Vec::new()));
                    assert!(digests.insert(digest(&state)), "{state}");
                }
            }
        }
    }
}
