//! Replay: what the log says, from the head's first segment on, and whether what it does not say is a
//! crash's doing or damage.
//!
//! | found | answer |
//! | --- | --- |
//! | a frame that checks out, next in sequence | applied |
//! | the end of the file where a frame would begin | the end of the log |
//! | anything else, and a later frame says that this one was synced | damage: refused |
//! | anything else, and nothing says so | a crash's tail: dropped, with a warning |
//! | the log ends before what a clean close sealed | damage: refused |
//! | a segment that a rotate frame names is missing or has no header | damage: refused |
//! | the log ends before what was durable when a segment after its end was made | damage: refused |

use std::io;
use std::path::{Path, PathBuf};

use super::flaw::{Flaw, Variant};
use super::frame::{self, Change, Frame, HEADER, Role};
use super::head::Slot;
use super::snapshot::Pairs;

/// Bytes before the first frame of a segment: magic, number, what was durable, checksum.
pub const START: usize = 32;
const MAGIC: u32 = 0x474f_4c43;

/// Where a log segment lies.
pub fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("log-{segment:08}"))
}

/// The bytes with which a segment starts. `synced` is the last frame known durable when it was made: a
/// log that ends before that frame has lost its end.
pub fn header(segment: u32, synced: u64) -> [u8; START] {
    let mut out = [0; START];
    out[..4].copy_from_slice(&MAGIC.to_le_bytes());
    out[4..8].copy_from_slice(&segment.to_le_bytes());
    out[8..16].copy_from_slice(&synced.to_le_bytes());
    let sum = crc32fast::hash(&out[..16]);
    out[16..20].copy_from_slice(&sum.to_le_bytes());
    out
}

/// What the header of a segment says was durable; nothing if it is none.
fn synced(segment: u32, bytes: &[u8]) -> Option<u64> {
    let synced = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
    bytes.starts_with(&header(segment, synced)).then_some(synced)
}

/// Frames begin at multiples of this.
pub fn align(variant: Variant) -> usize {
    if variant == Variant::Recycled { 512 } else { 1 }
}

/// What the log came to.
#[derive(Debug)]
pub struct Replayed {
    /// The segment in which it ends, and where.
    pub segment: u32,
    /// The end of its last frame.
    pub end: u64,
    /// Where its last frame begins.
    pub last_begins: u64,
    /// The number of its last frame.
    pub last: u64,
    /// What was dropped, in words.
    pub dropped: Vec<String>,
    /// True if nothing follows the last frame.
    pub whole: bool,
}

/// Why it cannot be replayed.
#[derive(Debug)]
pub enum Broken {
    /// Damage.
    Damage(String),
    /// It could not be read.
    Unreadable(io::Error),
}

/// Applies the log of `slot` to `pairs`.
pub fn replay(
    dir: &Path,
    slot: &Slot,
    pairs: &mut Pairs,
    variant: Variant,
    flaw: Option<Flaw>,
) -> Result<Replayed, Broken> {
    let mut replay = Replay { dir, variant, flaw, pairs, pending: Vec::new(), sequence: slot.base };
    let mut dropped = Vec::new();
    let mut segment = slot.segment;
    loop {
        let bytes = replay.read(segment)?;
        if synced(segment, &bytes).is_none() {
            return Err(Broken::Damage(format!("log segment {segment} has no header")));
        }
        let (at, last_begins, rotated) = replay.segment(segment, &bytes, &mut dropped)?;
        if rotated {
            segment += 1;
            continue;
        }
        if path(dir, segment + 1).exists() {
            let next = replay.read(segment + 1)?;
            let proof = synced(segment + 1, &next).is_some_and(|synced| synced > replay.sequence);
            let frames = next.get(START..).unwrap_or_default();
            if proof || replay.later_frame(frames, segment + 1, 0).is_some() {
                return Err(Broken::Damage(format!("the end of log segment {segment} is missing")));
            }
        }
        if slot.sealed.is_some_and(|sealed| sealed > replay.sequence) {
            return Err(Broken::Damage(format!(
                "the log ends at frame {} and was closed at frame {}",
                replay.sequence,
                slot.sealed.unwrap_or_default()
            )));
        }
        let whole = at == bytes.len() || variant == Variant::Recycled;
        return Ok(Replayed {
            segment,
            end: at as u64,
            last_begins: last_begins as u64,
            last: replay.sequence,
            whole: whole && dropped.is_empty(),
            dropped,
        });
    }
}

struct Replay<'a> {
    dir: &'a Path,
    variant: Variant,
    flaw: Option<Flaw>,
    pairs: &'a mut Pairs,
    /// Changes that wait for their commit frame.
    pending: Vec<Change>,
    sequence: u64,
}

