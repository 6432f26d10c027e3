//! Makes what recovery will show durable. The only part of recovery that changes the log, and it
//! changes no byte of it: what is written is what was read.

use crate::store::disk::Disk;
use crate::store::error::{Damage, IoFailure, OpenError};
use crate::store::fs::{self, Dir};
use crate::store::mark::Mark;
use crate::store::names::{self, Listing};
use crate::store::report::Notice;
use crate::store::segment::{HEADER_BYTES, Header};

use super::Replayed;

/// Cuts off what was dropped, writes again what nothing proves durable, and syncs both. Returns
/// how many bytes were written.
///
/// Whichever of these reaches the disk before a crash, the log reads the same afterwards: the cut
/// removes only what would be dropped again, and the bytes written are those that are there.
pub(super) fn repair(dir: &Dir, state: &Replayed, is_marked: bool) -> Result<u64, IoFailure> {
    let name = names::segment(state.base);
    let path = dir.file(&name);
    let end = state.end.position;
    if end == state.base {
        // The mark of a new store is written after its first segment's name is durable.
        if is_marked && end == 0 && state.torn.is_none() && state.damage.is_none() {
            return Ok(0);
        }
        // Without frames nothing proves that the segment's name is durable: publish it again. The mark
        // proves the log up to here, and may have been written before the segment was made.
        let header = Header {
            base: state.base,
            next_transaction: state.end.next_transaction,
            chain: state.end.chain,
        };
        dir.publish(&name, &header.encode())?;
        dir.sync()?;
        return Ok(HEADER_BYTES as u64);
    }
    let is_torn = state.torn.is_some() || state.damage.is_some();
    if !is_torn && state.proved == end {
        return Ok(0);
    }
    let file = dir.open_file(&name)?;
    let offset = |position: u64| HEADER_BYTES as u64 + position - state.base;
    if is_torn {
        fs::cut(&file, &path, offset(end))?;
    }
    let proved = state.proved.max(state.base);
    let unproved =
        state.bytes.get(offset(proved) as usize..offset(end) as usize).unwrap_or_default();
    fs::write_at(&file, &path, unproved, offset(proved))?;
    fs::sync_all(&file, &path)?;
    Ok(unproved.len() as u64)
}

/// Opens a damaged store as was asked: everything after the last good frame is moved aside, so
/// that nobody finds it proved any more, and nothing is thrown away. Cut short, the store is as
/// damaged as before, or less.
pub(super) fn set_aside(
    disk: &Disk,
    mark: &mut Mark,
    listing: &Listing,
    state: &Replayed,
    damage: &Damage,
) -> Result<Notice, OpenError> {
    let dir = &disk.dir;
    let end = state.end.position;
    let mut kept_in = Vec::new();
    let offset = (HEADER_BYTES as u64 + end - state.base) as usize;
    if let Some(tail) = state.bytes.get(offset..).filter(|tail| !tail.is_empty()) {
        let name = format!("{}{}-tail", names::LOST, names::segment(state.base));
        dir.publish(&name, tail)?;
        kept_in.push(name);
    }
    let segments = listing.segments.iter().filter(|&&base| base > state.base);
    let checkpoints = listing.checkpoints.iter().filter(|&&position| position > end);
    let names = segments.map(|&base| names::segment(base));
    let names = names.chain(checkpoints.map(|&position| names::checkpoint(position)));
    // The newest first, so that being cut short leaves no gap that was not there.
    let mut names: Vec<String> = names.collect();
    names.sort_by(|a, b| b.rsplit('-').next().cmp(&a.rsplit('-').next()));
    // Values that only what was dropped could name, and what would prove it.
    let known = super::tidy::known_values(&state.table);
    let values = listing.values.difference(&known).map(|&id| names::value(id));
    let rest = values.chain(listing.temporaries.iter().cloned());
    for name in names.into_iter().chain(rest) {
        let kept = format!("{}{name}", names::LOST);
        dir.rename(&name, &kept)?;
        kept_in.push(kept);
    }
    dir.sync()?;
    mark.write(dir, end, disk.counters.totals())?;
    // Both slots, so that none proves more than there is.
    mark.write(dir, end, disk.counters.totals())?;
    mark.sync(&dir.file(names::MARK))?;
    Ok(Notice::Salvaged { damage: damage.to_string(), kept_in })
}
