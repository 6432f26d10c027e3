//! Durable by promise: which operations had to survive a crash.
//!
//! * Under power loss as `durable=` says: `ack` each acknowledged write, `sync` those that were
//!   acknowledged before an acknowledged `sync` or `close` was sent, `none` nothing, a close included.
//! * Under a kill as `kill=` says: `ack`, `sync` likewise, `close` those acknowledged before an
//!   acknowledged `close` was sent.
//! * Without any fault, after a clean close: what would survive a kill, and with it what the close
//!   covers.
//! * The initial state was there before: it has to survive as if a sync had covered it; against power
//!   loss with `durable=none` it need not, because nothing need.
//!
//! An `err` promises nothing, whatever was asked.

use super::table::{Cut, NEVER, Source};
use super::verdict::Loss;
use crate::driver::{Capabilities, Durable, KillPromise};

/// What had been promised when the crash came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// What was acknowledged before this is durable.
    before: u64,
    /// The initial state is.
    initial: bool,
}

impl Promise {
    /// The promise of `capabilities` against `loss` at a crash.
    pub fn at(cut: &Cut<'_>, capabilities: &Capabilities, loss: Loss) -> Promise {
        let covered = |closes_only: bool| {
            let given = cut.table.barriers.iter().filter(|barrier| barrier.acked < cut.crash);
            let given = given.filter(|barrier| barrier.close || !closes_only);
            given.map(|barrier| barrier.begun).max().unwrap_or(0)
        };
        let kill = || match capabilities.kill {
            KillPromise::Ack => NEVER,
            KillPromise::Sync => covered(false),
            KillPromise::Close => covered(true),
        };
        let power = || match capabilities.durable {
            Durable::Ack => NEVER,
            Durable::Sync => covered(false),
            Durable::None => 0,
        };
        match loss {
            // Every promise against kills covers what a close covers.
            Loss::None | Loss::Kill => Promise { before: kill(), initial: true },
            Loss::Power => {
                Promise { before: power(), initial: capabilities.durable != Durable::None }
            }
        }
    }

    /// What both promise.
    pub fn and(self, other: Promise) -> Promise {
        Promise { before: self.before.min(other.before), initial: self.initial && other.initial }
    }

    /// What of it was acknowledged before `moment` on the table's timeline.
    pub fn until(self, moment: u64) -> Promise {
        Promise { before: self.before.min(moment), ..self }
    }

    /// True if this entry had to survive.
    pub fn covers(&self, cut: &Cut<'_>, at: u32) -> bool {
        match cut.entry(at).source {
            Source::Initial => self.initial,
            Source::Operation { .. } => cut.acked(at) && cut.entry(at).answered < self.before,
        }
    }

    /// True if anything at all had to survive.
    pub fn covers_any(&self, cut: &Cut<'_>) -> bool {
        (0..cut.visible as u32).any(|at| self.covers(cut, at))
    }

    /// The entries that had to survive, in the order of their beginnings.
    pub fn required(&self, cut: &Cut<'_>) -> Vec<u32> {
        (0..cut.visible as u32).filter(|&at| self.covers(cut, at)).collect()
    }
}
