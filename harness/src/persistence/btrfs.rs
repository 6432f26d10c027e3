//! The profile `btrfs`: what was observed, not a promise.
//!
//! * Metadata that no fsync confirmed survives as a prefix; what fsync made durable jumps ahead of it.
//!   A Grow needs all metadata that came before its write, unless the file was fsynced.
//! * fsync(file) and fdatasync(file) also make durable the file's own names; if it was renamed or
//!   linked since the last commit, all earlier entries of its directory; if it moved between
//!   directories, everything (a commit: all metadata); if it took another file's name, that file's
//!   rename. A name is durable with the names of the directories above it: what is logged for a file
//!   includes its new ancestors.
//! * fsync(directory): nothing more. After a rename between directories and fsync of the target's
//!   directory both names may be there.
//! * A write with O_SYNC or O_DSYNC flushes the whole file.
//! * Lost part of an append: as on xfs; the size may cover pages that never arrived.
//! * Overwrite of allocated blocks: each written range wholly old or new, never torn.
//! * A shrink to an unaligned size followed by growth may show the old bytes.
//!
//! Areas not covered: nodatacow, compression, flushoncommit. "Since the last commit" counts the
//! commits that the trace shows (sync, and an fsync that must commit), not those of the kernel's own
//! clock.

use std::collections::{BTreeMap, BTreeSet};

use super::durable::{Durable, FileSync, Seen};
use super::effect::EffectKind;
use crate::trace::FileId;

/// What happened to names since the last commit.
#[derive(Clone, Debug, Default)]
pub(super) struct SinceCommit {
    /// Files that were renamed or got another name, with the directories that it happened in.
    renamed: BTreeMap<FileId, BTreeSet<FileId>>,
    /// Files that moved between directories.
    moved: BTreeSet<FileId>,
}

impl SinceCommit {
    pub(super) fn add(&mut self, kind: &EffectKind) {
        match kind {
            EffectKind::Link { at, file, created: false } => {
                self.renamed.entry(*file).or_default().insert(at.dir);
            }
            EffectKind::Rename { from, to, file, .. } => {
                self.renamed.entry(*file).or_default().insert(to.dir);
                if from.dir != to.dir {
                    self.moved.insert(*file);
                }
            }
            EffectKind::Exchange { a, b, file_a, file_b } => {
                for file in [file_a, file_b] {
                    self.renamed.entry(*file).or_default().extend([a.dir, b.dir]);
                    if a.dir != b.dir {
                        self.moved.insert(*file);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What a sync of a file adds.
pub(super) fn file_synced(durable: &mut Durable, call: FileSync, seen: Seen<'_>) {
    if durable.commit.moved.contains(&call.file) {
        durable.commit_all(seen);
        return;
    }
    for dir in durable.commit.renamed.get(&call.file).cloned().unwrap_or_default() {
        durable.mark_directory(dir, seen);
    }
    durable.mark_names(call.file, seen);
    ancestors(durable, call.file, seen);
}

/// What a sync of a directory adds: its own name, without which nothing in it is durable.
pub(super) fn directory_synced(durable: &mut Durable, dir: FileId, seen: Seen<'_>) {
    durable.mark_names(dir, seen);
    ancestors(durable, dir, seen);
}

fn ancestors(durable: &mut Durable, file: FileId, seen: Seen<'_>) {
    for dir in seen.facts.ancestors(file) {
        durable.mark_names(dir, seen);
    }
}
