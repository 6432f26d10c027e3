//! persy: one index; every request is one transaction, durable once `prepare` and `commit` have
//! returned.

use std::path::Path;

use persy::{ByteVec, Config, Persy, ValueMode};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

const INDEX: &str = "pairs";

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "persy",
    about: "persy 1.8: one transaction a request, prepare and commit",
    opener: |threads| Box::new(Adapter { threads }),
}];

struct Adapter {
    threads: u32,
}

struct Store(Persy);

impl Opener for Adapter {
    fn capabilities(&self) -> Capabilities {
        transactional(self.threads)
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let path = dir.join("store.persy");
        let failed = |error: &dyn std::fmt::Display| NotOpened::Failed(error.to_string());
        let persy = Persy::open_or_create_with(path, Config::new(), |_| Ok(()))
            .map_err(|error| failed(&error))?;
        if !persy.exists_index(INDEX).map_err(|error| failed(&error))? {
            let mut transaction = persy.begin().map_err(|error| failed(&error))?;
            transaction
                .create_index::<ByteVec, ByteVec>(INDEX, ValueMode::Replace)
                .map_err(|error| failed(&error))?;
            let prepared = transaction.prepare().map_err(|error| failed(&error))?;
            prepared.commit().map_err(|error| failed(&error))?;
        }
        Ok(Box::new(Store(persy)))
    }
}

fn bytes(text: &str) -> ByteVec {
    ByteVec::from(text.as_bytes().to_vec())
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut transaction = self.0.begin().map_err(text)?;
        for mutation in mutations {
            let key = bytes(mutation.key().as_str());
            match mutation.value() {
                Some(value) => transaction.put(INDEX, key, bytes(value.as_str())).map_err(text)?,
                None => transaction.remove::<_, ByteVec>(INDEX, key, None).map_err(text)?,
            }
        }
        transaction.prepare().map_err(text)?.commit().map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let pairs = self.0.range::<ByteVec, ByteVec, _>(INDEX, ..).map_err(text)?;
        for (key, values) in pairs {
            values.for_each(|value| have(&key, &value));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}
