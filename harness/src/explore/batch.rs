//! The states that a strategy proposes at one point: each once.

use std::collections::VecDeque;

use super::seen::{Digests, digest};
use crate::persistence::{Crash, CrashState, Loss};
use crate::trace::EventNo;

/// States in the order in which they were proposed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Each with its digest.
    states: VecDeque<(u64, CrashState)>,
    seen: Digests,
}

impl Batch {
    /// Proposes a power cut.
    pub(super) fn power(&mut self, point: EventNo, loss: Loss) {
        let state = CrashState::power(point, loss);
        let digest = digest(&state);
        if self.seen.insert(digest) {
            self.states.push_back((digest, state));
        }
    }

    /// Proposes a kill with so many pages of the write in flight.
    pub(super) fn kill(&mut self, point: EventNo, pages: u32) {
        let state = CrashState { point, crash: Crash::Kill { pages } };
        self.states.push_back((digest(&state), state));
    }

    /// Forgets all of them; what they took up is used again.
    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.seen.clear();
    }

    /// The next one, with its digest.
    pub(super) fn next(&mut self) -> Option<(u64, CrashState)> {
        self.states.pop_front()
    }
}
