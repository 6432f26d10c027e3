//! When each effect becomes durable under one profile: the barriers, and what a failed one leaves.
//!
//! | call | what it makes durable, in every profile |
//! | --- | --- |
//! | fsync(file) | all earlier Data, Grow and Resize of the file |
//! | fdatasync(file) | the same: a change of the size is flushed, says fdatasync(2) |
//! | write with O_SYNC, O_DSYNC, RWF_SYNC, RWF_DSYNC | that write's Data and the size to read it |
//! | msync(MS_SYNC) | as fdatasync of the mapped range |
//! | fsync or fdatasync(directory) | all earlier Link, Unlink and Rename in it |
//! | sync, syncfs | everything |
//! | sync_file_range, msync(MS_ASYNC), close, exit | nothing |
//!
//! What one file system adds stands in `ext4`, `xfs`, `btrfs` (and nothing in `strict`). What is
//! durable takes along what it needs: earlier Data of the same page (the whole cached page is
//! written), earlier effects on the same name.
//!
//! A *failed* fsync makes nothing durable, and the pages it failed for are marked clean: their Data
//! are in no later barrier, which returns success, until the page is written to again, which makes
//! all of it dirty. They may have reached the disk or not. The Grow over them may survive all the
//! same, over zeros (ext4, btrfs, strict); on xfs only with its bytes.
//!
//! Areas not covered: write-back by the kernel's own clock (it makes durable what no barrier
//! confirmed; every such state is legal anyway, since pending effects may survive).

mod flush;

use std::collections::{BTreeMap, BTreeSet};

use flush::Cover;

use super::chains::Chains;
use super::effect::{Effect, EffectKind};
use super::facts::{Facts, Position};
use super::profile::Profile;
use super::{btrfs, ext4, strict, xfs};
use crate::trace::{FileId, SyncScope};

/// Never made durable.
pub(super) const NEVER: u32 = u32::MAX;

/// A successful sync of a file, as the profiles' rules see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSync {
    pub(super) file: FileId,
    /// fsync or O_SYNC, rather than fdatasync, O_DSYNC or msync.
    pub(super) full: bool,
    /// True if blocks had to be allocated or converted for it.
    pub(super) allocates: bool,
}

/// Everything that the rules look at.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) effects: &'a [Effect],
    pub(super) chains: &'a Chains,
    pub(super) facts: &'a Facts,
}

/// One profile's barriers, event by event.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    profile: Profile,
    /// By effect: the event that made it durable.
    pub(super) at: Vec<u32>,
    /// The event that is being worked on.
    now: u32,
    /// Pending Data, Grow and Resize of each file.
    files: BTreeMap<FileId, Vec<u32>>,
    /// Pending names of each directory.
    dirs: BTreeMap<FileId, Vec<u32>>,
    /// Pending names of each node.
    subjects: BTreeMap<FileId, Vec<u32>>,
    /// Pending metadata.
    metadata: Vec<u32>,
    /// Data and Grow that a failed sync marked clean.
    doomed: BTreeSet<u32>,
    /// What btrfs remembers since its last commit.
    pub(super) commit: btrfs::SinceCommit,
}

impl Durable {
    pub(super) fn new(profile: Profile) -> Durable {
        Durable {
            profile,
            at: Vec::new(),
            now: 0,
            files: BTreeMap::new(),
            dirs: BTreeMap::new(),
            subjects: BTreeMap::new(),
            metadata: Vec::new(),
            doomed: BTreeSet::new(),
            commit: btrfs::SinceCommit::default(),
        }
    }

    pub(super) fn is_durable(&self, effect: u32) -> bool {
        self.at.get(effect as usize).is_some_and(|at| *at != NEVER)
    }

