//! The bundled engines: one small adapter a file, each with the durability call of its own
//! documentation, and the table of their names. An adapter promises what the engine's documentation
//! promises and nothing more.

pub mod builtin;
pub mod canary;
#[cfg(feature = "fjall")]
pub mod fjall;
#[cfg(feature = "jammdb")]
pub mod jammdb;
#[cfg(feature = "lmdb")]
pub mod lmdb;
#[cfg(feature = "persy")]
pub mod persy;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "sanakirja")]
pub mod sanakirja;
#[cfg(feature = "sled")]
pub mod sled;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use unplug_harness::driver::{Capabilities, Opener};

/// One name that `unplug driver NAME` and `unplug run NAME` take.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it is and how it is made durable, in one line.
    pub about: &'static str,
    /// Makes its opener; the number is how many requests it may be given at once.
    pub opener: fn(u32) -> Box<dyn Opener>,
}

/// Every bundled engine of this build, in the order in which they are listed.
pub fn all() -> Vec<Entry> {
    let mut entries = builtin::ENTRIES.to_vec();
    #[cfg(feature = "redb")]
    entries.extend(redb::ENTRIES);
    #[cfg(feature = "sqlite")]
    entries.extend(sqlite::ENTRIES);
    #[cfg(feature = "lmdb")]
    entries.extend(lmdb::ENTRIES);
    #[cfg(feature = "fjall")]
    entries.extend(fjall::ENTRIES);
    #[cfg(feature = "sled")]
    entries.extend(sled::ENTRIES);
    #[cfg(feature = "sanakirja")]
    entries.extend(sanakirja::ENTRIES);
    #[cfg(feature = "jammdb")]
    entries.extend(jammdb::ENTRIES);
    #[cfg(feature = "persy")]
    entries.extend(persy::ENTRIES);
    entries.extend(canary::FLAWLESS);
    entries.extend(canary::FLAWED);
    entries
}

/// The engine of this name.
pub fn find(name: &str) -> Option<Entry> {
    all().into_iter().find(|entry| entry.name == name)
}

/// What a store promises that commits each request as one transaction, durable once answered, in the
/// order of the answers.
#[allow(dead_code, reason = "every engine is a feature of its own")]
fn transactional(threads: u32) -> Capabilities {
    Capabilities {
        del: true,
        batch: true,
        sync: true,
        threads,
        order_prefix: true,
        reopen: true,
        ..Capabilities::default()
    }
}

/// An error of any library, in words, as the protocol wants it.
fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
