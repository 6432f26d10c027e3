//! The replay cursor: the frames of the log in order, from a position on.

use std::collections::VecDeque;
use std::path::Path;

use super::error::{Damage, OpenError, ReadError};
use super::frame::{Bad, Decoded, Head};
use super::fs::{self, Dir};
use super::mark::Mark;
use super::names::{self, Listing};
use super::op::Op;
use super::segment::{Frames, Header};
use super::store::Store;

/// A frame as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedFrame {
    /// What it says.
    pub head: Head,
    /// Its length with header.
    pub length: u64,
    /// The operations of a committed or pending transaction.
    pub ops: Vec<Op>,
    /// What a checkpoint's frame names.
    pub checkpoint: Option<u64>,
}

impl LoggedFrame {
    fn new(frame: &Decoded<'_>) -> Result<Self, Bad> {
        let checkpoint = frame.checkpoint();
        let ops = if checkpoint.is_some() { Vec::new() } else { frame.ops()? };
        Ok(Self { head: frame.head, length: frame.len as u64, ops, checkpoint })
    }
}

/// Gives `(position, frame)` in the order of the log. After an error it ends.
#[derive(Debug)]
pub struct Cursor {
    dir: Dir,
    /// Segments that are still to be read, by where they begin.
    segments: VecDeque<u64>,
    ready: VecDeque<LoggedFrame>,
    from: u64,
    end: u64,
    /// Keeps writers out where the store was not open.
    _mark: Option<Mark>,
}

impl Store {
    /// The frames from position `from` to the log's present end. Those before the older of two
    /// checkpoints were compacted away.
    pub fn frames(&self, from: u64) -> Result<Cursor, ReadError> {
        let end = self.keeper().log.end.position;
        let dir = Dir::open(self.disk.dir.path())?;
        let listing = Listing::new(dir.names()?);
        Cursor::new(dir, &listing, from, end, None)
    }
}

/// The frames of a store that is not open, up to where its log reads well.
pub fn read_frames(path: &Path, from: u64) -> Result<Cursor, OpenError> {
    let dir = Dir::open(path)?;
    let mark = Mark::lock_existing(&dir)?;
    let listing = Listing::new(dir.names()?);
    let oldest = listing.segments.first().copied().unwrap_or(0);
    Cursor::new(dir, &listing, from.max(oldest), u64::MAX, Some(mark)).map_err(
        |error| match error {
            ReadError::Io(failure) => OpenError::Io(failure),
            ReadError::Damaged(damage) => OpenError::Damaged(damage),
            other => OpenError::Damaged(Damage::new(names::segment(from), 0, other.to_string())),
        },
    )
}

impl Cursor {
    fn new(
        dir: Dir,
        listing: &Listing,
        from: u64,
        end: u64,
        mark: Option<Mark>,
    ) -> Result<Self, ReadError> {
        let oldest = listing.segments.first().copied().unwrap_or(0);
        let Some(start) = listing.segments.range(..=from).next_back().copied() else {
            return Err(ReadError::Compacted { wanted: from, oldest });
        };
        let segments = listing.segments.range(start..).copied().collect();
        Ok(Self { dir, segments, ready: VecDeque::new(), from, end, _mark: mark })
    }

    fn read(&mut self, base: u64) -> Result<(), ReadError> {
        let name = names::segment(base);
        let bytes = fs::read_all(&self.dir.open_read(&name)?, &self.dir.file(&name))?;
        let header = Header::decode(&bytes, base).map_err(|what| Damage::new(&*name, 0, what))?;
        let mut frames = Frames::new(&bytes, &header);
        while frames.position < self.end {
            let offset = frames.offset(frames.position) as u64;
            let Some(frame) = frames.next_frame() else { break };
            match frame.and_then(|frame| LoggedFrame::new(&frame)) {
                Ok(frame) if frame.head.position < self.from => {}
                Ok(frame) => self.ready.push_back(frame),
                Err(bad) => {
                    self.segments.clear();
                    // What was read before is given first.
                    let damage = Damage::new(name, offset, bad.reason());
                    return Err(damage.into());
                }
            }
        }
        Ok(())
    }
}

impl Iterator for Cursor {
    type Item = Result<(u64, LoggedFrame), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok((frame.head.position, frame)));
            }
            let base = self.segments.pop_front()?;
            if base >= self.end {
                return None;
            }
            if let Err(error) = self.read(base) {
                if self.ready.is_empty() {
                    self.segments.clear();
                    return Some(Err(error));
                }
                // Come back to it when the frames before it were given.
                let last = self.ready.back().map_or(0, |last| last.head.position + last.length);
                self.from = self.from.max(last);
                self.segments.clear();
                self.segments.push_back(base);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Status;
    use super::super::{Batch, Clock, Options};
    use super::*;

    fn options() -> Options {
        Options { segment_bytes: 500, clock: Clock::fixed(42), ..Options::default() }
    }

    #[test]
    fn a_cursor_gives_every_frame_from_its_position_in_order_and_across_segments() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(place.path(), options()).unwrap();
        for n in 0..20u8 {
            store.put(&[n], &[n; 50]).unwrap();
        }
        let pending = store.prepare(Batch::default().del(b"x")).unwrap();
        store.abort(pending).unwrap();
        let all: Vec<_> = store.frames(0).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 22);
        assert_eq!(
            (all[20].1.head.status, all[21].1.head.status),
            (Status::Pending, Status::Aborted)
        );
        let mut position = 0;
        for (at, frame) in &all {
            assert_eq!(
                (*at, frame.head.position, frame.head.timestamp_ns),
                (position, position, 42)
            );
            position += frame.length;
        }
        let later: Vec<_> = store.frames(all[7].0).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(later, all[7..]);
        assert_eq!(store.frames(position).unwrap().count(), 0);
        drop(store);
        assert_eq!(read_frames(place.path(), 0).unwrap().count(), 22);
    }

    #[test]
    fn positions_that_were_compacted_away_are_named() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(place.path(), options()).unwrap();
        for round in 0..3u8 {
            store.put(b"k", &[round]).unwrap();
            store.checkpoint().unwrap();
        }
        let Err(ReadError::Compacted { wanted: 0, oldest }) = store.frames(0) else { panic!() };
        assert!(oldest > 0 && store.frames(oldest).unwrap().count() > 0);
    }

    #[test]
    fn the_frames_before_damage_are_given_and_then_the_damage() {
        let place = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 1 << 20, ..options() };
        let (store, _) = Store::open(place.path(), options).unwrap();
        let ends: Vec<u64> = (0..9u8)
            .map(|n| {
                store.put(&[n], b"v").unwrap();
                store.stats().position
            })
            .collect();
        drop(store);
        let path = place.path().join(names::segment(0));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[64 + ends[4] as usize + 3] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut cursor = read_frames(place.path(), 0).unwrap();
        assert_eq!(cursor.by_ref().take_while(Result::is_ok).count(), 5);
        drop(cursor);
        let mut cursor = read_frames(place.path(), 0).unwrap().skip(5);
        let Some(Err(ReadError::Damaged(damage))) = cursor.next() else { panic!() };
        assert_eq!(damage.offset, 64 + ends[4]);
        assert!(cursor.next().is_none());
    }
}