    /// Takes in the effects of event `now`, from number `first` on.
    pub(super) fn add(&mut self, now: u32, first: u32, seen: Seen<'_>) {
        self.now = now;
        for (no, effect) in (first..).zip(&seen.effects[first as usize..]) {
            self.at.push(NEVER);
            let kind = &effect.kind;
            for place in kind.places().into_iter().flatten() {
                // Of a rename between directories that is split, the new name is in the target's
                // and the old name's going in the source's.
                let elsewhere = matches!(kind, EffectKind::Rename { split: true, from, to, .. }
                    if place == from && from.dir != to.dir);
                if !elsewhere {
                    push_once(self.dirs.entry(place.dir).or_default(), no);
                }
            }
            match kind {
                EffectKind::Unlink { .. } => {}
                EffectKind::Exchange { file_a, file_b, .. } => {
                    push_once(self.subjects.entry(*file_a).or_default(), no);
                    push_once(self.subjects.entry(*file_b).or_default(), no);
                }
                kind if kind.is_name() => self.subjects.entry(kind.file()).or_default().push(no),
                kind => self.files.entry(kind.file()).or_default().push(no),
            }
            if kind.is_metadata(self.profile == Profile::Ext4) {
                self.metadata.push(no);
            }
            self.commit.add(kind);
        }
    }

    /// Makes one effect durable now, with what it needs.
    pub(super) fn mark(&mut self, effect: u32, seen: Seen<'_>) {
        let mut todo = vec![effect];
        while let Some(effect) = todo.pop() {
            if self.is_durable(effect) {
                continue;
            }
            self.at[effect as usize] = self.now;
            self.doomed.remove(&effect);
            let needs = seen.chains.needs[effect as usize].iter();
            // A size that is durable does not make bytes durable that a failed sync marked clean.
            let grow = matches!(seen.effects[effect as usize].kind, EffectKind::Grow { .. });
            let needs = needs.filter(|edge| !grow && edge.profiles.contains(self.profile));
            todo.extend(needs.map(|edge| edge.effect));
        }
    }

    /// Makes all metadata before `position` durable.
    pub(super) fn mark_metadata(&mut self, position: Position, seen: Seen<'_>) {
        let upto = self.metadata.partition_point(|effect| *effect < position);
        let marked: Vec<u32> = self.metadata.drain(..upto).collect();
        for effect in marked {
            self.mark(effect, seen);
        }
    }

    /// Makes everything pending in a directory durable.
    pub(super) fn mark_directory(&mut self, dir: FileId, seen: Seen<'_>) {
        for effect in self.dirs.remove(&dir).unwrap_or_default() {
            self.mark(effect, seen);
        }
    }

    /// Makes a node's own names durable.
    pub(super) fn mark_names(&mut self, file: FileId, seen: Seen<'_>) {
        for effect in self.subjects.remove(&file).unwrap_or_default() {
            self.mark(effect, seen);
        }
    }

    /// A successful sync of a file or directory.
    pub(super) fn sync(&mut self, now: u32, file: FileId, scope: SyncScope, seen: Seen<'_>) {
        self.now = now;
        if seen.facts.dirs.contains(&file) {
            self.mark_directory(file, seen);
            match self.profile {
                Profile::Strict => strict::directory_synced(),
                Profile::Ext4 => ext4::directory_synced(self, seen),
                Profile::Xfs => xfs::directory_synced(self, file, seen),
                Profile::Btrfs => btrfs::directory_synced(self, file, seen),
            }
        } else {
            self.file_synced(file, scope.into(), matches!(scope, SyncScope::Full), seen);
        }
    }

    /// A write that carries its own sync.
    pub(super) fn write_synced(
        &mut self,
        now: u32,
        file: FileId,
        range: (u64, u64),
        full: bool,
        seen: Seen<'_>,
    ) {
        self.now = now;
        self.file_synced(file, Cover::Range(range.0, range.1), full, seen);
    }

    /// sync or syncfs.
    pub(super) fn sync_all(&mut self, now: u32, seen: Seen<'_>) {
        self.now = now;
        let files: Vec<FileId> = self.files.keys().copied().collect();
        for file in files {
            self.flush(file, Cover::Full, seen);
        }
        self.commit_all(seen);
    }

    /// Makes all metadata durable: a commit.
    pub(super) fn commit_all(&mut self, seen: Seen<'_>) {
        self.mark_metadata(Position::MAX, seen);
        self.dirs.clear();
        self.subjects.clear();
        self.commit = btrfs::SinceCommit::default();
    }

    /// An effect that an overlay takes for durable.
    pub(super) fn force(&mut self, now: u32, effect: u32, seen: Seen<'_>) {
        self.now = now;
        self.mark(effect, seen);
    }
}

fn push_once(list: &mut Vec<u32>, effect: u32) {
    if list.last() != Some(&effect) {
        list.push(effect);
    }
}
