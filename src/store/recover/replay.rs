//! Reads the log from the start on, applies what is committed, and finds where the log ends.
//! Changes nothing on disk.

use crate::store::decide::{Decision, Next, Stop, decide};
use crate::store::error::{Damage, OpenError};
use crate::store::frame::{Bad, Decoded, Status};
use crate::store::fs::{self, Dir};
use crate::store::log::End;
use crate::store::names::{self, Listing};
use crate::store::op::Op;
use crate::store::report::Notice;
use crate::store::segment::{self, Frames, Header};
use crate::store::table::file_of;

use super::load::Loaded;
use super::{Replayed, Witness};

/// Reads every segment from the start on.
pub(crate) fn replay(
    dir: &Dir,
    listing: &Listing,
    loaded: Loaded,
    witness: &Witness,
) -> Result<Replayed, OpenError> {
    let start = loaded.header.segment();
    let is_newest = loaded.checkpoint.is_some() && !loaded.fell_back;
    let mut state = Replayed {
        table: loaded.table,
        checkpoint: loaded.checkpoint,
        previous: loaded.header.previous,
        fell_back: loaded.fell_back,
        unproved_checkpoint: loaded.checkpoint.filter(|_| is_newest),
        frames: 0,
        base: start.base,
        bytes: Vec::new(),
        end: End {
            position: start.base,
            chain: start.chain,
            next_transaction: start.next_transaction,
        },
        proved: start.base,
        torn: None,
        damage: None,
        next_value: loaded.header.next_value,
        notices: Vec::new(),
    };
    let bases: Vec<u64> = listing.segments.range(start.base..).copied().collect();
    for (index, &base) in bases.iter().enumerate() {
        let name = names::segment(base);
        let bytes = fs::read_all(&dir.open_read(&name)?, &dir.file(&name))?;
        let found =
            segment(&mut state, &bytes, base, bases.get(index + 1).copied(), listing, witness);
        let is_last = match found {
            Ok(goes_on) => !goes_on,
            Err(damage) => {
                state.damage = Some(damage);
                true
            }
        };
        if state.base == base {
            state.bytes = bytes;
        }
        if is_last {
            break;
        }
    }
    state.proved = state.proved.max(witness.position).min(state.end.position);
    Ok(state)
}

/// Reads one segment; true if the next one goes on.
fn segment(
    state: &mut Replayed,
    bytes: &[u8],
    base: u64,
    next: Option<u64>,
    listing: &Listing,
    witness: &Witness,
) -> Result<bool, Damage> {
    let name = names::segment(base);
    let header = Header::decode(bytes, base).map_err(|what| Damage::new(&*name, 0, what))?;
    let End { position, chain, next_transaction } = state.end;
    if header != (Header { base: position, next_transaction, chain }) {
        return Err(Damage::new(name, 0, "it does not follow the log before it"));
    }
    state.base = base;
    // Its name says that the log before it was synced.
    state.proved = state.proved.max(base);
    let mut frames = Frames::new(bytes, &header);
    let bad = loop {
        let at = frames.position;
        match frames.next_frame() {
            None => break None,
            Some(Err(bad)) => break Some(bad),
            Some(Ok(frame)) => apply(state, listing, &frame)
                .map_err(|bad| Damage::new(&*name, frames.offset(at) as u64, bad.reason()))?,
        }
        (state.end.position, state.end.chain) = (frames.position, frames.chain);
    };
    let end = state.end.position;
    let stop = if bad.is_some() { Stop::Torn } else { Stop::Exact };
    let next = match next {
        None => Next::None,
        Some(next) if next == end => Next::At,
        Some(next) if next < end => Next::Before,
        Some(_) => Next::After,
    };
    let proof = match next {
        Next::None => beyond(&frames, bad, end, witness),
        _ => None,
    };
    let offset = frames.offset(end) as u64;
    let reason = bad.map_or("the file ends", Bad::reason);
    let gone = |what: String| Err(Damage::new(&*name, offset, format!("{reason}, but {what}")));
    match decide(stop, next, proof.is_some()) {
        Decision::Whole => Ok(false),
        Decision::CutTail => {
            let bytes = (bytes.len() as u64).saturating_sub(offset);
            state.torn = Some(reason);
            state.notices.push(Notice::TailDropped { file: name, offset, bytes, reason });
            Ok(false)
        }
        Decision::GoOn => Ok(true),
        Decision::PassOverJunk => {
            let bytes = (bytes.len() as u64).saturating_sub(offset);
            state.notices.push(Notice::JunkIgnored { file: name, offset, bytes });
            Ok(true)
        }
        Decision::EndIsGone => gone(proof.unwrap_or_default()),
        Decision::PartIsGone => gone("a later segment begins further on".to_string()),
        Decision::TwoPasts => gone("a later segment begins before that".to_string()),
    }
}

/// What proves that the log was once synced beyond its end, in words.
fn beyond(frames: &Frames<'_>, bad: Option<Bad>, end: u64, witness: &Witness) -> Option<String> {
    if witness.position > end {
        let Witness { position, name } = witness;
        return Some(format!("{name} proves that the log was synced up to position {position}"));
    }
    bad?;
    match frames.proof_beyond() {
        Ok(Some(position)) if position > end => {
            Some(format!("a later frame proves that the log was synced up to position {position}"))
        }
        Ok(_) => None,
        Err(()) => Some("what follows is made to look like frames and is none".to_string()),
    }
}

/// Puts a frame that checked out in force. That it makes no sense is no crash's doing: its CRC
/// says that it was written so.
fn apply(state: &mut Replayed, listing: &Listing, frame: &Decoded<'_>) -> Result<(), Bad> {
    let head = frame.head;
    match head.status {
        Status::Committed | Status::Pending => {
            if head.transaction != state.end.next_transaction {
                return Err(Bad::Body);
            }
            let ops = frame.ops()?;
            state.end.next_transaction += 1;
            let newest = ops.iter().filter_map(file_of).map(|file| file.id).max();
            state.next_value = state.next_value.max(newest.map_or(0, |id| id.saturating_add(1)));
            put_in_force(state, head.status, head.transaction, ops, head.position);
        }
        Status::Resolved => {
            if !state.table.resolve(head.transaction, head.position) {
                return Err(Bad::Body);
            }
        }
        Status::Aborted => {
            if !state.table.abort(head.transaction, head.position) {
                return Err(Bad::Body);
            }
        }
        Status::Checkpointed => {
            let position = frame.checkpoint().ok_or(Bad::Body)?;
            if state.checkpoint == Some(position) {
                state.unproved_checkpoint = None;
            } else if state.checkpoint.is_none_or(|start| start < position)
                && !listing.checkpoints.contains(&position)
            {
                state.fell_back = true;
                state.notices.push(Notice::CheckpointUnusable {
                    file: names::checkpoint(position),
                    what: "it is missing".to_string(),
                });
            }
        }
        Status::Barrier => {}
    }
    state.frames += 1;
    state.proved = state.proved.max(head.durable_to);
    Ok(())
}

fn put_in_force(state: &mut Replayed, status: Status, transaction: u64, ops: Vec<Op>, at: u64) {
    match status {
        Status::Pending => state.table.prepare(transaction, ops),
        _ => state.table.apply(ops, at),
    }
}

// What `repair` writes back begins after the header.
const _: () = assert!(segment::HEADER_BYTES == 64);
