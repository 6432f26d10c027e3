//! The built-in store in each of its durability modes. Segments and checkpoints are small here, so
//! that a short workload goes through rotation, checkpoints and compaction; the clock stands still,
//! so that the same requests give the same bytes.

use std::path::Path;

use unplug_harness::driver::{Capabilities, Durable, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text};
use crate::store::{Batch, Clock, Durability, OpenError, Options, ReadError, Store};

/// The names.
pub const ENTRIES: [Entry; 4] = [
    Entry {
        name: "builtin",
        about: "the store of this crate: a sync for each transaction",
        opener: |threads| Box::new(Builtin::new(threads, Durability::Immediate)),
    },
    Entry {
        name: "builtin:group",
        about: "the store of this crate: transactions of several threads share a sync",
        opener: |threads| Box::new(Builtin::new(threads, Durability::GROUP)),
    },
    Entry {
        name: "builtin:relaxed",
        about: "the store of this crate: durable against a kill at once, against power loss at sync or close",
        opener: |threads| Box::new(Builtin::new(threads, Durability::Relaxed)),
    },
    Entry {
        name: "builtin:prepared",
        about: "the store of this crate: a batch is prepared first and committed by a frame of its own",
        opener: |threads| {
            Box::new(Builtin { prepares: true, ..Builtin::new(threads, Durability::Immediate) })
        },
    },
];

struct Builtin {
    threads: u32,
    durability: Durability,
    /// Batches are prepared, then committed.
    prepares: bool,
}

impl Builtin {
    fn new(threads: u32, durability: Durability) -> Self {
        Self { threads, durability, prepares: false }
    }
}

struct Open {
    store: Store,
    prepares: bool,
}

impl Opener for Builtin {
    fn capabilities(&self) -> Capabilities {
        let durable = match self.durability {
            Durability::Immediate | Durability::GroupCommit { .. } => Durable::Ack,
            Durability::Relaxed => Durable::Sync,
        };
        Capabilities {
            del: true,
            batch: true,
            sync: true,
            checkpoint: true,
            threads: self.threads,
            durable,
            close_durable: durable == Durable::Sync,
            reads_durable: true,
            order_prefix: true,
            corruption_detected: true,
            damage_prefix: true,
            reopen: true,
            ..Capabilities::default()
        }
    }

    fn open(&self, dir: &Path, warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let options = Options {
            durability: self.durability,
            segment_bytes: 32 << 10,
            checkpoint_bytes: Some(128 << 10),
            clock: Clock::fixed(0),
            ..Options::default()
        };
        let (store, recovery) = Store::open(dir, options).map_err(|error| match error {
            OpenError::Damaged(damage) => NotOpened::Refused(text(damage)),
            error => NotOpened::Failed(text(error)),
        })?;
        recovery.notices.iter().for_each(|notice| warn(&notice.to_string()));
        // Whoever was to commit them is gone.
        for transaction in store.pending() {
            store.abort(transaction).map_err(|error| NotOpened::Failed(text(error)))?;
        }
        Ok(Box::new(Open { store, prepares: self.prepares }))
    }
}

impl Engine for Open {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut batch = Batch::default();
        for mutation in mutations {
            let key = mutation.key().as_str().as_bytes();
            match mutation.value() {
                Some(value) => batch.put(key, value.as_str().as_bytes()),
                None => batch.del(key),
            };
        }
        if self.prepares && mutations.len() > 1 {
            let transaction = self.store.prepare(&batch).map_err(text)?;
            return self.store.commit(transaction).map_err(text);
        }
        self.store.apply(&batch).map(drop).map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        self.store.sync().map_err(text)
    }

    fn checkpoint(&self) -> Result<(), String> {
        self.store.checkpoint().map_err(text)
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let each = |key: &[u8], value: &[u8]| {
            have(key, value);
            Ok::<(), ReadError>(())
        };
        self.store.scan(b"", each).map_err(text)
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        self.store.close().map_err(text)
    }
}
