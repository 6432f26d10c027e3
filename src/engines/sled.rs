//! sled 0.34: the default tree; every request is followed by `flush`, after which its documentation
//! guarantees that all previous writes are recovered after a crash of the system.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text};

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "sled",
    about: "sled 0.34: flush() after each request",
    opener: |threads| Box::new(Sled { threads }),
}];

struct Sled {
    threads: u32,
}

struct Store {
    database: Option<sled::Db>,
    /// The file that sled locks.
    locked: PathBuf,
}

/// What a request gets once the database is gone: it never should.
const CLOSED: &str = "the database is closed";

/// How long sled's threads are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    fn database(&self) -> Result<&sled::Db, String> {
        self.database.as_ref().ok_or_else(|| CLOSED.to_string())
    }

    /// Closes it. sled has no call for that: what its threads still have to do when the last handle is
    /// dropped (a file is cut, a buffer written) they do afterwards, and with the last of them its lock
    /// goes. The next store in the same process may have the same file.
    fn end(&mut self) -> Result<(), String> {
        let Some(database) = self.database.take() else { return Ok(()) };
        drop(database);
        let file = std::fs::File::open(&self.locked).map_err(text)?;
        let start = Instant::now();
        while let Err(error) = file.try_lock() {
            if start.elapsed() > PATIENCE {
                return Err(format!("sled still holds its lock: {error}"));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Opener for Sled {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            del: true,
            batch: true,
            sync: true,
            threads: self.threads,
            reopen: true,
            ..Capabilities::default()
        }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let config = sled::Config::new().path(dir.join("sled")).flush_every_ms(None);
        let database = config.open().map_err(|error| match error {
            sled::Error::Corruption { .. } => NotOpened::Refused(text(error)),
            error => NotOpened::Failed(text(error)),
        })?;
        database.flush().map_err(|error| NotOpened::Failed(text(error)))?;
        Ok(Box::new(Store { database: Some(database), locked: dir.join("sled/db") }))
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for mutation in mutations {
            let key = mutation.key().as_str();
            match mutation.value() {
                Some(value) => batch.insert(key, value.as_str()),
                None => batch.remove(key),
            }
        }
        self.database()?.apply_batch(batch).map_err(text)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), String> {
        self.database()?.flush().map(drop).map_err(text)
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        for pair in self.database()?.iter() {
            let (key, value) = pair.map_err(text)?;
            have(&key, &value);
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), String> {
        self.sync()?;
        self.end()
    }
}
