//! Events: what a recorded program did to files, in the order in which it took effect, and what it
//! was asked and promised meanwhile. Files are named by identity ([`FileId`]), never by descriptor or
//! path: the recorder resolves those.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sparse::Sparse;
use crate::workload::{Answer, OpNo, Request};

/// One file, directory or symbolic link of the recorded directory, by identity over its whole life.
/// The root of the recorded directory is [`FileId::ROOT`]. An inode number that is used again is
/// another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl FileId {
    /// The recorded directory itself.
    pub const ROOT: FileId = FileId(0);
}

/// The index of an event in its trace; a crash point `n` means that events before `n` have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNo(pub u32);

/// A name inside one directory: any bytes but `/` and NUL, never `.` or `..`.
pub type Name = Arc<[u8]>;

/// One name in one directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The directory.
    pub dir: FileId,
    /// The name in it.
    pub name: Name,
}

/// What kind of node a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link with its target.
    Symlink(Arc<[u8]>),
    /// A socket, FIFO or device: not part of an image.
    Special,
}

/// The durability that a write carries in itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteSync {
    /// None: it stays in the page cache.
    #[default]
    None,
    /// O_DSYNC or RWF_DSYNC.
    Data,
    /// O_SYNC or RWF_SYNC.
    Full,
}

/// How bytes came into a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// A system call of the write family.
    #[default]
    Call,
    /// Stores into a shared writable mapping, found by comparing pages.
    Mapping,
}

/// How a size was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeHow {
    /// truncate or ftruncate.
    Truncate,
    /// open with O_TRUNC.
    OpenTruncate,
    /// fallocate that extends the file.
    Allocate,
}

/// What a sync call covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// fsync.
    Full,
    /// fdatasync.
    Data,
    /// msync(MS_SYNC) of this byte range of the file.
    Range {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
    },
}

/// What one call did to the recorded directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOp {
    /// A creating open, mkdir, symlink or mknod.
    Create {
        /// Where.
        at: Place,
        /// The new node's identity.
        file: FileId,
        /// What it is.
        node: NodeKind,
        /// Permission bits.
        mode: u32,
    },
    /// open with O_TMPFILE: a file without a name.
    CreateUnnamed {
        /// The new file's identity.
        file: FileId,
        /// Permission bits.
        mode: u32,
    },
    /// link or linkat.
    Link {
        /// The new name.
        at: Place,
        /// The file that gets it.
        file: FileId,
    },
    /// unlink or rmdir.
    Unlink {
        /// The name that goes.
        at: Place,
        /// The node that it led to.
        file: FileId,
    },
    /// rename, over an existing name or to a new one.
    Rename {
        /// The old name.
        from: Place,
        /// The new name.
        to: Place,
        /// The node that moves.
        file: FileId,
        /// The node that the new name led to before.
        replaced: Option<FileId>,
    },
    /// renameat2 with RENAME_EXCHANGE.
    Exchange {
        /// One name.
        a: Place,
        /// The other.
        b: Place,
        /// What `a` led to before.
        file_a: FileId,
        /// What `b` led to before.
        file_b: FileId,
    },
    /// Bytes written at a place: the write family, copies between files (with the bytes they moved),
    /// stores into a shared mapping. The bytes are what was really written: a short write is short.
    Write {
        /// The file.
        file: FileId,
        /// Where the bytes went; resolved also for O_APPEND.
        offset: u64,
        /// The bytes.
        bytes: Arc<[u8]>,
        /// O_SYNC, O_DSYNC, RWF_SYNC, RWF_DSYNC.
        sync: WriteSync,
        /// Call or mapping.
        via: Via,
    },
    /// The size was set.
    Resize {
        /// The file.
        file: FileId,
        /// Size before, in bytes.
        from: u64,
        /// Size after, in bytes.
        to: u64,
        /// By what.
        how: ResizeHow,
    },
    /// Blocks were allocated and the size kept (FALLOC_FL_KEEP_SIZE, or a range inside the size).
    Allocate {
        /// The file.
        file: FileId,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
    },
    /// A range was zeroed: a punched hole or FALLOC_FL_ZERO_RANGE. Where that grew the file, a
    /// `Resize` with [`ResizeHow::Allocate`] of the same call follows it.
    Zero {
        /// The file.
        file: FileId,
        /// First byte.
        offset: u64,
        /// Length in bytes, inside the file's size.
        len: u64,
    },
    /// fsync, fdatasync (on a file or a directory) or msync(MS_SYNC) that returned success.
    Sync {
        /// The file or directory.
        file: FileId,
        /// How much.
        scope: SyncScope,
    },
    /// sync or syncfs.
    SyncAll,
    /// A sync call that returned an error: nothing became durable, the pages are marked clean.
    FailedSync {
        /// The file or directory.
        file: FileId,
        /// How much.
        scope: SyncScope,
    },
    /// A call that is traced and changes no bytes, names or durability: sync_file_range,
    /// msync(MS_ASYNC), chmod, a read, an open of what exists, a close.
    Nothing {
        /// The file, where there is one.
        file: Option<FileId>,
    },
    /// A call that failed and had no effect.
    Failed {
        /// The file, where there is one.
        file: Option<FileId>,
    },
}

