//! The WAL-backed key-value store. Knows nothing of harness, engines, cli.
//!
//! A store is one directory: a log in segments, up to two checkpoints, one file for each large
//! value, and a mark. Every write is a frame appended to the log; everything else is derived from
//! it. docs/STORE.md has the formats, the promises and the limits; `recover` has the order in which
//! a crash is undone, `decide` its decision table, `compact` that of a checkpoint.

#![deny(unsafe_code)]

mod batch;
mod bytes;
mod checkpoint;
mod commit;
mod compact;
mod counters;
mod cursor;
mod decide;
mod disk;
mod error;
mod frame;
mod fs;
mod log;
mod mark;
mod names;
mod op;
mod options;
mod pages;
mod recover;
mod report;
mod segment;
mod snapshot;
#[allow(clippy::module_inception)]
mod store;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod verify;

pub use batch::Batch;
pub use counters::Totals;
pub use cursor::{Cursor, LoggedFrame, read_frames};
pub use error::{Damage, IoFailure, OpenError, ReadError, WriteError};
pub use frame::{Head, Status};
pub use op::{Op, Stored, ValueRef};
pub use options::{
    Clock, Durability, LARGE_VALUE_BYTES, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_VALUE_BYTES,
    OnDamage, Options,
};
pub use report::{Notice, Recovery};
#[cfg(feature = "s3")]
pub use snapshot::S3Shelf;
pub use snapshot::{DirShelf, Shelf, SnapshotError};
pub use store::{Stats, Store};
pub use verify::{Verified, verify};
