//! redb: one table; every request is one write transaction with `Durability::Immediate`, which its
//! documentation calls persistent once `commit` has returned. Checkpoint is `compact`.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

// Bytes and not `&str`: redb checks neither, and its `&str` panics on damaged bytes.
const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("pairs");

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "redb",
    about: "redb 4.5: one transaction a request, Durability::Immediate",
    opener: |threads| Box::new(Redb { threads }),
}];

struct Redb {
    threads: u32,
}

/// The database; gone only while it is dropped.
struct Store(RwLock<Option<Database>>);

/// What a request gets once the database is gone: it never should.
const CLOSED: &str = "the database is closed";

impl Drop for Store {
    /// Dropping a database closes it, and on a damaged file that may panic as any call may.
    fn drop(&mut self) {
        let database = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = caught(|| drop(database));
    }
}

impl Opener for Redb {
    fn capabilities(&self) -> Capabilities {
        Capabilities { checkpoint: true, ..transactional(self.threads) }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let path = dir.join("store.redb");
        let created = caught(|| Database::create(path)).map_err(NotOpened::Failed)?;
        let database = created.map_err(|error| match error {
            DatabaseError::Storage(StorageError::Corrupted(_)) => NotOpened::Refused(text(error)),
            error => NotOpened::Failed(text(error)),
        })?;
        Ok(Box::new(Store(RwLock::new(Some(database)))))
    }
}

impl Store {
    fn database<T>(&self, call: impl FnOnce(&Database) -> Result<T, String>) -> Result<T, String> {
        let guard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        call(guard.as_ref().ok_or(CLOSED)?)
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut transaction = self.database(|database| database.begin_write().map_err(text))?;
        transaction.set_durability(Durability::Immediate).map_err(text)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(text)?;
            for mutation in mutations {
                let key = mutation.key().as_str().as_bytes();
                match mutation.value() {
                    Some(value) => {
                        drop(table.insert(key, value.as_str().as_bytes()).map_err(text)?)
                    }
                    None => drop(table.remove(key).map_err(text)?),
                }
            }
        }
        transaction.commit().map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), String> {
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        guard.as_mut().ok_or(CLOSED)?.compact().map(drop).map_err(text)
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        caught(|| self.pairs(have))?
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        // Dropping a database closes it; redb has no call that would report a failure of that.
        let database = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        caught(|| drop(database))
    }
}

impl Store {
    fn pairs(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let transaction = self.database(|database| database.begin_read().map_err(text))?;
        let table = match transaction.open_table(TABLE) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table.map_err(text)?,
        };
        for pair in table.iter().map_err(text)? {
            let (key, value) = pair.map_err(text)?;
            have(key.value(), value.value());
        }
        Ok(())
    }
}

/// redb answers some damage to its file with a panic. An application that must go on catches it, as
/// here; what it cannot say then is what was lost, so this is an `err` and never a recovery.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        format!("redb panicked: {}", text.replace('\n', " "))
    })
}