/// This bit in [`Call::no`] marks a call that only looks (a read, a close, a listing). Such calls are
/// recorded only when asked for and have a counter of their own, so that the number of an operation
/// is the same whether they are recorded or not. Printed as `r3`.
pub const LOOK: u32 = 1 << 31;

/// One traced system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call's number among the run's file operations, from 1: the replay coordinate at which a
    /// kill or an error strikes. Several events of one call share it. 0 for a store into a mapping.
    pub no: u32,
    /// The system call's name, or `store` for a store into a mapping.
    pub name: Arc<str>,
    /// What it returned: negative is `-errno`.
    pub result: i64,
    /// True if unplug made it fail or cut it short.
    pub injected: bool,
    /// What it did.
    pub op: FileOp,
}

/// What happened at one point of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A request was sent to the driver.
    Request {
        /// Its number in the history.
        op: OpNo,
        /// What was asked.
        request: Request,
    },
    /// The driver answered a request: placed at the entry of the write that completed the line.
    Reply {
        /// Its number in the history.
        op: OpNo,
        /// The answer.
        answer: Answer,
    },
    /// A line that the program printed, in the whole-program form: a promise made at this moment.
    Line(Arc<str>),
    /// `warn TEXT` from the driver.
    Warn(Arc<str>),
    /// A traced file operation.
    Call(Call),
    /// A process of the driver ended; a wait status as text.
    Exit(Arc<str>),
}

/// One event of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which thread did it: numbered from 1 in the order of their first event; 0 is unplug itself.
    pub thread: u32,
    /// What happened.
    pub kind: EventKind,
    /// The call stack as instruction addresses resolved later, innermost first; empty where it was
    /// not taken.
    pub stack: Arc<[u64]>,
}

/// One node of a directory tree at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// Where it is; nothing for the root, and for files that no name leads to.
    pub at: Option<Place>,
    /// Its identity.
    pub file: FileId,
    /// What it is.
    pub node: NodeKind,
    /// Permission bits.
    pub mode: u32,
    /// Its bytes, for a regular file.
    pub bytes: Arc<Sparse>,
}

/// The recorded directory before the first event: parents before children, the root first. All of it
/// is durable. A hard-linked file stands once a name, with the same identity.
pub type Tree = Vec<TreeNode>;

/// A whole recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The directory before the run.
    pub initial: Tree,
    /// What happened, in the order of effect.
    pub events: Vec<Event>,
    /// System calls that changed files in a way that is not modelled, with how often each was seen.
    pub unmodelled: BTreeMap<String, u64>,
    /// Other things that the recorder cannot see past and that make a loss unprovable, in words.
    pub blind: Vec<String>,
}
