//! The store behind a lock, and its group commit: whoever finds no sync under way makes one for all
//! that was written until then, the others wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unplug_harness::driver::Engine;
use unplug_harness::workload::Mutation;

use super::flaw::{Flaw, Variant};
use super::store::Store;

/// How long a leader waits for company.
const COMMIT_DELAY: Duration = Duration::from_millis(1);

/// A store that threads share.
#[derive(Debug)]
pub struct Shared {
    store: Mutex<Store>,
    /// True while a thread syncs the log without holding the store.
    syncing: Mutex<bool>,
    changed: Condvar,
}

impl Shared {
    /// Shares `store`.
    pub fn new(store: Store) -> Self {
        Self { store: Mutex::new(store), syncing: Mutex::new(false), changed: Condvar::new() }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once frame `number` is durable.
    fn wait_for(&self, number: u64) -> Result<(), String> {
        loop {
            let mut syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
            while *syncing {
                syncing = self.changed.wait(syncing).unwrap_or_else(PoisonError::into_inner);
            }
            let store = self.store();
            // A rotation may have synced what a sync that failed meanwhile had covered: after a failure
            // a success proves nothing.
            let durable = store.synced >= number;
            if !(durable && store.flaw == Some(Flaw::GroupFollowersBelieve)) {
                store.healthy()?;
            }
            if durable {
                return Ok(());
            }
            *syncing = true;
            drop(syncing);
            let store = self.gathered(store);
            let (log, segment, covered) = (Arc::clone(&store.log), store.segment, store.last);
            let late = store.flaw == Some(Flaw::GroupAcksLateWrites);
            drop(store);
            let result = log.sync_data();
            if late {
                // The mistake needs a moment in which another thread writes.
                std::thread::yield_now();
            }
            let mut store = self.store();
            match &result {
                // A rotation has synced the old segment itself.
                Ok(()) if store.segment == segment => {
                    let covered = if late { store.last } else { covered };
                    store.synced = store.synced.max(covered);
                }
                Ok(()) => {}
                Err(error) => {
                    store.poisoned.get_or_insert(error.to_string());
                    if store.flaw == Some(Flaw::GroupFollowersBelieve) {
                        store.synced = store.synced.max(covered);
                    }
                }
            }
            drop(store);
            *self.syncing.lock().unwrap_or_else(PoisonError::into_inner) = false;
            self.changed.notify_all();
            result.map_err(|error| error.to_string())?;
        }
    }
}

impl Shared {
    /// The store once others have had a moment to write, where the mistake needs company: a commit delay.
    fn gathered<'a>(&'a self, store: MutexGuard<'a, Store>) -> MutexGuard<'a, Store> {
        if store.flaw != Some(Flaw::GroupFollowersBelieve) {
            return store;
        }
        drop(store);
        std::thread::sleep(COMMIT_DELAY);
        self.store()
    }
}

impl Engine for Shared {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut store = self.store();
        store.write(mutations)?;
        if store.variant != Variant::Group {
            return Ok(());
        }
        let number = store.last;
        drop(store);
        self.wait_for(number)
    }

    fn sync(&self) -> Result<(), String> {
        let mut store = self.store();
        store.healthy()?;
        store.sync_log()
    }

    fn checkpoint(&self) -> Result<(), String> {
        self.store().checkpoint()
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        self.store().pairs.iter().for_each(|(key, value)| have(key, value));
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        let store = self.store.into_inner().unwrap_or_else(PoisonError::into_inner);
        store.close()
    }
}
