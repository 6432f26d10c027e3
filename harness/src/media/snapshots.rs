//! What the directory looked like after each acknowledgement, and what that says of damage: how a
//! block was before, when damaged bytes were written, and whether a damaged directory is one that a
//! crash could have left (ORACLE.md, Rollback).
//!
//! Without a recording, the states in between two snapshots are known only so far: each byte that is
//! the same in both was not touched, and what is not the same was being written. A damaged directory
//! that differs from the earlier of two neighbours only in what was being written is one that a
//! crash between them could have left under `strict`, where a lost write leaves garbage. Not covered:
//! what is written and written back between two acknowledgements.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::damage::{Damage, Harm};
use crate::image::{Content, Image};
use crate::workload::Moment;

/// How much of the surroundings of a damaged byte must be found to call it a copy.
const WINDOW_BYTES: u64 = 16;

/// The directory after each acknowledgement.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    /// In the order of moments; what did not change anything is not kept.
    states: Vec<(Moment, Image)>,
    /// Hashes of further legal crash states.
    legal: BTreeSet<u128>,
}

impl Snapshots {
    /// Adds the directory as it was after the acknowledgement at `moment`.
    pub fn push(&mut self, moment: Moment, image: Image) {
        match self.states.last_mut() {
            // The same bytes: whatever was acknowledged since needed no others.
            Some((last, state)) if state.hash() == image.hash() => *last = moment,
            _ => self.states.push((moment, image)),
        }
    }

    /// Adds the hash of a legal crash state of an earlier moment, from a recording.
    pub fn add_legal(&mut self, hash: u128) {
        self.legal.insert(hash);
    }

    /// The moments and the directories.
    pub fn states(&self) -> &[(Moment, Image)] {
        &self.states
    }

    /// What once stood in a block of `now` and is not what stands there, each once, newest first.
    pub fn older(&self, path: &Path, offset: u64, len: u64, now: &Content) -> Vec<Arc<[u8]>> {
        let current = now.read(offset, len as usize);
        let mut found: Vec<Arc<[u8]>> = Vec::new();
        for (_, state) in self.states.iter().rev() {
            let Some(mut bytes) = state.read(path, offset, len as usize) else { continue };
            // Where the file ended earlier the disk had zeros.
            bytes.resize(current.len().max(bytes.len()), 0);
            if bytes != current && found.iter().all(|other| **other != *bytes) {
                found.push(bytes.into());
            }
        }
        found
    }

    /// True if the damaged directory, which was `whole`, is, or may be, a legal crash state of an earlier
    /// moment. It compares with every pair of neighbours: ask for a case that is about to be called a
    /// silent loss, not for each.
    pub fn is_rollback(&self, damaged: &Image, whole: &Image) -> bool {
        let nothing = Image::empty();
        let states = self.states.iter().map(|(_, state)| state);
        let before = std::iter::once(&nothing).chain(states.clone());
        self.legal.contains(&damaged.hash())
            || states.clone().any(|state| state.hash() == damaged.hash())
            || before.zip(states).any(|(from, to)| in_flight(damaged, whole, from, to))
    }

    /// The latest moment by which none of the damaged bytes of `image` stood where they stand: what
    /// was acknowledged by then was written before them. Nothing where that is not known.
    pub fn written_after(&self, image: &Image, damage: &Damage) -> Option<Moment> {
        let content = image.file(&damage.file)?;
        let (from, to) = damaged_range(content, damage);
        // Backward in time, for as long as none of the damaged bytes is the same.
        let first = self.states.iter().position(|(_, state)| {
            let Some(earlier) = state.file(&damage.file) else { return false };
            match from < to {
                true => any_equal(earlier, content, from, to),
                false => earlier.size() >= content.size(),
            }
        })?;
        Some(self.states[first.checked_sub(1)?].0)
    }

    /// The same, but damaged bytes count as written when they first stood anywhere, in any file: a
    /// log that was compacted holds copies, and what it holds was logged before it was. Searches every
    /// snapshot: ask for a case that is about to be called lost before the damage.
    pub fn first_seen_after(&self, image: &Image, damage: &Damage) -> Option<Moment> {
        let placed = self.written_after(image, damage)?;
        let content = image.file(&damage.file)?;
        let (from, to) = damaged_range(content, damage);
        let step = ((to - from) / 64).max(1);
        let windows: Vec<Vec<u8>> = (from..to)
            .step_by(step as usize)
            .map(|at| {
                let start = at.saturating_sub(WINDOW_BYTES);
                content.read(start, (at - start + 1 + WINDOW_BYTES) as usize)
            })
            .filter(|window| window.iter().any(|byte| *byte != 0))
            .collect();
        let earlier = self.states.iter().take_while(|(moment, _)| *moment <= placed);
        let mut last = None;
        for (moment, state) in earlier {
            let copied = state.files().iter().any(|(_, content)| {
                let bytes = content.bytes();
                windows.iter().any(|window| holds(&bytes, window))
            });
            if copied {
                return last;
            }
            last = Some(*moment);
        }
        last
    }
}

