//! sled 0.34: the default tree; every request is followed by `flush`, after which its documentation
//! guarantees that all previous writes are recovered after a crash of the system.

use std::path::Path;

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

struct Store(sled::Db);

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
        Ok(Box::new(Store(database)))
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
        self.0.apply_batch(batch).map_err(text)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), String> {
        self.0.flush().map(drop).map_err(text)
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        for pair in self.0.iter() {
            let (key, value) = pair.map_err(text)?;
            have(&key, &value);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        self.sync()
    }
}
