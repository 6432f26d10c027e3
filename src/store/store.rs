//! The store as its users see it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use super::batch::Batch;
use super::commit::{self, Queue, Work};
use super::compact::Keeper;
use super::counters::{Totals, count};
use super::disk::Disk;
use super::error::{OpenError, ReadError, WriteError};
use super::frame::{HEADER_BYTES, encoded_len};
use super::fs::Dir;
use super::names;
use super::op::{Op, Stored, ValueRef};
use super::options::{LARGE_VALUE_BYTES, MAX_PAYLOAD_BYTES, Options};
use super::recover::{self, Parts};
use super::report::Recovery;
use super::table::{Table, file_of};
use super::values;

/// An open store. Threads share it by reference.
#[derive(Debug)]
pub struct Store {
    pub(super) disk: Disk,
    pub(super) options: Options,
    pub(super) queue: Queue,
    pub(super) keeper: Mutex<Keeper>,
    pub(super) table: RwLock<Table>,
    pub(super) next_value: AtomicU64,
}

/// What a store holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Keys.
    pub keys: u64,
    /// Values with a file of their own.
    pub large_values: u64,
    /// Prepared transactions.
    pub pending: u64,
    /// Where the log ends.
    pub position: u64,
    /// Position of the newest checkpoint.
    pub checkpoint: Option<u64>,
    /// Counters over the store's life, as far as its mark remembers them.
    pub totals: Totals,
}

impl Store {
    /// Opens the store in `path`, creating it where it is missing, and recovers it. What is
    /// returned is durable.
    pub fn open(path: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let parts = recover::recover(Dir::create(path)?, &options)?;
        let Parts { disk, mark, log, table, checkpoint, next_value, is_covered, report } = parts;
        let position = log.end.position;
        let since = checkpoint.unwrap_or(0);
        let automatic = options.checkpoint_bytes.unwrap_or(u64::MAX);
        let keeper = Keeper {
            log,
            mark,
            checkpoint,
            covered_to: is_covered.then_some(position),
            next_automatic: since.saturating_add(automatic),
        };
        let store = Self {
            disk,
            options,
            queue: Queue::default(),
            keeper: Mutex::new(keeper),
            table: RwLock::new(table),
            next_value: AtomicU64::new(next_value),
        };
        Ok((store, report))
    }

