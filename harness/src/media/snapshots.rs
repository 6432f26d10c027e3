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
mod tests;
