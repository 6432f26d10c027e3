//! The open store: frames appended and synced, the log rotated, checkpoints published. What a flaw
//! changes stands where it is changed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_harness::workload::Mutation;

use super::flaw::{Flaw, Variant};
use super::frame::{self, Change, Place, Role};
use super::head::{Head, Slot};
use super::replay::{self, START, align, apply};
use super::snapshot::{self, Pairs};

/// A segment is followed by another once it is this long.
const SEGMENT: u64 = 48 << 10;
/// A checkpoint is made by itself once there are so many segments.
const SEGMENTS: u32 = 6;
/// What the flaw `user-buffer` gathers.
const BUFFER: usize = 64 << 10;

/// The store behind its lock.
#[derive(Debug)]
pub struct Store {
    pub(super) dir: PathBuf,
    pub(super) variant: Variant,
    pub(super) flaw: Option<Flaw>,
    pub(super) pairs: Pairs,
    pub(super) head: Head,
    pub(super) log: Arc<File>,
    pub(super) segment: u32,
    pub(super) end: u64,
    /// The number of the last frame, and of the last one known durable.
    pub(super) last: u64,
    pub(super) synced: u64,
    /// Frames that a flaw holds back.
    pub(super) held_back: Vec<u8>,
    /// Where a flaw will cut the log at close.
    pub(super) cut: Option<u64>,
    /// Why nothing more can be written until the store is opened again.
    pub(super) poisoned: Option<String>,
    /// Held as long as the store is open: one opener at a time.
    pub(super) _lock: File,
    /// The lock file of the flaw `stale-lock`.
    pub(super) lock_file: Option<PathBuf>,
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(path) = &self.lock_file {
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn sync_dir(dir: &Path, flaw: Option<Flaw>) -> io::Result<()> {
    if flaw == Some(Flaw::NoDirFsync) { Ok(()) } else { File::open(dir)?.sync_all() }
}

/// A new, empty, durable segment. Its name is durable once the directory is synced.
pub(super) fn new_segment(dir: &Path, segment: u32, synced: u64) -> io::Result<File> {
    let path = replay::path(dir, segment);
    let spare = dir.join("spare");
    // Used again where there is one; what it held is still there behind the new header.
    if spare.exists() {
        std::fs::rename(&spare, &path)?;
    }
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
    file.write_all_at(&replay::header(segment, synced), 0)?;
    file.sync_all()?;
    Ok(file)
}

impl Store {
    fn flawed(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Writes the changes of one request. They are durable when this returns, but for the variants
    /// that say otherwise.
    pub(super) fn write(&mut self, changes: &[Mutation]) -> Result<(), String> {
        self.healthy()?;
        if self.flawed(Flaw::AckBeforeFsync) {
            self.sync_log()?;
        }
        let logged: Vec<Mutation> = match self.flawed(Flaw::DeleteNotLogged) {
            true => changes.iter().filter(|change| change.value().is_some()).cloned().collect(),
            false => changes.to_vec(),
        };
        if changes.len() > 1 && self.flawed(Flaw::BatchWithoutMark) {
            for change in &logged {
                self.append(Role::Changes, std::slice::from_ref(change))?;
            }
        } else if changes.len() > 1 && self.variant == Variant::TwoPhase {
            self.append(Role::Pending, &logged)?;
            self.sync_log()?;
            self.append(Role::Commit, &[])?;
        } else if !logged.is_empty() {
            self.append(Role::Changes, &logged)?;
        }
        match self.variant {
            Variant::Relaxed | Variant::LazyClose | Variant::Group => {}
            _ if self.flawed(Flaw::AckBeforeFsync) || self.flawed(Flaw::UserBuffer) => {}
            _ => self.sync_log()?,
        }
        for change in changes {
            let key = change.key().as_str().as_bytes().to_vec();
            let value = change.value().map(|value| value.as_str().as_bytes().to_vec());
            apply(&mut self.pairs, Change { key, value });
        }
        self.grow()
    }

    pub(super) fn healthy(&self) -> Result<(), String> {
        match &self.poisoned {
            Some(why) => Err(format!("not writable until opened again: {why}")),
            None => Ok(()),
        }
    }

    fn poison<T>(&mut self, error: io::Error) -> Result<T, String> {
        let text = error.to_string();
        self.poisoned = Some(text.clone());
        Err(text)
    }

    fn append(&mut self, role: Role, changes: &[Mutation]) -> Result<(), String> {
        let place = Place { segment: self.segment, sequence: self.last + 1, synced: self.synced };
        let bytes = frame::encode(place, role, changes, align(self.variant), self.flaw);
        if self.flawed(Flaw::AckBeforeWrite) {
            self.flush_held_back()?;
            self.held_back = bytes;
        } else if self.flawed(Flaw::UserBuffer) {
            self.held_back.extend_from_slice(&bytes);
            if self.held_back.len() > BUFFER {
                self.flush_held_back()?;
            }
        } else if self.flawed(Flaw::FailedWriteKept) {
            self.last += 1;
            return self.put(&bytes);
        } else {
            self.put(&bytes)?;
        }
        self.last += 1;
        Ok(())
    }

    /// Appends bytes to the log. What a failed write left is cut off again; if even that fails, nothing
    /// more is written.
    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = if self.flawed(Flaw::ShortWrite) {
            self.log.write_at(bytes, self.end).map(drop)
        } else {
            self.log.write_all_at(bytes, self.end)
        };
        match written {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) if self.flawed(Flaw::HalfFrame) => {
                // Whatever was written stays, and the next frame follows it.
                let len = self.log.metadata().map_or(self.end, |meta| meta.len());
                self.end = self.end.max(len) + 1;
                Err(error.to_string())
            }
            Err(error) if self.variant == Variant::Recycled => self.poison(error),
            Err(error) => match self.log.set_len(self.end) {
                Ok(()) => Err(error.to_string()),
                Err(_) => self.poison(error),
            },
        }
    }

    /// Makes every frame durable.
    pub(super) fn sync_log(&mut self) -> Result<(), String> {
        if !self.flawed(Flaw::AckBeforeWrite) {
            self.flush_held_back()?;
        }
        let result = match self.flaw {
            Some(Flaw::NoFsync) => Ok(()),
            Some(Flaw::FsyncWrongFile) => self.head.file().sync_data(),
            Some(Flaw::SyncFileRange) => sync_file_range(&self.log),
            Some(Flaw::FsyncErrorIgnored) => self.log.sync_data().or(Ok(())),
            Some(Flaw::FsyncRetried) => self.log.sync_data().or_else(|_| self.log.sync_data()),
            _ => self.log.sync_data(),
        };
        match result {
            Ok(()) => {
                self.synced = self.last;
                Ok(())
            }
            Err(error) => self.poison(error),
        }
    }

    /// Rotates, or makes a checkpoint, when the log has grown enough.
    fn grow(&mut self) -> Result<(), String> {
        if self.end < SEGMENT {
            return Ok(());
        }
        // The request itself is done: a failure here is told to the next one.
        if self.segment + 1 >= self.head.slot().segment + SEGMENTS {
            if let Err(why) = self.checkpoint() {
                self.poisoned.get_or_insert(why);
            }
        } else if let Err(error) = self.rotate() {
            self.poisoned.get_or_insert(error);
        }
        Ok(())
    }

    /// The next segment is there, with its name, before the frame that leads to it.
    fn rotate(&mut self) -> Result<(), String> {
        let say = |error: io::Error| error.to_string();
        let next = new_segment(&self.dir, self.segment + 1, self.synced).map_err(say)?;
        sync_dir(&self.dir, self.flaw).map_err(say)?;
        self.append(Role::Rotate, &[])?;
        self.flush_held_back()?;
        self.sync_log()?;
        self.segment += 1;
        self.log = Arc::new(next);
        self.end = START as u64;
        Ok(())
    }

    fn flush_held_back(&mut self) -> Result<(), String> {
        let held_back = std::mem::take(&mut self.held_back);
        if held_back.is_empty() { Ok(()) } else { self.put(&held_back) }
    }

    /// Publishes a snapshot and a new segment, then removes what they replace. A failure leaves the
    /// old ones in force.
    pub(super) fn checkpoint(&mut self) -> Result<(), String> {
        self.healthy()?;
        self.held_back.clear();
        let old = self.head.slot();
        let say = |error: io::Error| error.to_string();
        let number = old.generation + 1;
        let segment = self.segment + 1;
        let snapshot = snapshot::write(&self.dir, number, &self.pairs, self.flaw).map_err(say)?;
        let log = new_segment(&self.dir, segment, self.synced).map_err(say)?;
        if !self.flawed(Flaw::LogRemovedEarly) {
            sync_dir(&self.dir, self.flaw).map_err(say)?;
        }
        let slot = Slot { snapshot: number, segment, base: self.last, sealed: None, ..old };
        if let Err(error) = self.head.write(&self.dir, slot) {
            // The old head may be gone by now or not.
            return self.poison(error);
        }
        self.log = Arc::new(log);
        self.segment = segment;
        self.end = START as u64;
        self.synced = self.last;
        self.remove_old(&old).map_err(say)?;
        if self.flawed(Flaw::LogRemovedEarly) {
            snapshot.sync_all().and_then(|()| self.head.file().sync_data()).map_err(say)?;
            sync_dir(&self.dir, self.flaw).map_err(say)?;
        }
        Ok(())
    }

    fn remove_old(&self, old: &Slot) -> io::Result<()> {
        for segment in old.segment..self.segment {
            let path = replay::path(&self.dir, segment);
            if self.variant == Variant::Recycled && segment + 1 == self.segment {
                std::fs::rename(path, self.dir.join("spare"))?;
            } else if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        if old.snapshot > 0 {
            std::fs::remove_file(snapshot::path(&self.dir, old.snapshot))?;
        }
        Ok(())
    }

    /// Everything durable, and the head says so; but for the variant that leaves that to `sync`.
    pub(super) fn close(mut self) -> Result<(), String> {
        if self.poisoned.is_some() {
            return Err("closed without what could not be written".into());
        }
        if let Some(cut) = self.cut {
            return self.log.set_len(cut).map_err(|error| error.to_string());
        }
        if self.flawed(Flaw::DeleteNotLogged) {
            self.checkpoint()?;
        }
        self.flush_held_back()?;
        // The head is not told that the log is sealed, so the next opening recovers.
        if self.variant == Variant::LazyClose || self.flawed(Flaw::CloseNotSynced) {
            return Ok(());
        }
        let synced = self.sync_log();
        if self.flawed(Flaw::CloseErrorIgnored) {
            return Ok(());
        }
        synced?;
        if self.flawed(Flaw::FailedWriteKept) {
            return Ok(());
        }
        let slot = Slot { sealed: Some(self.last), ..self.head.slot() };
        self.head.write(&self.dir, slot).map_err(|error| error.to_string())
    }
}

/// Starts writeback and promises nothing: neither the device's cache nor the size is flushed.
fn sync_file_range(file: &File) -> io::Result<()> {
    let all = nix::libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | nix::libc::SYNC_FILE_RANGE_WRITE
        | nix::libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: a system call on a descriptor that is borrowed open, without memory.
    match unsafe { nix::libc::sync_file_range(file.as_raw_fd(), 0, 0, all) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
