//! The making of a model, event by event: each call is broken down into effects, and each sync makes some
//! of them durable.

use crate::persistence::breakdown::Breakdown;
use crate::persistence::durable::{Durable, Seen};
use crate::persistence::facts::Facts;
use crate::persistence::overlay::Overlay;
use crate::persistence::profile::Profile;
use crate::trace::{Event, EventKind, EventNo, FileId, FileOp, SyncScope, WriteSync};

/// A model in the making.
pub(super) struct Work<'a> {
    pub(super) breakdown: Breakdown,
    pub(super) facts: Facts,
    pub(super) durable: [Durable; 4],
    pub(super) overlay: &'a Overlay,
}

impl Work<'_> {
    /// Takes in one event; true if it changed files or durability.
    pub(super) fn event(&mut self, now: u32, event: &Event) -> bool {
        let mut changed = false;
        if let EventKind::Call(call) = &event.kind {
            changed = self.call(now, &call.op);
        }
        let added = self.overlay.added_syncs.iter().filter(|sync| sync.after == EventNo(now));
        for sync in added {
            changed = true;
            match sync.file {
                Some(file) => self.sync(now, file, sync.scope),
                None => self.sync_all(now),
            }
        }
        changed
    }

    fn call(&mut self, now: u32, op: &FileOp) -> bool {
        let first = self.breakdown.effects.len() as u32;
        let strict = &self.durable[Profile::Strict.index()];
        self.breakdown.add(EventNo(now), op, &|effect| strict.is_durable(effect));
        self.facts.add(op, first, &self.breakdown.effects[first as usize..]);
        let (durable, seen) = self.parts();
        for durable in durable {
            durable.add(now, first, seen);
        }
        for effect in first..self.breakdown.effects.len() as u32 {
            let kind = &self.breakdown.effects[effect as usize].kind;
            if self.overlay.forces(EventNo(now), kind) {
                let (durable, seen) = self.parts();
                for durable in durable {
                    durable.force(now, effect, seen);
                }
            }
        }
        let removed = self.overlay.removed_syncs.contains(&EventNo(now));
        match op {
            _ if removed => {}
            FileOp::Sync { file, scope } => self.sync(now, *file, *scope),
            FileOp::SyncAll => self.sync_all(now),
            FileOp::FailedSync { file, scope } => self.failed_sync(*file, *scope),
            FileOp::Write { file, offset, bytes, sync, .. } if *sync != WriteSync::None => {
                let range = (*offset, offset.saturating_add(bytes.len() as u64));
                let (durable, seen) = self.parts();
                for durable in durable {
                    durable.write_synced(now, *file, range, *sync == WriteSync::Full, seen);
                }
            }
            _ => {}
        }
        let syncs = matches!(op, FileOp::Sync { .. } | FileOp::SyncAll | FileOp::FailedSync { .. });
        syncs || first < self.breakdown.effects.len() as u32
    }

    fn parts(&mut self) -> (&mut [Durable; 4], Seen<'_>) {
        let Breakdown { effects, chains, .. } = &self.breakdown;
        (&mut self.durable, Seen { effects, chains, facts: &self.facts })
    }

    fn sync(&mut self, now: u32, file: FileId, scope: SyncScope) {
        let (durable, seen) = self.parts();
        for durable in durable {
            durable.sync(now, file, scope, seen);
        }
    }

    fn sync_all(&mut self, now: u32) {
        let (durable, seen) = self.parts();
        for durable in durable {
            durable.sync_all(now, seen);
        }
    }

    fn failed_sync(&mut self, file: FileId, scope: SyncScope) {
        for profile in Profile::ALL {
            let (durable, seen) = self.parts();
            let pairs = durable[profile.index()].failed(file, scope, seen);
            if profile == Profile::Xfs {
                for (grow, data) in pairs {
                    self.breakdown.chains.need(grow, data, profile.into(), false);
                }
            }
        }
    }
}
