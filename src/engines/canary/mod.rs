//! The flawed stores: one small write-ahead-log store, real in every part, and a list of mistakes,
//! each of which breaks exactly one property. If a run of one of them passes, unplug is broken; if a
//! run without a mistake fails, so it is.
//!
//! The store: `head` names a snapshot and the first log segment; `log-N` holds frames in sequence;
//! `snap-N` holds all pairs at one moment. A request is one frame, appended and synced before it is
//! acknowledged. After a crash, recovery publishes a new snapshot before anything is shown.

pub mod flaw;
mod frame;
mod group;
mod head;
mod open;
mod replay;
mod snapshot;
mod store;

use std::path::Path;

use unplug_harness::driver::{Capabilities, Durable, Engine, KillPromise, NotOpened, Opener};

pub use flaw::{FLAWED, FLAWLESS, FLAWS, Flaw, Row, Variant};

/// A canary of one variant, with one flaw or none.
#[derive(Clone, Copy, Debug)]
pub struct Canary {
    /// How it is built.
    pub variant: Variant,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
    /// How many requests it may be given at once.
    pub threads: u32,
}

impl Opener for Canary {
    fn capabilities(&self) -> Capabilities {
        let relaxed = matches!(self.variant, Variant::Relaxed | Variant::LazyClose);
        // A segment that is used again holds older frames behind its end: damage there, and a lost
        // last frame, look alike.
        let detects = self.variant != Variant::Recycled;
        Capabilities {
            del: true,
            batch: true,
            sync: true,
            checkpoint: true,
            threads: if self.variant == Variant::Group { self.threads } else { 1 },
            durable: if relaxed { Durable::Sync } else { Durable::Ack },
            kill: KillPromise::Ack,
            close_durable: self.variant == Variant::Relaxed,
            reads_durable: true,
            order_prefix: true,
            corruption_detected: detects,
            damage_prefix: detects,
            reopen: true,
            ..Capabilities::default()
        }
    }

    fn open(&self, dir: &Path, warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let store = open::open(dir, self.variant, self.flaw, warn)?;
        Ok(Box::new(group::Shared::new(store)))
    }
}

#[cfg(test)]
mod tests;
