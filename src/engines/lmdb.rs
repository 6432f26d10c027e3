//! LMDB through heed: one unnamed database; every request is one write transaction, which its
//! documentation calls durable once `commit` has returned unless a NOSYNC flag is set; none is. With
//! `MDB_WRITEMAP` pages are stored through a shared mapping and made durable by msync.
//!
//! LMDB promises nothing of an environment in which nothing was committed, and does not sync one that
//! it creates. An acknowledged `open` promises that the store opens again, so this adapter calls
//! `mdb_env_sync` for a new one.

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

/// The size of the map: the most that a store may hold.
const MAP_BYTES: usize = 64 << 20;

/// The names.
pub const ENTRIES: [Entry; 2] = [
    Entry {
        name: "lmdb",
        about: "LMDB: one transaction a request, no NOSYNC flag",
        opener: |threads| Box::new(Lmdb { threads, flags: EnvFlags::empty() }),
    },
    Entry {
        name: "lmdb:writemap",
        about: "LMDB with MDB_WRITEMAP: one transaction a request, no NOSYNC flag",
        opener: |threads| Box::new(Lmdb { threads, flags: EnvFlags::WRITE_MAP }),
    },
];

struct Lmdb {
    threads: u32,
    flags: EnvFlags,
}

struct Store {
    env: Env,
    pairs: Database<'static, Bytes, Bytes>,
}

impl Opener for Lmdb {
    fn capabilities(&self) -> Capabilities {
        transactional(self.threads)
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        Ok(Box::new(self.store(dir).map_err(|error| match error {
            heed::Error::Mdb(heed::MdbError::Invalid | heed::MdbError::Corrupted) => {
                NotOpened::Refused(text(error))
            }
            error => NotOpened::Failed(text(error)),
        })?))
    }
}

impl Lmdb {
    fn store(&self, dir: &Path) -> heed::Result<Store> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        // SAFETY: no flag that gives up locking or consistency; nobody else changes the files.
        let env = unsafe { options.flags(self.flags).open(dir)? };
        let transaction = env.write_txn()?;
        let opened = env.create_databases_and_commit(transaction, |opener, transaction| {
            let pairs = opener.create_database::<Bytes, Bytes>(transaction, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(pairs))
        })?;
        let pairs = opened.unwrap_commit();
        if env.info().last_txn_id == 0 {
            // The meta pages of a new environment are written and not synced, and nothing was
            // committed yet that would have synced them.
            env.force_sync()?;
        }
        Ok(Store { env, pairs })
    }
}

impl Store {
    fn change(&self, mutations: &[Mutation]) -> heed::Result<()> {
        let mut transaction = self.env.write_txn()?;
        for mutation in mutations {
            let key = mutation.key().as_str().as_bytes();
            match mutation.value() {
                Some(value) => {
                    self.pairs.put(&mut transaction, key, value.as_str().as_bytes())?;
                }
                None => drop(self.pairs.delete(&mut transaction, key)?),
            }
        }
        transaction.commit()
    }

    fn each(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> heed::Result<()> {
        let transaction = self.env.read_txn()?;
        for pair in self.pairs.iter(&transaction)? {
            let (key, value) = pair?;
            have(key, value);
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
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
