//! Recovery: from the files of a store to its contents and its log's end, whatever happened before.
//!
//! 1. Take the lock, read the mark, list the directory (`names` says what the names alone prove).
//! 2. Load the newest checkpoint that checks out; `load`.
//! 3. Read the log from there to the first place where no frame checks out, and decide by the
//!    table in `decide` what that place means; `replay`.
//! 4. Write anew what will be shown and nothing proves durable, cut off what was dropped, and sync;
//!    `repair`. It is written and not merely synced because after a failed sync the page cache
//!    holds bytes that no later sync will write. Only then may anyone see the contents.
//! 5. Remove what crashes left behind and nothing names; `tidy`.
//!
//! Until step 4 nothing is changed, so a refused store is as it was found. Every step can be cut
//! short and begun again: each leaves either what it found or what it was to bring about.

pub(crate) mod load;
mod repair;
pub(crate) mod replay;
mod tidy;

use std::io;

use super::counters::{Counters, Totals, count};
use super::disk::Disk;
use super::error::{Damage, IoFailure, OpenError, WriteError};
use super::frame::{Body, Status};
use super::fs::Dir;
use super::log::{End, Log};
use super::mark::Mark;
use super::names::{self, Listing};
use super::options::{OnDamage, Options};
use super::report::{Notice, Recovery};
use super::segment;
use super::table::Table;

/// An open store's parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) disk: Disk,
    pub(crate) mark: Mark,
    pub(crate) log: Log,
    pub(crate) table: Table,
    /// Position of the newest checkpoint that checks out.
    pub(crate) checkpoint: Option<u64>,
    pub(crate) next_value: u64,
    /// The checkpoint, or an empty log, holds everything.
    pub(crate) is_covered: bool,
    pub(crate) report: Recovery,
}

/// Opens whatever is in the directory.
pub(crate) fn recover(dir: Dir, options: &Options) -> Result<Parts, OpenError> {
    let mut mark = Mark::lock(&dir)?;
    let listing = Listing::new(dir.names()?);
    if listing.is_bare() && mark.is_unborn && listing.proof.as_ref().is_none_or(|(at, _)| *at == 0)
    {
        return bear(dir, mark);
    }
    let mut report = Recovery::default();
    if mark.is_damaged {
        report.notices.push(Notice::MarkDamaged);
    }
    let salvage = options.on_damage == OnDamage::OpenToLastGood;
    let loaded = load::load(&dir, &listing, &mut report.notices)?;
    let witness = witness(&mark, &listing);
    let replayed = replay::replay(&dir, &listing, loaded, &witness)?;
    if let Some(damage) = replayed.damage.clone().filter(|_| !salvage) {
        return Err(damage.into());
    }
    tidy::check_values(&listing, &replayed.table, salvage, &mut report.notices)?;

    report.checkpoint = replayed.checkpoint;
    report.frames = replayed.frames;
    report.end = replayed.end.position;
    let is_marked = mark.slot().is_some_and(|slot| slot.durable_to >= replayed.end.position);
    report.is_unclean = !is_marked || replayed.torn.is_some() || replayed.damage.is_some();
    let totals = mark.slot().map(|slot| slot.totals).unwrap_or_default();
    let disk = Disk::new(dir, Counters::starting_at(totals));
    count(&disk.counters.recoveries, u64::from(report.is_unclean));
    report.notices.extend(replayed.notices.iter().cloned());

    if let Some(damage) = &replayed.damage {
        let notice = repair::set_aside(&disk, &mut mark, &listing, &replayed, damage)?;
        report.notices.push(notice);
    }
    report.rewritten_bytes = repair::repair(&disk.dir, &replayed, is_marked)?;
    let mut log = Log::new(replayed.base, replayed.end, replayed.end.position);
    if let Some(position) = replayed.unproved_checkpoint {
        finish_checkpoint(&disk, &mut log, position, options)?;
    }
    tidy::tidy(&disk.dir, &listing, &replayed, &mut report.notices);
    if report.is_unclean {
        // True already, so it needs no sync; the next `open` need not do all this again, unless
        // this fails, which harms nobody.
        let _ = mark.write(&disk.dir, log.end.position, disk.counters.totals());
    }
    let is_covered = report.frames == u64::from(replayed.checkpoint.is_some())
        && replayed.unproved_checkpoint.is_none()
        && !replayed.fell_back;
    let next_value = listing.values.last().map_or(0, |id| id.saturating_add(1));
    let next_value = next_value.max(replayed.next_value);
    let (table, checkpoint) = (replayed.table, replayed.checkpoint);
    Ok(Parts { disk, mark, log, table, checkpoint, next_value, is_covered, report })
}

