//! fjall: one keyspace; every request is one batch committed with `PersistMode::SyncAll`, which its
//! documentation calls guaranteed against power loss ("fsync"). Checkpoint writes the memtable to a table.

use std::path::Path;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "fjall",
    about: "fjall 3.1: one batch a request, PersistMode::SyncAll",
    opener: |threads| Box::new(Fjall { threads }),
}];

struct Fjall {
    threads: u32,
}

struct Store {
    database: Database,
    pairs: Keyspace,
}

impl Opener for Fjall {
    fn capabilities(&self) -> Capabilities {
        Capabilities { checkpoint: true, ..transactional(self.threads) }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let failed = |error: fjall::Error| NotOpened::Failed(text(error));
        let database = Database::builder(dir.join("fjall")).open().map_err(failed)?;
        let pairs = database.keyspace("pairs", KeyspaceCreateOptions::default).map_err(failed)?;
        database.persist(PersistMode::SyncAll).map_err(failed)?;
        Ok(Box::new(Store { database, pairs }))
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for mutation in mutations {
            let key = mutation.key().as_str();
            match mutation.value() {
                Some(value) => batch.insert(&self.pairs, key, value.as_str()),
                None => batch.remove(&self.pairs, key),
            }
        }
        batch.commit().map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        self.database.persist(PersistMode::SyncAll).map_err(text)
    }

    fn checkpoint(&self) -> Result<(), String> {
        // Not `rotate_memtable_and_wait`, which fjall keeps for its tests: where the flush fails, the
        // thread that did it ends, nobody takes the memtable up again, and that call waits for ever.
        self.pairs.rotate_memtable().map_err(text)?;
        while self.pairs.sealed_memtable_count() > 0 {
            // Writes nothing; answers `Poisoned` once a thread of fjall's has failed.
            self.database.persist(PersistMode::Buffer).map_err(text)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        for pair in self.pairs.iter() {
            let (key, value) = pair.into_inner().map_err(text)?;
            have(&key, &value);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        // Dropping closes; there is no call that would report a failure of that.
        self.sync()
    }
}
