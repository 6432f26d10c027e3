//! What a recording notices besides its events: counts, what it could not see, and what lies outside of
//! the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What was noticed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Unmodelled calls.
    pub unmodelled: BTreeMap<String, u64>,
    /// What could not be seen.
    pub blind: Vec<String>,
    /// Calls that the recorder answered and the kernel never saw, by name.
    pub answered: BTreeMap<String, u64>,
    /// Numbered operations.
    pub operations: u32,
    /// Numbered looks.
    pub looks: u32,
    /// Lines that came in one write with a later one.
    pub weakened: u32,
    /// Stores into a large mapping were looked for only where it decides what is durable or promised.
    pub coarse: bool,
    /// The programs and libraries that call stacks are in.
    pub modules: Vec<PathBuf>,
    /// Processes that still ran when the first one ended, and were ended with it.
    pub cut_off: u32,
    /// Planned strikes that struck.
    pub struck: u32,
    /// Files outside the recorded directory that were opened for writing.
    pub outside_written: BTreeSet<Vec<u8>>,
    /// Files outside that were opened for reading.
    pub outside_read: BTreeSet<Vec<u8>>,
}
