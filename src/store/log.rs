//! The writing end of the log: appends, syncs, takes back what failed, begins new segments.
//!
//! Nothing in the log is ever changed in place. What a failed write left is cut off and the cut is
//! synced before the failure is reported, so that a transaction that was said to have failed does
//! not come back; where that fails too, the store is poisoned.

use std::fs::File;

use super::counters::count;
use super::disk::Disk;
use super::error::WriteError;
use super::frame::{self, Body, Head, Status};
use super::fs;
use super::names;
use super::options::MAX_FILE_BYTES;
use super::segment::{HEADER_BYTES, Header};

/// The log's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Position after the last frame.
    pub(crate) position: u64,
    /// CRC of the last frame.
    pub(crate) chain: u32,
    /// Number of the next transaction.
    pub(crate) next_transaction: u64,
}

/// The newest segment, open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    /// Position at which the newest segment begins.
    pub(crate) base: u64,
    pub(crate) end: End,
    /// Everything before this is durable.
    pub(crate) synced_to: u64,
    /// Opened at the first append: a store that is only read needs no writer.
    file: Option<File>,
}

/// Frames encoded but not written yet.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    frames: u64,
    end: End,
    durable_to: u64,
}

impl Draft {
    /// Adds a frame and returns where it will stand. Transactions that are new get the next number.
    pub(crate) fn add(
        &mut self,
        status: Status,
        transaction: Option<u64>,
        timestamp_ns: u64,
        body: &Body<'_>,
    ) -> u64 {
        let position = self.end.position;
        let transaction = transaction.unwrap_or_else(|| {
            self.end.next_transaction += 1;
            self.end.next_transaction - 1
        });
        let head = Head {
            status,
            transaction,
            timestamp_ns,
            position,
            durable_to: self.durable_to,
            chain: self.end.chain,
        };
        let before = self.bytes.len();
        self.end.chain = frame::encode(&mut self.bytes, &head, body);
        self.end.position += (self.bytes.len() - before) as u64;
        self.frames += 1;
        position
    }

    /// The number that the next new transaction will get.
    pub(crate) fn next_transaction(&self) -> u64 {
        self.end.next_transaction
    }
}

impl Log {
    pub(crate) fn new(base: u64, end: End, synced_to: u64) -> Self {
        Self { base, end, synced_to, file: None }
    }

    /// Begins to draft frames that follow the log's end.
    pub(crate) fn draft(&self) -> Draft {
        Draft { bytes: Vec::new(), frames: 0, end: self.end, durable_to: self.synced_to }
    }

    /// Bytes in the newest segment.
    pub(crate) fn segment_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.end.position - self.base
    }

    /// Appends the drafted frames, all or none.
    pub(crate) fn append(&mut self, disk: &Disk, draft: Draft) -> Result<(), WriteError> {
        disk.check()?;
        // What is longer would not be read again.
        if self.segment_bytes() + draft.bytes.len() as u64 > MAX_FILE_BYTES {
            let why = format!("a file of the log would grow beyond {MAX_FILE_BYTES} bytes");
            return Err(WriteError::Limit(why));
        }
        let name = names::segment(self.base);
        let path = disk.dir.file(&name);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(disk.dir.open_append(&name)?),
        };
        if let Err(failure) = fs::append_all(file, &path, &draft.bytes) {
            self.take_back(disk, self.end)?;
            return Err(failure.into());
        }
        count(&disk.counters.bytes, draft.bytes.len() as u64);
        count(&disk.counters.frames, draft.frames);
        self.end = draft.end;
        Ok(())
    }

    /// Makes everything appended so far durable. A failure poisons the store.
    pub(crate) fn sync(&mut self, disk: &Disk) -> Result<(), WriteError> {
        disk.check()?;
        if self.synced_to == self.end.position {
            return Ok(());
        }
        let path = disk.dir.file(&names::segment(self.base));
        if let Some(file) = &self.file {
            count(&disk.counters.syncs, 1);
            fs::sync_data(file, &path).map_err(|failure| disk.poison(&failure))?;
        }
        self.synced_to = self.end.position;
        Ok(())
    }

    /// Takes back everything after `end`, and makes sure that it stays away.
    pub(crate) fn take_back(&mut self, disk: &Disk, end: End) -> Result<(), WriteError> {
        let Some(file) = &self.file else { return Ok(()) };
        let path = disk.dir.file(&names::segment(self.base));
        let length = HEADER_BYTES as u64 + end.position - self.base;
        count(&disk.counters.syncs, 1);
        fs::cut(file, &path, length)
            .and_then(|()| fs::sync_data(file, &path))
            .map_err(|failure| disk.poison(&failure))?;
        self.end = end;
        self.synced_to = end.position;
        Ok(())
    }

    /// Begins a new segment at the log's end, unless the newest is empty. Its existence proves to
    /// recovery that the log before it is durable, so that is made true first.
    pub(crate) fn rotate(&mut self, disk: &Disk) -> Result<(), WriteError> {
        if self.base == self.end.position {
            return Ok(());
        }
        self.sync(disk)?;
        let End { position: base, chain, next_transaction } = self.end;
        let name = names::segment(base);
        if let Err(failure) =
            disk.dir.publish(&name, &Header { base, next_transaction, chain }.encode())
        {
            // If the name is there after all, nothing may be appended before it.
            return match disk.dir.has(&name) {
                Ok(false) => Err(failure.into()),
                Ok(true) | Err(_) => Err(disk.poison(&failure)),
            };
        }
        disk.sync_names()?;
        count(&disk.counters.segments, 1);
        (self.base, self.file) = (base, None);
        Ok(())
    }
}
