//! Which states were visited: by a 64-bit hash, up to a limit. Beyond it a state may come twice,
//! which costs time and proves nothing wrong.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::persistence::CrashState;

/// Most states that are remembered.
const LIMIT: usize = 2_000_000;

/// Hashes of visited states. Only asked, never gone through.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// True if the state was not visited before, as far as is remembered.
    pub(super) fn is_new(&mut self, state: &CrashState) -> bool {
        let hash = xxh3_64(state.to_string().as_bytes());
        if self.0.len() < LIMIT { self.0.insert(hash) } else { !self.0.contains(&hash) }
    }
}