/// The bytes that a damage destroys; empty where it only adds some.
fn damaged_range(content: &Content, damage: &Damage) -> (u64, u64) {
    let size = content.size();
    let (from, to) = match &damage.harm {
        Harm::Flip { offset, .. } => (*offset, offset.saturating_add(1)),
        Harm::Zero { offset, len } | Harm::Garbage { offset, len, .. } => {
            (*offset, offset.saturating_add(*len))
        }
        Harm::Truncate { size: shorter } => (*shorter, size),
        Harm::ExtendZeros { .. } | Harm::ExtendGarbage { .. } => (size, size),
        Harm::Older { offset, bytes } => (*offset, offset.saturating_add(bytes.len() as u64)),
        Harm::Misdirect { offset, len, .. } => (*offset, offset.saturating_add(*len)),
        Harm::Missing => (0, size),
    };
    (from.min(size), to.min(size))
}

/// True if some byte of the range is the same in both.
fn any_equal(a: &Content, b: &Content, from: u64, to: u64) -> bool {
    let len = (to - from) as usize;
    let (a, b) = (a.read(from, len), b.read(from, len));
    a.iter().zip(&b).any(|(a, b)| a == b)
}

/// True if `damaged` differs from `from` only in what differs between `from` and `to`. What is not damaged
/// is what its store wrote there, and no garbage.
fn in_flight(damaged: &Image, whole: &Image, from: &Image, to: &Image) -> bool {
    let empty = Content::default();
    let paths: BTreeSet<_> =
        [damaged, from, to].iter().flat_map(|image| image.files()).map(|(path, _)| path).collect();
    paths.iter().all(|path| {
        let was = whole.file(path).unwrap_or(&empty);
        match (damaged.file(path), from.file(path), to.file(path)) {
            (None, from, to) => from.is_none() || to.is_none(),
            (Some(_), None, None) => false,
            (Some(file), Some(from), Some(to)) => torn(file, was, from, to),
            (Some(file), Some(only), None) => file == only,
            (Some(file), None, Some(only)) => torn(file, was, &empty, only),
        }
    })
}

/// True if the file's size is between those of `from` and `to`, and each byte is that of the one or the
/// other, or was damaged (it is not as it `was`) where one was being written.
fn torn(file: &Content, was: &Content, from: &Content, to: &Content) -> bool {
    if file == from || file == to {
        return true;
    }
    let (least, most) = (from.size().min(to.size()), from.size().max(to.size()));
    if from == to || !(least..=most).contains(&file.size()) {
        return false;
    }
    let mut fits = true;
    from.differences(file, &mut |number, page| {
        let start = number * crate::base::limits::PAGE_BYTES;
        let page = crate::image::Page::bytes_of(page);
        let len = page.len().min(file.size().saturating_sub(start) as usize);
        let [before, after, then] = [from, to, was].map(|content| {
            let mut bytes = content.read(start, len);
            bytes.resize(len, 0);
            bytes
        });
        fits = fits
            && (0..len).all(|at| {
                let (a, b, c) = (before[at], after[at], page[at]);
                let was_being_written = a != b || start + at as u64 >= least;
                c == a || c == b || (c != then[at] && was_being_written)
            });
    });
    fits
}

