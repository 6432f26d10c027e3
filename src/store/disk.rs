//! The directory as the running store shares it: what was counted, and whether it can still be
//! trusted.
//!
//! After a sync has failed nobody knows what the disk holds: the kernel has marked the pages clean,
//! and a second sync would succeed without writing them. So the first failure poisons the store:
//! every later write is refused until it is opened anew, when recovery writes again what it shows.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::counters::Counters;
use super::error::{IoFailure, WriteError};
use super::fs::Dir;

/// The directory, its counters, and the poison.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) dir: Dir,
    pub(crate) counters: Counters,
    poison: OnceLock<String>,
    /// Directory syncs one at a time: after one failed, a later one would succeed without having
    /// made the names of the first durable, so it must see the poison.
    naming: Mutex<()>,
}

impl Disk {
    pub(crate) fn new(dir: Dir, counters: Counters) -> Self {
        Self { dir, counters, poison: OnceLock::new(), naming: Mutex::new(()) }
    }

    /// Refuses if an earlier failure makes every further write a guess.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match self.poison.get() {
            Some(why) => Err(WriteError::Poisoned(why.clone())),
            None => Ok(()),
        }
    }

    /// From now on no more writes. The first reason is kept.
    pub(crate) fn poison(&self, failure: &IoFailure) -> WriteError {
        WriteError::Poisoned(self.poison.get_or_init(|| failure.to_string()).clone())
    }

    /// Makes all names in the directory durable, or poisons the store.
    pub(crate) fn sync_names(&self) -> Result<(), WriteError> {
        let _one = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        self.dir.sync().map_err(|failure| self.poison(&failure))
    }
}