/// Makes a new store. The first segment and its name are durable before the mark says so; until
/// then a crash leaves nothing, or something that is taken for an empty store.
fn bear(dir: Dir, mut mark: Mark) -> Result<Parts, OpenError> {
    dir.publish(&names::segment(0), &segment::Header::default().encode())?;
    dir.sync()?;
    mark.write(&dir, 0, Totals::default())?;
    let end = End { position: 0, chain: 0, next_transaction: 0 };
    Ok(Parts {
        disk: Disk::new(dir, Counters::default()),
        mark,
        log: Log::new(0, end, 0),
        table: Table::default(),
        checkpoint: None,
        next_value: 0,
        is_covered: true,
        report: Recovery::default(),
    })
}

/// What proves that the log was once durable up to a position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    pub(crate) position: u64,
    /// Who says so.
    pub(crate) name: String,
}

pub(crate) fn witness(mark: &Mark, listing: &Listing) -> Witness {
    let marked = mark.slot().map_or(0, |slot| slot.durable_to);
    match &listing.proof {
        Some((position, name)) if *position > marked => {
            Witness { position: *position, name: name.clone() }
        }
        _ => Witness { position: marked, name: names::MARK.to_string() },
    }
}

/// A checkpoint was renamed into place, and nothing says that its name became durable: it is
/// published again, and then the log says so.
fn finish_checkpoint(
    disk: &Disk,
    log: &mut Log,
    position: u64,
    options: &Options,
) -> Result<(), OpenError> {
    let name = names::checkpoint(position);
    let path = disk.dir.file(&name);
    let bytes = super::fs::read_all(&disk.dir.open_read(&name)?, &path)?;
    disk.dir.publish(&name, &bytes)?;
    disk.dir.sync()?;
    let mut draft = log.draft();
    let last = draft.next_transaction().saturating_sub(1);
    draft.add(
        Status::Checkpointed,
        Some(last),
        options.clock.now_ns(),
        &Body::Checkpoint(position),
    );
    log.append(disk, draft).and_then(|()| log.sync(disk)).map_err(|error| match error {
        WriteError::Io(failure) => failure.into(),
        other => IoFailure::new("finish", &path, io::Error::other(other.to_string())).into(),
    })
}

/// The state of the log after it was read.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) table: Table,
    /// The checkpoint that was started from, and the one before it.
    pub(crate) checkpoint: Option<u64>,
    pub(crate) previous: Option<u64>,
    /// A newer checkpoint was unusable.
    pub(crate) fell_back: bool,
    /// The checkpoint that was started from, if nothing proves that its name is durable.
    pub(crate) unproved_checkpoint: Option<u64>,
    pub(crate) frames: u64,
    /// Where the newest segment begins, and its bytes.
    pub(crate) base: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    /// Everything before this is proved durable.
    pub(crate) proved: u64,
    /// Bytes follow the end; why they are no frame.
    pub(crate) torn: Option<&'static str>,
    /// Something durable is gone from the end on.
    pub(crate) damage: Option<Damage>,
    pub(crate) next_value: u64,
    pub(crate) notices: Vec<Notice>,
}