impl Replay<'_> {
    fn read(&self, segment: u32) -> Result<Vec<u8>, Broken> {
        match std::fs::read(path(self.dir, segment)) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Broken::Damage(format!("log segment {segment} is missing")))
            }
            Err(_) if self.flaw == Some(Flaw::ReadErrorIsEnd) => Ok(header(segment, 0).to_vec()),
            Err(error) => Err(Broken::Unreadable(error)),
        }
    }

    /// Replays one segment. Where its last good frame ends and begins, and whether the log goes on.
    fn segment(
        &mut self,
        segment: u32,
        bytes: &[u8],
        dropped: &mut Vec<String>,
    ) -> Result<(usize, usize, bool), Broken> {
        let (mut at, mut last_begins) = (START, START);
        while at < bytes.len() {
            match self.next(segment, &bytes[at..]) {
                Some(frame) => {
                    last_begins = at;
                    at += frame.len;
                    self.sequence = frame.sequence;
                    if frame.role == Role::Rotate {
                        return Ok((at, last_begins, true));
                    }
                    self.apply(frame);
                }
                None => {
                    if self.flaw == Some(Flaw::RecoveryLoops)
                        && bytes[at..].iter().take(HEADER).all(|byte| *byte == 0)
                    {
                        // A frame of length zero: step over it.
                        std::thread::yield_now();
                        continue;
                    }
                    if let Some(skip) = self.skipped(segment, &bytes[at..]) {
                        at += skip;
                        continue;
                    }
                    self.tail(segment, at, bytes, dropped)?;
                    break;
                }
            }
        }
        Ok((at, last_begins, false))
    }

    fn next(&self, segment: u32, bytes: &[u8]) -> Option<Frame> {
        let frame = frame::decode(bytes, align(self.variant), self.flaw)?;
        let current = frame.segment == segment && frame.sequence == self.sequence + 1;
        let taken_for_new = self.flaw == Some(Flaw::SegmentReuse) && frame.role != Role::Rotate;
        (current || taken_for_new).then_some(frame)
    }

    /// How far the flawed replays step over what is bad.
    fn skipped(&mut self, segment: u32, bytes: &[u8]) -> Option<usize> {
        let skips = [Some(Flaw::SkipsBadFrames), Some(Flaw::RelaxedSkipsBadFrames)];
        if !skips.contains(&self.flaw) {
            return None;
        }
        let (at, frame) = self.later_frame(bytes, segment, self.sequence)?;
        self.sequence = frame.sequence - 1;
        Some(at)
    }

    /// The next frame of this segment with a later number, wherever it begins.
    fn later_frame(&self, bytes: &[u8], segment: u32, after: u64) -> Option<(usize, Frame)> {
        (0..bytes.len().saturating_sub(HEADER)).find_map(|at| {
            let frame = frame::decode(&bytes[at..], align(self.variant), self.flaw)?;
            (frame.segment == segment && frame.sequence > after).then_some((at, frame))
        })
    }

    /// What stands where no frame is: a crash's tail, or damage.
    fn tail(
        &self,
        segment: u32,
        at: usize,
        bytes: &[u8],
        dropped: &mut Vec<String>,
    ) -> Result<(), Broken> {
        if self.flaw == Some(Flaw::SilentTail) {
            return Ok(());
        }
        let expected = self.sequence + 1;
        let mut rest = &bytes[at..];
        while let Some((skip, frame)) = self.later_frame(rest, segment, expected) {
            if frame.synced >= expected {
                return Err(Broken::Damage(format!(
                    "log segment {segment}: frame {expected} at byte {at} is damaged"
                )));
            }
            rest = &rest[skip + frame.len.min(rest.len() - skip)..];
        }
        if path(self.dir, segment + 1).exists() {
            let next = self.read(segment + 1)?;
            let next = next.get(START..).unwrap_or_default();
            if self.later_frame(next, segment + 1, expected).is_some() {
                return Err(Broken::Damage(format!(
                    "log segment {segment}: frame {expected} at byte {at} is damaged"
                )));
            }
        }
        // In a segment that is used again, older frames follow the end.
        if self.variant != Variant::Recycled {
            dropped.push(format!(
                "log segment {segment}: dropped {} bytes after frame {}",
                bytes.len() - at,
                self.sequence
            ));
        }
        Ok(())
    }

    fn apply(&mut self, frame: Frame) {
        match frame.role {
            Role::Pending => self.pending.extend(frame.changes),
            Role::Commit => {
                let pending = std::mem::take(&mut self.pending);
                pending.into_iter().for_each(|change| apply(self.pairs, change));
            }
            Role::Changes => {
                // What was pending and never committed does not count, unless the flaw commits it.
                let pending = std::mem::take(&mut self.pending);
                if self.flaw == Some(Flaw::Resurrects) {
                    pending.into_iter().for_each(|change| apply(self.pairs, change));
                }
                frame.changes.into_iter().for_each(|change| apply(self.pairs, change));
            }
            Role::Rotate => {}
        }
    }
}

/// One change.
pub fn apply(pairs: &mut Pairs, change: Change) {
    match change.value {
        Some(value) => drop(pairs.insert(change.key, value)),
        None => drop(pairs.remove(&change.key)),
    }
}
