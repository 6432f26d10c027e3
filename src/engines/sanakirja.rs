//! sanakirja: one tree of bytes to bytes; every request is one transaction, durable once `commit` has
//! returned. A pair must fit into a quarter of a page, so values are short.

use std::path::Path;

use sanakirja::btree::{self, UDb};
use sanakirja::{Commit, Env, RootDb};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

const FIRST_BYTES: u64 = 1 << 20;
const VERSIONS: usize = 2;
const ROOT: usize = 0;

/// The names.
pub const ENTRIES: [Entry; 1] = [Entry {
    name: "sanakirja",
    about: "sanakirja 1.4: one transaction a request",
    opener: |_| Box::new(Sanakirja),
}];

struct Sanakirja;

struct Store(Env);

type Tree = UDb<[u8], [u8]>;

impl Opener for Sanakirja {
    fn capabilities(&self) -> Capabilities {
        Capabilities { max_value: 500, ..transactional(1) }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        match Env::new(dir.join("store.sanakirja"), FIRST_BYTES, VERSIONS) {
            Ok(env) => {
                let store = Store(env);
                // Nothing of a new file is synced before the first commit.
                store.change(&[]).map_err(|error| NotOpened::Failed(text(error)))?;
                Ok(Box::new(store))
            }
            Err(error @ (sanakirja::Error::CRC(_) | sanakirja::Error::Corrupt(_))) => {
                Err(NotOpened::Refused(text(error)))
            }
            Err(error) => Err(NotOpened::Failed(text(error))),
        }
    }
}

impl Store {
    fn change(&self, mutations: &[Mutation]) -> Result<(), sanakirja::Error> {
        let mut transaction = Env::mut_txn_begin(&self.0)?;
        let mut tree: Tree = match transaction.root_db(ROOT) {
            Some(tree) => tree,
            // SAFETY: keys and values are bytes, which have no representation of their own.
            None => unsafe { btree::create_db_(&mut transaction)? },
        };
        for mutation in mutations {
            let key = mutation.key().as_str().as_bytes();
            // A put adds to what the key has already.
            while btree::del(&mut transaction, &mut tree, key, None)? {}
            if let Some(value) = mutation.value() {
                btree::put(&mut transaction, &mut tree, key, value.as_str().as_bytes())?;
            }
        }
        transaction.set_root(ROOT, tree.db.into());
        transaction.commit()
    }

    fn each(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), sanakirja::Error> {
        let transaction = Env::txn_begin(&self.0)?;
        let tree: Option<Tree> = transaction.root_db(ROOT);
        if let Some(tree) = tree {
            for pair in btree::iter(&transaction, &tree, None)? {
                let (key, value) = pair?;
                have(key, value);
            }
        }
        Ok(())
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        self.change(mutations).map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        self.each(have).map_err(text)
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}
