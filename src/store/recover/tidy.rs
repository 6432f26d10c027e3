//! Removes what crashes left behind, and only what can be proved to belong to nothing.

use std::collections::BTreeSet;

use crate::store::error::OpenError;
use crate::store::fs::Dir;
use crate::store::names::{self, Listing};
use crate::store::report::Notice;
use crate::store::table::Table;
use crate::store::values;

use super::Replayed;

/// Makes sure that the file of every value is there. Its bytes are checked when they are read.
pub(super) fn check_values(
    listing: &Listing,
    table: &Table,
    salvage: bool,
    notices: &mut Vec<Notice>,
) -> Result<(), OpenError> {
    for file in table.live_files().filter(|file| !listing.values.contains(&file.id)) {
        if !salvage {
            return Err(values::missing(file).into());
        }
        notices.push(Notice::ValueMissing { file: names::value(file.id) });
    }
    Ok(())
}

/// The value files that something names: a key, a prepared transaction, or a fallback.
pub(super) fn known_values(table: &Table) -> BTreeSet<u64> {
    let live = table.live_files().map(|file| file.id);
    live.chain(table.dead.iter().map(|dead| dead.id)).collect()
}

/// Removes temporary files, value files that no frame names, and what an interrupted compaction
/// was about to remove. Nothing needs to be synced, and nothing needs to succeed: what stays or
/// comes back is removed by a later `open`, and no name is used twice.
pub(super) fn tidy(dir: &Dir, listing: &Listing, state: &Replayed, notices: &mut Vec<Notice>) {
    if state.damage.is_some() {
        return;
    }
    for name in &listing.temporaries {
        let _ = dir.remove(name);
    }
    if !listing.values.is_empty() {
        for &id in listing.values.difference(&known_values(&state.table)) {
            let file = names::value(id);
            if dir.remove(&file).is_ok() {
                notices.push(Notice::OrphanRemoved { file });
            }
        }
    }
    let Some(checkpoint) = state.checkpoint.filter(|_| !state.fell_back) else { return };
    // The fallback: the checkpoint before and the log from there, or the log from its beginning.
    let keep = state.previous.unwrap_or(0);
    for &position in
        listing.checkpoints.range(..checkpoint).filter(|&&at| Some(at) != state.previous)
    {
        let _ = dir.remove(&names::checkpoint(position));
    }
    for &base in listing.segments.range(..keep) {
        let _ = dir.remove(&names::segment(base));
    }
    let missing = state.previous.filter(|previous| !listing.checkpoints.contains(previous));
    let file = match missing {
        Some(previous) => names::checkpoint(previous),
        None if !listing.segments.contains(&keep) => names::segment(keep),
        None => return,
    };
    notices.push(Notice::FallbackMissing { file });
}
