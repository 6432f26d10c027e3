//! The profile `ext4` (data=ordered, delayed allocation): what was observed, not a promise.
//!
//! * Metadata is in total order: always a prefix of it survives. A Grow needs all metadata that came
//!   before its write; its own place in the journal is the write-back, later. Growth inside the
//!   file's last allocated block is metadata at its write.
//! * fsync(file) also makes durable all metadata up to the file's latest creation, growth, shrink,
//!   punch, link or rename; and all metadata before the fsync if that must allocate or convert blocks
//!   (append, hole, fallocated range). An overwrite does not count.
//! * fdatasync(file) the same, but a rename or link of the file does not count: even its own new name
//!   may be lost.
//! * fsync(directory): all earlier metadata.
//! * Lost part of an append: any subset of its pages zeros inside the surviving size; never garbage.
//!   A page that had no blocks is wholly there or not at all (its extent is converted when its bytes
//!   have arrived); only blocks that hold bytes already can be torn.
//! * A rename over an existing file keeps the length of a freshly written source, but any of its pages
//!   may be zeros. A source overwritten in place, written into fallocated blocks or inside its last
//!   block is unordered with the rename; so is a rename to a new name.
//! * A write with O_SYNC or O_DSYNC is its bytes, the size to read them, and what an fsync or
//!   fdatasync adds; earlier unsynced pages below it are not flushed with it.
//!
//! Areas not covered: data=writeback, nobarrier, nodelalloc, dioread_lock; bigalloc.

use super::durable::{Durable, FileSync, Seen};
use super::facts::Position;

/// What a sync of a file adds.
pub(super) fn file_synced(durable: &mut Durable, call: FileSync, seen: Seen<'_>) {
    let changes = if call.full { &seen.facts.change } else { &seen.facts.data_change };
    let latest = changes.get(&call.file).copied().unwrap_or(0);
    durable.mark_metadata(if call.allocates { Position::MAX } else { latest }, seen);
}

/// What a sync of a directory adds.
pub(super) fn directory_synced(durable: &mut Durable, seen: Seen<'_>) {
    durable.mark_metadata(Position::MAX, seen);
}
