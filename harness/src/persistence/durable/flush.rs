//! What a sync of a file makes durable of its bytes and sizes, and what a failed one leaves. The rules are
//! those at the head of `durable.rs`.

use std::collections::BTreeMap;

use super::{Durable, FileSync, Seen};
use crate::base::limits::PAGE_BYTES;
use crate::persistence::effect::{Effect, EffectKind};
use crate::persistence::profile::Profile;
use crate::persistence::{btrfs, ext4, strict, xfs};
use crate::trace::{FileId, SyncScope};

/// Which bytes of a file a sync call covers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cover {
    /// All, and every size change: fsync.
    Full,
    /// All, and the sizes to read them back: fdatasync.
    Data,
    /// These bytes, and the sizes to read them back: msync, O_SYNC, O_DSYNC.
    Range(u64, u64),
}

impl From<SyncScope> for Cover {
    fn from(scope: SyncScope) -> Self {
        match scope {
            SyncScope::Full => Cover::Full,
            SyncScope::Data => Cover::Data,
            SyncScope::Range { offset, len } => Cover::Range(offset, offset.saturating_add(len)),
        }
    }
}

impl Durable {
    pub(super) fn file_synced(&mut self, file: FileId, cover: Cover, full: bool, seen: Seen<'_>) {
        // btrfs flushes the whole file whatever is asked.
        let cover = if self.profile == Profile::Btrfs { Cover::Full } else { cover };
        let allocates = self.flush(file, cover, seen);
        let call = FileSync { file, full, allocates };
        match self.profile {
            Profile::Strict => strict::file_synced(),
            Profile::Ext4 => ext4::file_synced(self, call, seen),
            Profile::Xfs => xfs::file_synced(self, call, seen),
            Profile::Btrfs => btrfs::file_synced(self, call, seen),
        }
    }

    /// Makes bytes and sizes of a file durable; true if blocks had to be allocated or converted.
    pub(super) fn flush(&mut self, file: FileId, cover: Cover, seen: Seen<'_>) -> bool {
        let pending = self.files.remove(&file).unwrap_or_default();
        let mut allocates = false;
        let kind = |effect: u32| &seen.effects[effect as usize].kind;
        for &effect in &pending {
            if let EffectKind::Data { page, fresh, .. } = kind(effect)
                && covers(cover, *page)
                && !self.doomed.contains(&effect)
            {
                allocates |= fresh & !self.is_durable(effect);
                self.mark(effect, seen);
            }
        }
        // One field holds the size: what is needed takes along every size change before it.
        let is_size = |effect: &&u32| !matches!(kind(**effect), EffectKind::Data { .. });
        let sizes: Vec<u32> = pending.iter().filter(is_size).copied().collect();
        let needed = sizes.iter().rposition(|size| self.size_is_covered(file, *size, cover, seen));
        for (index, &size) in sizes.iter().enumerate() {
            let clean = self.doomed.contains(&size);
            let taken_along = needed.is_some_and(|needed| index <= needed);
            let explicit = matches!(kind(size), EffectKind::Resize { .. });
            if taken_along && (!clean || explicit || self.size_is_covered(file, size, cover, seen))
            {
                self.mark(size, seen);
            }
        }
        let left: Vec<u32> =
            pending.into_iter().filter(|effect| !self.is_durable(*effect)).collect();
        if !left.is_empty() {
            self.files.insert(file, left);
        }
        allocates
    }

    /// True if a sync of `cover` needs this size change.
    fn size_is_covered(&self, file: FileId, size: u32, cover: Cover, seen: Seen<'_>) -> bool {
        let (from, to, grow) = match seen.effects[size as usize].kind {
            EffectKind::Grow { from, to, .. } => (from, to, true),
            EffectKind::Resize { from, to, .. } => (from, to, false),
            _ => return false,
        };
        if self.doomed.contains(&size) {
            // Needed again once bytes in it were written again and are durable.
            return self.holds_durable_bytes(file, size, from, to, seen);
        }
        match cover {
            // fdatasync(2): a change of the size "as made by say ftruncate(2)" is flushed.
            Cover::Full | Cover::Data => true,
            Cover::Range(start, end) if grow => start < to && end > from,
            Cover::Range(start, end) => {
                start < to && end > from && self.holds_durable_bytes(file, size, from, to, seen)
            }
        }
    }

    /// True if durable Data written after `size` lies in what it added to the file.
    fn holds_durable_bytes(
        &self,
        file: FileId,
        size: u32,
        from: u64,
        to: u64,
        seen: Seen<'_>,
    ) -> bool {
        let Some(pages) = seen.chains.pages.get(&file).filter(|_| from < to) else { return false };
        let since = seen.effects[size as usize].event;
        pages.range(from / PAGE_BYTES..to.div_ceil(PAGE_BYTES)).any(|(page, chain)| {
            chain
                .iter()
                .rev()
                .take_while(|effect| seen.effects[**effect as usize].event >= since)
                .any(|effect| match seen.effects[*effect as usize].kind {
                    EffectKind::Data { end, .. } => {
                        self.is_durable(*effect) && page * PAGE_BYTES + u64::from(end) > from
                    }
                    _ => false,
                })
        })
    }

    /// A sync that failed. Returns the (Grow, Data) pairs that it marked clean together.
    pub(in crate::persistence) fn failed(
        &mut self,
        file: FileId,
        scope: SyncScope,
        seen: Seen<'_>,
    ) -> Vec<(u32, u32)> {
        let cover = scope.into();
        let pending = self.files.get(&file).map_or(&[][..], Vec::as_slice);
        let pending: Vec<u32> =
            pending.iter().copied().filter(|effect| !self.is_durable(*effect)).collect();
        let mut clean = BTreeMap::new();
        for &effect in &pending {
            let Effect { event, kind } = &seen.effects[effect as usize];
            if let EffectKind::Data { page, .. } = kind
                && covers(cover, *page)
                && self.doomed.insert(effect)
            {
                clean.entry(*event).or_insert_with(Vec::new).push(effect);
            }
        }
        let mut pairs = Vec::new();
        for &effect in &pending {
            let Effect { event, kind } = &seen.effects[effect as usize];
            if matches!(kind, EffectKind::Grow { .. })
                && let Some(data) = clean.get(event)
            {
                self.doomed.insert(effect);
                pairs.extend(data.iter().map(|data| (effect, *data)));
            }
        }
        pairs
    }
}

fn covers(cover: Cover, page: u64) -> bool {
    match cover {
        Cover::Full | Cover::Data => true,
        Cover::Range(start, end) => {
            start < end && page >= start / PAGE_BYTES && page * PAGE_BYTES < end
        }
    }
}
