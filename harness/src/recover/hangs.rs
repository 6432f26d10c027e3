//! How often recovery gave no answer, known to all who recover stores of one program. Waiting is dear:
//! once a hang was confirmed, the next ones need no confirmation, and after a few there is nothing left
//! to learn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of hangs so far; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Hangs(Arc<AtomicU32>);

impl Hangs {
    /// How many there were.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one.
    pub fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
