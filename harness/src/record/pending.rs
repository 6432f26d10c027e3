//! A call that has begun: what it was asked to do, resolved at its entry while its thread stands
//! still, and what is needed to say at its exit what it did.

use std::sync::Arc;

use super::handle::Borrowed;
use super::resolve::Found;
use crate::trace::{FileId, NodeKind, SyncScope, WriteSync};

/// A call between its entry and its exit.
#[derive(Debug)]
pub struct Pending {
    /// Its name.
    pub name: &'static str,
    /// Its number in the trace; 0 where it is not numbered.
    pub no: u32,
    /// What it is to do.
    pub work: Work,
    /// True if it holds the token.
    pub token: bool,
    /// True if it was cut short or will be made to fail at its exit.
    pub injected: bool,
    /// The error that it returns though it has happened (a failing close, a sync that tells of an earlier
    /// failure).
    pub fail_at_exit: Option<i32>,
    /// A word of the program's memory to put back at the exit.
    pub restore: Option<(u64, u64)>,
    /// An argument to put back at the exit: the program counts on its registers.
    pub restore_argument: Option<(usize, u64)>,
    /// The tree is killed at its exit.
    pub kill_after: bool,
    /// The call stack at its entry.
    pub stack: Arc<[u64]>,
}

/// What a call is to do.
#[derive(Debug)]
pub enum Work {
    /// Bytes from memory to a file.
    Write {
        /// The file.
        file: FileId,
        /// Its handle.
        handle: Borrowed,
        /// Where.
        offset: u64,
        /// The bytes that the program offers.
        bytes: Vec<u8>,
        /// The durability that the write carries.
        sync: WriteSync,
    },
    /// Bytes from another descriptor to a file; read back afterwards.
    Copy {
        /// The file.
        file: FileId,
        /// Its handle.
        handle: Borrowed,
        /// Where.
        offset: u64,
        /// The durability that the write carries.
        sync: WriteSync,
        /// For FICLONE, whose result is no length: how many bytes it moves.
        len: Option<u64>,
    },
    /// truncate or ftruncate.
    Truncate {
        /// The file.
        file: FileId,
        /// Its handle.
        handle: Borrowed,
        /// Its size before.
        from: u64,
        /// The size that is asked for.
        to: u64,
    },
    /// fallocate.
    Allocate {
        /// The file.
        file: FileId,
        /// Its handle.
        handle: Borrowed,
        /// Its size before.
        size: u64,
        /// FALLOC_FL_*.
        mode: i32,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
    },
    /// open, openat, openat2, creat.
    Open {
        /// Where the path leads.
        found: Found,
        /// What is there before, with its size.
        before: Option<(FileId, u64)>,
        /// O_*.
        flags: u64,
    },
    /// mkdir, mknod, symlink, bind.
    Make {
        /// Where.
        found: Found,
        /// What.
        node: NodeKind,
    },
    /// link, linkat.
    Link {
        /// The new name.
        found: Found,
    },
    /// unlink, rmdir.
    Unlink {
        /// The name.
        found: Found,
    },
    /// rename*.
    Rename {
        /// The old name.
        from: Found,
        /// The new name.
        to: Found,
        /// RENAME_*.
        flags: u32,
    },
    /// fsync, fdatasync.
    Sync {
        /// The file or directory.
        file: FileId,
        /// How much.
        scope: SyncScope,
    },
    /// msync(MS_SYNC) of these ranges of files.
    SyncRanges(Vec<(FileId, u64, u64)>),
    /// sync, syncfs.
    SyncAll,
    /// A call without effect on bytes, names or durability.
    Look {
        /// The file, where there is one.
        file: Option<FileId>,
    },
    /// Standard output: the bytes count when the call has written them.
    Say(Vec<u8>),
    /// A shared writable mapping appears, or may: of this file through this handle, or of whatever
    /// was mapped before.
    Map(Option<(FileId, Borrowed)>),
    /// sched_getaffinity: the program gets the mask that it would have had.
    Affinity {
        /// Where the mask goes.
        address: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// A file outside the recorded directory is opened for writing.
    Outside(Vec<u8>),
}

impl Work {
    /// The file that the call is about, for a call that failed.
    pub fn file(&self, lookup: impl Fn(&Found) -> Option<FileId>) -> Option<FileId> {
        match self {
            Work::Write { file, .. }
            | Work::Copy { file, .. }
            | Work::Truncate { file, .. }
            | Work::Allocate { file, .. }
            | Work::Sync { file, .. } => Some(*file),
            Work::Open { before, .. } => before.map(|(file, _)| file),
            Work::Unlink { found } => lookup(found),
            Work::Rename { from, .. } => lookup(from),
            Work::SyncRanges(ranges) => ranges.first().map(|range| range.0),
            Work::Look { file } => *file,
            _ => None,
        }
    }
}
