//! The states that a strategy proposes at one point: each once.

use std::collections::VecDeque;

use super::seen::{Digests, digest};
use crate::persistence::{Crash, CrashState, Loss};
use crate::trace::EventNo;

/// States in the order in which they were proposed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    states: VecDeque<CrashState>,
    seen: Digests,
}

impl Batch {
    /// Proposes a power cut.
    pub(super) fn power(&mut self, point: EventNo, loss: Loss) {
        if self.seen.insert(digest(&loss)) {
            self.states.push_back(CrashState::power(point, loss));
        }
    }

    /// Proposes a kill with so many pages of the write in flight.
    pub(super) fn kill(&mut self, point: EventNo, pages: u32) {
        self.states.push_back(CrashState { point, crash: Crash::Kill { pages } });
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Option<CrashState> {
        self.states.pop_front()
    }
}
