//! Taking a checkpoint, and removing what it makes superfluous.
//!
//! Order is everything here. Each step is durable before the next begins:
//!
//! 1. the log is synced, and a new, empty segment begins where it ends;
//! 2. the checkpoint is written beside, synced, renamed into place, and its name synced;
//! 3. a frame says so; from here on nobody doubts the checkpoint;
//! 4. what only an older fallback than the previous checkpoint would need is removed.
//!
//! Two checkpoints and the log since the older are kept, so that one damaged checkpoint costs
//! nothing. Writers wait meanwhile.

use std::sync::{PoisonError, RwLock};

use super::checkpoint::{Header, encode};
use super::counters::count;
use super::disk::Disk;
use super::error::WriteError;
use super::frame::{Body, Status};
use super::fs::append_all;
use super::log::Log;
use super::mark::Mark;
use super::names::{self, Listing};
use super::options::Options;
use super::table::{Dead, Table};

/// What one thread at a time may change: the log's end, the mark, the newest checkpoint.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) log: Log,
    pub(crate) mark: Mark,
    /// Position of the newest checkpoint.
    pub(crate) checkpoint: Option<u64>,
    /// Where the log ended when there was nothing that the newest checkpoint does not hold.
    pub(crate) covered_to: Option<u64>,
    /// Where the log must have grown to before a checkpoint is tried by itself.
    pub(crate) next_automatic: u64,
}

impl Keeper {
    /// Takes a checkpoint, if anything happened since the last one.
    pub(crate) fn checkpoint(
        &mut self,
        disk: &Disk,
        options: &Options,
        table: &RwLock<Table>,
        next_value: u64,
    ) -> Result<(), WriteError> {
        // Whatever comes of it, the next attempt waits for as much log again.
        self.next_automatic =
            self.log.end.position.saturating_add(options.checkpoint_bytes.unwrap_or(u64::MAX));
        disk.check()?;
        if self.covered_to == Some(self.log.end.position) {
            return Ok(());
        }
        self.log.rotate(disk)?;
        let position = self.log.end.position;
        let header = Header {
            position,
            previous: self.checkpoint,
            chain: self.log.end.chain,
            next_transaction: self.log.end.next_transaction,
            next_value,
        };
        let keep = self.checkpoint.unwrap_or(0);
        publish(disk, &header, table, keep)?;
        disk.sync_names()?;
        let mut draft = self.log.draft();
        let last = draft.next_transaction().saturating_sub(1);
        let now = options.clock.now_ns();
        draft.add(Status::Checkpointed, Some(last), now, &Body::Checkpoint(position));
        self.log.append(disk, draft)?;
        self.log.sync(disk)?;
        count(&disk.counters.checkpoints, 1);
        let previous = self.checkpoint.replace(position);
        self.covered_to = Some(self.log.end.position);
        // From here on nothing can fail that the next `open` would not make good.
        let _ = self.mark.write(&disk.dir, self.log.end.position, disk.counters.totals());
        remove(disk, table, position, previous, keep);
        Ok(())
    }
}

fn publish(
    disk: &Disk,
    header: &Header,
    table: &RwLock<Table>,
    keep: u64,
) -> Result<(), WriteError> {
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    let dead: Vec<Dead> = table.dead.iter().copied().filter(|dead| dead.since >= keep).collect();
    let name = names::checkpoint(header.position);
    disk.dir.publish_with(&name, |file, path| {
        encode(header, &table, &dead, &mut |bytes| append_all(file, path, bytes))
    })?;
    Ok(())
}

/// Removes what nothing needs any more. What cannot be removed now is removed by the next `open`.
fn remove(disk: &Disk, table: &RwLock<Table>, position: u64, previous: Option<u64>, keep: u64) {
    let mut contents = table.write().unwrap_or_else(PoisonError::into_inner);
    let (kept, gone) = contents.dead.drain(..).partition(|dead| dead.since >= keep);
    contents.dead = kept;
    drop(contents);
    let gone: Vec<Dead> = gone;
    for dead in gone {
        let _ = disk.dir.remove(&names::value(dead.id));
    }
    let Ok(listed) = disk.dir.names() else { return };
    let listing = Listing::new(listed);
    let is_old = |&&at: &&u64| at != position && Some(at) != previous;
    for &old in listing.checkpoints.iter().filter(is_old) {
        let _ = disk.dir.remove(&names::checkpoint(old));
    }
    for &old in listing.segments.range(..keep) {
        let _ = disk.dir.remove(&names::segment(old));
    }
}
