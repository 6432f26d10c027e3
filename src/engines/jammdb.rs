//! jammdb: one bucket; every request is one transaction, written and synced by `commit`.

use std::path::Path;

use jammdb::{DB, Error};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

const BUCKET: &str = "pairs";

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "jammdb",
    about: "jammdb 0.11: one transaction a request",
    opener: |threads| Box::new(Jammdb { threads }),
}];

struct Jammdb {
    threads: u32,
}

struct Store(DB);

impl Opener for Jammdb {
    fn capabilities(&self) -> Capabilities {
        transactional(self.threads)
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        match DB::open(dir.join("store.jammdb")) {
            Ok(database) => Ok(Box::new(Store(database))),
            Err(error @ Error::InvalidDB(_)) => Err(NotOpened::Refused(text(error))),
            Err(error) => Err(NotOpened::Failed(text(error))),
        }
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let transaction = self.0.tx(true).map_err(text)?;
        let bucket = transaction.get_or_create_bucket(BUCKET).map_err(text)?;
        for mutation in mutations {
            let key = mutation.key().to_string();
            match mutation.value() {
                Some(value) => drop(bucket.put(key, value.to_string()).map_err(text)?),
                None => match bucket.delete(key) {
                    Ok(_) | Err(Error::KeyValueMissing) => {}
                    Err(error) => return Err(text(error)),
                },
            }
        }
        transaction.commit().map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let transaction = self.0.tx(false).map_err(text)?;
        match transaction.get_bucket(BUCKET) {
            Ok(bucket) => bucket.kv_pairs().for_each(|pair| have(pair.key(), pair.value())),
            Err(Error::BucketMissing) => {}
            Err(error) => return Err(text(error)),
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}
