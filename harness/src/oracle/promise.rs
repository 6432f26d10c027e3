//! Durable by promise: which operations had to survive a crash.
//!
//! * Under power loss as `durable=` says: `ack` each acknowledged write, `sync` those that were
//!   acknowledged before an acknowledged `sync` was sent, `none` nothing. An acknowledged `close`
//!   counts as a `sync` only where the driver says `close=durable`.
//! * Under a kill as `kill=` says: `ack`, `sync` likewise, `close` those acknowledged before an
//!   acknowledged `close` was sent.
//! * Without any fault, after a clean close: what would survive a kill, and with it what the close
//!   covers.
//! * The initial state was there before: it has to survive as if a sync had covered it; against power
//!   loss with `durable=none` it need not, because nothing need.
//!
//! * A `close` that was answered `err`, and an `open` after it, end what a process kept in its memory as a
//!   kill does: what no promise against kills covered by then, no later `sync` or `close` covers.
//!
//! An `err` promises nothing, whatever was asked.

use std::collections::BTreeMap;

use super::table::{Barrier, Cut, NEVER, Source};
use super::verdict::Loss;
use crate::driver::{Capabilities, Durable, KillPromise, PowerPromise};
use crate::workload::{History, Moment, OpNo, Request};

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
        let covered = |counts: &dyn Fn(&Barrier) -> bool| {
            let given = cut.table.barriers.iter().filter(|barrier| barrier.acked < cut.crash);
            given.filter(|barrier| counts(barrier)).map(|barrier| barrier.begun).max().unwrap_or(0)
        };
        let kill = || match capabilities.kill {
            KillPromise::Ack => NEVER,
            KillPromise::Sync => covered(&|_| true),
            KillPromise::Close => covered(&|barrier| barrier.close),
        };
        let power = || match capabilities.power_promise() {
            PowerPromise::Ack => NEVER,
            PowerPromise::Sync => covered(&|barrier| !barrier.close),
            PowerPromise::SyncOrClose => covered(&|_| true),
            PowerPromise::None => 0,
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

/// The acknowledged writes that a failed `close` could take with it, and the `open` that went on without
/// them.
pub(super) fn forgotten(history: &History, capabilities: &Capabilities) -> BTreeMap<OpNo, Moment> {
    let mut forgotten = BTreeMap::new();
    if capabilities.kill == KillPromise::Ack || capabilities.durable == Durable::Ack {
        return forgotten;
    }
    let syncs = capabilities.kill == KillPromise::Sync || capabilities.durable == Durable::Sync;
    let mut failed_close = None;
    // What was acknowledged before this moment is covered.
    let mut covered = Moment(0);
    for (number, operation) in history.operations.iter().enumerate() {
        let acked = operation.acknowledged().is_some();
        match operation.request {
            Request::Close if !acked => failed_close = Some(number),
            Request::Close => (failed_close, covered) = (None, operation.begun),
            Request::Sync if acked && syncs => covered = operation.begun,
            Request::Open => {
                let Some(close) = failed_close.take().filter(|_| acked) else { continue };
                for (op, write) in history.operations[..close].iter().enumerate() {
                    if write.acknowledged().is_some_and(|acked| acked >= covered) {
                        forgotten.entry(OpNo(op as u32)).or_insert(operation.begun);
                    }
                }
            }
            _ => {}
        }
    }
    forgotten
}
