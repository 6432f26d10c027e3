//! Files with a live shared writable mapping: what the program stores into memory makes no call, so
//! their pages are compared with what was known of them, at every traced event, while all threads
//! stand still. The file is read and never mapped here: a hole stays a hole, and a file that shrinks
//! meanwhile hurts nobody.
//!
//! A store of the bytes that are there already is not seen, and changes nothing but for one thing: after a
//! sync that failed it makes clean pages dirty, so that the next sync writes them. A program that did
//! anything traced since the failure, or was asked for anything, is taken to have stored to all of the file
//! before its next sync: one that opens its file anew, or does the failed transaction again, puts the same
//! bytes there again, and must not be accused. One that syncs once more and believes it is caught, and so is
//! one that acknowledges what was not synced, until then.
//!
//! Not here: who is stopped meanwhile ([`super::stores`]).

mod shadow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use shadow::Shadow;

use crate::trace::{FileId, FileOp};

/// So many bytes in all are compared where it decides nothing; then every file counts as large, or a
/// program with a few megabytes mapped and many calls would stand still. Bytes and no time: the same
/// program is recorded alike again.
const EFFORT_BYTES: u64 = 4 << 30;

/// Every file with a live shared writable mapping.
#[derive(Debug, Default)]
pub struct Mappings {
    files: BTreeMap<FileId, Shadow>,
    /// Files a sync of which failed.
    failed: BTreeSet<FileId>,
    /// Those of them whose program did something else since.
    anew: BTreeSet<FileId>,
    /// A shared mapping is there that a change of protection could make writable.
    may_gain: bool,
    /// A mapping may have ended since the last look.
    may_end: bool,
    compared: u32,
    /// Bytes compared where it decided nothing.
    effort_bytes: u64,
}

/// Bytes that were stored: where and what.
#[derive(Debug, PartialEq, Eq)]
pub struct Store {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub offset: u64,
    /// From the first to the last byte that differs, over neighbouring pages.
    pub bytes: Vec<u8>,
}

impl Mappings {
    /// True if no file has a live mapping.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// True if this file has one.
    pub fn has(&self, file: FileId) -> bool {
        self.files.contains_key(&file)
    }

    /// A mapping that is not writable yet.
    pub fn expect_protection_change(&mut self) {
        self.may_gain = true;
    }

    /// True if a change of protection must be looked at.
    pub fn may_gain(&self) -> bool {
        self.may_gain
    }

    /// Something happened after which a mapping may have ended.
    pub fn may_end(&mut self) {
        self.may_end = true;
    }

    /// True if it is time to look which mappings still live.
    pub fn is_look_due(&mut self) -> bool {
        const EVERY: u32 = 64;
        let due = !self.files.is_empty() && (self.may_end || self.compared >= EVERY);
        if due {
            self.may_end = false;
            self.compared = 0;
        }
        due
    }

    /// `file` has a live mapping from now on; its bytes of this moment are known.
    pub fn add(&mut self, file: FileId, handle: File) -> io::Result<()> {
        if self.files.contains_key(&file) {
            return Ok(());
        }
        self.files.insert(file, Shadow::of(handle)?);
        Ok(())
    }

    /// Another directory is looked at from now on, of which nothing is mapped.
    pub fn forget_files(&mut self) {
        *self = Self { may_gain: self.may_gain, ..Self::default() };
    }

    /// The program does something that is no sync.
    pub fn went_on(&mut self) {
        self.anew.clone_from(&self.failed);
    }

    /// What may have been stored again since a sync failed; asked before each sync.
    pub fn stored_again(&mut self) -> Vec<Store> {
        let mut stores = Vec::new();
        for id in std::mem::take(&mut self.anew) {
            let Some(shadow) = self.files.get(&id) else { continue };
            self.failed.remove(&id);
            stores.extend(shadow.all().map(|(offset, bytes)| Store { file: id, offset, bytes }));
        }
        stores
    }

    /// Keeps only the files whose inode number is among `live`.
    pub fn keep(&mut self, live: &[u64]) {
        self.files.retain(|_, shadow| live.contains(&shadow.ino()));
    }

    /// The file with this inode number, if it has a live mapping.
    pub fn by_inode(&self, ino: u64) -> Option<FileId> {
        self.files.iter().find(|(_, shadow)| shadow.ino() == ino).map(|(file, _)| *file)
    }

    /// What was stored since the last comparison. Large files only if `must`.
    pub fn compare(&mut self, must: bool) -> io::Result<Vec<Store>> {
        self.compared += 1;
        let mut stores = Vec::new();
        let tired = self.is_tired();
        for (id, shadow) in &mut self.files {
            if must || !(tired || shadow.is_large()) {
                shadow.compare(*id, &mut stores)?;
                self.effort_bytes += if must { 0 } else { shadow.data_bytes() };
            }
        }
        Ok(stores)
    }

    fn is_tired(&self) -> bool {
        self.effort_bytes > EFFORT_BYTES
    }

    /// True if a file is too large to be compared at every event, or there were too many events.
    pub fn is_coarse(&self) -> bool {
        self.is_tired() && !self.files.is_empty() || self.files.values().any(Shadow::is_large)
    }

    /// What a call did to a file is known from the call.
    pub fn apply(&mut self, op: &FileOp) {
        match op {
            FileOp::FailedSync { file, .. } => drop(self.failed.insert(*file)),
            FileOp::Write { file, offset, bytes, .. } => {
                if let Some(shadow) = self.files.get_mut(file) {
                    shadow.put(*offset, bytes);
                }
            }
            FileOp::Zero { file, offset, len } => {
                if let Some(shadow) = self.files.get_mut(file) {
                    shadow.zero(*offset, *len);
                }
            }
            FileOp::Resize { file, from, to, .. } => {
                if let Some(shadow) = self.files.get_mut(file) {
                    shadow.resize(*from, *to);
                }
            }
            _ => {}
        }
    }
}

/// True if blocks are missing between `from` and `to`: writing there takes space.
pub fn has_hole(handle: &impl AsRawFd, from: u64, to: u64) -> bool {
    let Ok(file) = super::handle::reopen(handle) else { return false };
    // SAFETY: as above.
    let hole = unsafe { libc::lseek(file.as_raw_fd(), from as i64, libc::SEEK_HOLE) };
    hole >= 0 && (hole as u64) < to
}

#[cfg(test)]
mod tests;