/// True if `window` stands somewhere in `bytes`.
fn holds(bytes: &[u8], window: &[u8]) -> bool {
    let Some(&first) = window.first() else { return false };
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.into_iter().any(|(at, _)| bytes[at..].starts_with(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::apply;

    /// A log of five frames of 100 bytes, each acknowledged at ten times its number.
    fn log() -> Snapshots {
        let mut snapshots = Snapshots::default();
        let (mut image, mut bytes) = (Image::empty(), Vec::new());
        image.put("other", b"header");
        for number in 1..=5u8 {
            bytes.extend((0..100u8).map(|at| at ^ (number * 37)));
            image.put("log", &bytes);
            snapshots.push(Moment(u64::from(number) * 10), image.clone());
        }
        snapshots
    }

    fn last(snapshots: &Snapshots) -> &Image {
        &snapshots.states().last().unwrap().1
    }

    #[test]
    fn damaged_bytes_were_written_after_the_last_snapshot_without_them() {
        let snapshots = log();
        let after = |text: &str| snapshots.written_after(last(&snapshots), &text.parse().unwrap());
        assert_eq!(after("flip log 350 01"), Some(Moment(30)));
        assert_eq!(after("zero log 150 300"), Some(Moment(10)));
        assert_eq!(after("truncate log 399"), Some(Moment(30)));
        assert_eq!(after("truncate log 400"), Some(Moment(40)));
        assert_eq!(after("extend-garbage log 8 1"), Some(Moment(40)));
        assert_eq!(after("flip log 50 01"), None, "there from the beginning");
        assert_eq!(after("missing log"), None);
        assert_eq!(after("missing none"), None);
    }

    #[test]
    fn copied_bytes_count_from_where_they_were_copied() {
        let mut snapshots = log();
        let frame = last(&snapshots).read("log", 200, 100).unwrap();
        let mut compacted = last(&snapshots).clone();
        compacted.put("log", &frame);
        snapshots.push(Moment(60), compacted);
        let damage = "flip log 50 01".parse().unwrap();
        let image = last(&snapshots);
        assert_eq!(snapshots.first_seen_after(image, &damage), Some(Moment(20)));
    }

    #[test]
    fn what_a_crash_could_have_left_is_a_rollback() {
        let snapshots = log();
        let rollback = |text: &str| {
            let damaged = apply(last(&snapshots), &text.parse().unwrap()).unwrap();
            snapshots.is_rollback(&damaged, last(&snapshots))
        };
        assert!(rollback("truncate log 300"), "an earlier state");
        assert!(rollback("truncate log 350"), "a frame half written");
        assert!(rollback("zero log 420 50"), "the last frame half written");
        assert!(rollback("flip log 499 80"));
        assert!(rollback("missing log"), "before anything was written");
        assert!(!rollback("flip log 350 01"), "a later frame is there");
        assert!(!rollback("zero log 390 20"));
        assert!(!rollback("extend-zeros log 5"));
        assert!(!rollback("flip other 2 01"));
        assert!(!rollback("missing other"));
    }

    #[test]
    fn what_is_not_damaged_bears_witness_and_may_be_in_flight() {
        let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
        for count in 1..5u8 {
            image.put("count", &[count; 8]);
            image.put("log", &vec![7; usize::from(count) * 100]);
            snapshots.push(Moment(u64::from(count)), image.clone());
        }
        let rollback = |text: &str| {
            let damaged = apply(&image, &text.parse().unwrap()).unwrap();
            snapshots.is_rollback(&damaged, &image)
        };
        assert!(
            rollback("truncate log 300"),
            "the count came first, and the log had still to grow"
        );
        assert!(rollback("truncate log 350"));
        assert!(!rollback("truncate log 200"), "a count of four is no garbage");
        assert!(!rollback("missing log"));
        assert!(rollback("zero count 3 5"), "half of it had been written");
    }

    #[test]
    fn a_file_that_was_made_once_and_changed_later_is_not_what_it_was_when_it_was_made() {
        let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
        for value in [1u8, 5] {
            image.put("pages", &[value; 9000]);
            snapshots.push(Moment(u64::from(value)), image.clone());
        }
        // Now each change is of one byte.
        let mut bytes = [5; 9000];
        for at in [10, 5000] {
            bytes[at] = 9;
            image.put("pages", &bytes);
            snapshots.push(Moment(at as u64), image.clone());
        }
        let rollback = |text: &str| {
            let damaged = apply(&image, &text.parse().unwrap()).unwrap();
            snapshots.is_rollback(&damaged, &image)
        };
        assert!(!rollback("flip pages 100 01"));
        assert!(!rollback("zero pages 4096 600"));
        assert!(rollback("flip pages 5000 01"), "it was being written");
    }

    #[test]
    fn legal_states_from_a_recording_are_rollbacks_too() {
        let mut snapshots = log();
        let damaged = apply(last(&snapshots), &"flip log 350 01".parse().unwrap()).unwrap();
        snapshots.add_legal(damaged.hash());
        assert!(snapshots.is_rollback(&damaged, last(&snapshots)));
    }

    #[test]
    fn older_contents_of_a_block_are_each_found_once() {
        let mut snapshots = Snapshots::default();
        let mut image = Image::empty();
        for byte in [1u8, 2, 2, 1, 3] {
            image.put("f", &[byte; 512]);
            snapshots.push(Moment(u64::from(byte)), image.clone());
        }
        let now = image.file("f").unwrap();
        let older = snapshots.older(Path::new("f"), 0, 512, now);
        let firsts: Vec<u8> = older.iter().map(|bytes| bytes[0]).collect();
        assert_eq!(firsts, [1, 2]);
    }
}
