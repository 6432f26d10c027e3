//! The profile `xfs`: what was observed, not a promise.
//!
//! * Metadata is in total order: always a prefix of it survives. A Grow needs all metadata that came
//!   before its write (the size is set when the bytes have arrived).
//! * fsync(file) also makes durable all metadata up to the file's latest creation, growth, shrink,
//!   punch, link, unlink or rename; fdatasync(file) the same (any change but timestamps counts).
//! * fsync(directory): all metadata up to the directory's latest change.
//! * Lost part of an append: absent, or zeros where the size covers it; never garbage. A page that
//!   had no blocks is wholly there or not at all.
//! * A rename, over an existing file or not, is unordered with its source's data: the target may be
//!   empty.
//! * A write with O_SYNC or O_DSYNC does not flush earlier unsynced pages below it.
//!
//! Areas not covered: realtime devices, reflinked files (a FICLONE is bytes copied), external logs.

use super::durable::{Durable, FileSync, Seen};
use crate::trace::FileId;

/// What a sync of a file adds.
pub(super) fn file_synced(durable: &mut Durable, call: FileSync, seen: Seen<'_>) {
    let latest =
        |changes: &std::collections::BTreeMap<_, _>| changes.get(&call.file).copied().unwrap_or(0);
    let position = latest(&seen.facts.change).max(latest(&seen.facts.unlinked));
    durable.mark_metadata(position, seen);
}

/// What a sync of a directory adds.
pub(super) fn directory_synced(durable: &mut Durable, dir: FileId, seen: Seen<'_>) {
    let changes = [&seen.facts.dir_change, &seen.facts.change];
    let latest = changes.into_iter().filter_map(|changes| changes.get(&dir)).max();
    durable.mark_metadata(latest.copied().unwrap_or(0), seen);
}