    /// Sets a key.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<u64, WriteError> {
        let mut batch = Batch::default();
        batch.put(key, value);
        self.apply(&batch)
    }

    /// Removes a key; that it is not there is no error.
    pub fn del(&self, key: &[u8]) -> Result<u64, WriteError> {
        let mut batch = Batch::default();
        batch.del(key);
        self.apply(&batch)
    }

    /// Does everything in the batch, or nothing, and returns the transaction's number.
    pub fn apply(&self, batch: &Batch) -> Result<u64, WriteError> {
        self.write(batch, Work::Commit)
    }

    /// Writes the batch down without putting it in force; it waits for `commit` or `abort`, also
    /// across crashes.
    pub fn prepare(&self, batch: &Batch) -> Result<u64, WriteError> {
        self.write(batch, Work::Prepare)
    }

    /// Puts a prepared transaction in force.
    pub fn commit(&self, transaction: u64) -> Result<(), WriteError> {
        self.submit(Work::Resolve(transaction)).map(drop)
    }

    /// Lets a prepared transaction go.
    pub fn abort(&self, transaction: u64) -> Result<(), WriteError> {
        self.submit(Work::Abort(transaction)).map(drop)
    }

    /// The numbers of the prepared transactions.
    pub fn pending(&self) -> Vec<u64> {
        self.contents().pending.keys().copied().collect()
    }

    /// Makes everything acknowledged so far durable, and leaves a frame in the log that proves it:
    /// nothing before it can be lost unnoticed from then on.
    pub fn barrier(&self) -> Result<(), WriteError> {
        self.submit(Work::Barrier).map(drop)
    }

    /// Makes everything acknowledged so far durable.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.keeper().log.sync(&self.disk)
    }

    /// Takes a checkpoint and removes what it makes superfluous. Nothing happens where nothing
    /// was written since the last.
    pub fn checkpoint(&self) -> Result<(), WriteError> {
        let mut keeper = self.keeper();
        self.take_checkpoint(&mut keeper)
    }

    fn take_checkpoint(&self, keeper: &mut Keeper) -> Result<(), WriteError> {
        let next_value = self.next_value.load(Ordering::SeqCst);
        keeper.checkpoint(&self.disk, &self.options, &self.table, next_value)
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            let Some(stored) = self.contents().keys.get(key).cloned() else { return Ok(None) };
            let file = match stored {
                Stored::Inline(value) => return Ok(Some(value.into_vec())),
                Stored::File(file) => file,
            };
            if let Some(bytes) = values::read(&self.disk.dir, file)? {
                return Ok(Some(bytes));
            }
            // Overwritten and removed in between, or gone.
            if self.contents().keys.get(key) == Some(&Stored::File(file)) {
                return Err(values::missing(file).into());
            }
        }
    }

    /// Calls `each` with every key that begins with `prefix` and its value, in order, as of one
    /// moment. Writers wait.
    pub fn scan<E: From<ReadError>>(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let contents = self.contents();
        let keys = contents
            .keys
            .range::<[u8], _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        for (key, stored) in keys.take_while(|(key, _)| key.starts_with(prefix)) {
            match stored {
                Stored::Inline(value) => each(key, value)?,
                Stored::File(file) => {
                    let read = values::read(&self.disk.dir, *file)?;
                    let value = read.ok_or_else(|| ReadError::from(values::missing(*file)))?;
                    each(key, &value)?;
                }
            }
        }
        Ok(())
    }

    /// What the store holds and has done.
    pub fn stats(&self) -> Stats {
        let (position, checkpoint) = {
            let keeper = self.keeper();
            (keeper.log.end.position, keeper.checkpoint)
        };
        let contents = self.contents();
        let is_large = |stored: &&Stored| matches!(stored, Stored::File(_));
        Stats {
            keys: contents.keys.len() as u64,
            large_values: contents.keys.values().filter(is_large).count() as u64,
            pending: contents.pending.len() as u64,
            position,
            checkpoint,
            totals: self.disk.counters.totals(),
        }
    }

    /// Closes the store: everything acknowledged is durable, and the mark says up to where, so
    /// that a log cut short afterwards is noticed. Dropping a store without this is what a kill
    /// does, and as safe.
    pub fn close(self) -> Result<(), WriteError> {
        let mut keeper = self.keeper();
        let Keeper { log, mark, .. } = &mut *keeper;
        log.sync(&self.disk)?;
        let position = log.end.position;
        if mark.is_damaged || mark.slot().is_none_or(|slot| slot.durable_to != position) {
            mark.write(&self.disk.dir, position, self.disk.counters.totals())?;
        }
        mark.sync(&self.disk.dir.file(names::MARK))?;
        Ok(())
    }

    pub(super) fn contents(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch, work: fn(Vec<Op>) -> Work) -> Result<u64, WriteError> {
        self.disk.check()?;
        batch.check()?;
        let ops = self.place(batch)?;
        let files: Vec<ValueRef> = ops.iter().filter_map(file_of).collect();
        let outcome = match encoded_len(&ops) - HEADER_BYTES {
            ..=MAX_PAYLOAD_BYTES => self.submit(work(ops)),
            bytes => Err(WriteError::Limit(format!(
                "a transaction of {bytes} bytes; at most {MAX_PAYLOAD_BYTES} fit"
            ))),
        };
        // Poisoned, the frame may be in the log all the same: the next `open` decides.
        if let Err(WriteError::Io(_) | WriteError::Limit(_)) = outcome {
            self.discard(&files);
        }
        outcome
    }

    /// Gives large values their files, durable with their names before any frame names them.
    fn place(&self, batch: &Batch) -> Result<Vec<Op>, WriteError> {
        let mut ops = Vec::with_capacity(batch.ops().len());
        let mut files: Vec<ValueRef> = Vec::new();
        for (key, value) in batch.ops() {
            ops.push(match value {
                None => Op::Del(key.as_slice().into()),
                Some(value) if value.len() <= LARGE_VALUE_BYTES => {
                    Op::Put(key.as_slice().into(), Stored::Inline(value.as_slice().into()))
                }
                Some(value) => {
                    let id = self.next_value.fetch_add(1, Ordering::SeqCst);
                    let file = values::write(&self.disk.dir, id, value).inspect_err(|_| {
                        self.discard(&files);
                    })?;
                    files.push(file);
                    Op::Put(key.as_slice().into(), Stored::File(file))
                }
            });
        }
        if !files.is_empty() {
            count(&self.disk.counters.values, files.len() as u64);
            self.disk.sync_names().inspect_err(|_| self.discard(&files))?;
        }
        Ok(ops)
    }

    /// Removes value files that no frame names; what cannot be removed now, `open` removes.
    fn discard(&self, files: &[ValueRef]) {
        for file in files {
            let _ = self.disk.dir.remove(&names::value(file.id));
        }
    }

    fn submit(&self, work: Work) -> commit::Outcome {
        self.queue.submit(work, || {
            let mut keeper = self.keeper();
            let group = self.queue.gather(self.options.durability);
            commit::commit(&self.disk, &self.options, &mut keeper.log, &self.table, &group);
            if keeper.log.end.position >= keeper.next_automatic {
                // The transactions are done. A checkpoint that fails is tried again later, and
                // if it poisoned the store the next write says so.
                let _ = self.take_checkpoint(&mut keeper);
            }
        })
    }
}
