//! What one call does to the recorded directory.

use std::sync::Arc;

use super::event::{FileId, Place};

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
    /// fsync, fdatasync (on a file or a directory) or msync(MS_SYNC) that returned success, or that wrote
    /// what it had to and told of an earlier failure.
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
