//! Effects: the smallest things that can survive a power cut or be lost by themselves.
//!
//! | event | effects, in program order |
//! | --- | --- |
//! | write family, stores into a mapping | one `Data` per page touched; a `Grow` where it extends the file |
//! | ftruncate, O_TRUNC, fallocate | `Resize`; before a shrink to an unaligned size also `Data` of zeros for the rest of its last block |
//! | punching, zeroing | `Data` of zeros, one per page that may hold anything else; over a whole page it is metadata: the page's blocks go |
//! | creating open, mkdir, symlink, link | `Link` |
//! | unlink, rmdir | `Unlink` |
//! | rename | `Rename`, atomic by itself |
//!
//! Two effects are split further than the document does, without a state more or less: a `Grow` that
//! begins inside a block is cut at the block's end (a Grow may survive cut to any page boundary
//! anyway), because ext4 treats the two parts differently; and a `Rename` of a file between
//! directories is followed by a `Leave` (its old name goes), because btrfs and strict may keep both
//! names.

use std::fmt;
use std::sync::Arc;

use crate::base::limits::PAGE_BYTES;
use crate::trace::{EventNo, FileId, Place};

/// The number of an effect in its trace, in program order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectNo(pub u32);

impl fmt::Display for EffectNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bytes of a `Data` effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// These, from this index on.
    Bytes(Arc<[u8]>, usize),
    /// Zeros.
    Zeros,
}

/// What an effect does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectKind {
    /// Bytes `start..end` of one page of a file.
    Data {
        /// The file.
        file: FileId,
        /// The page's number in it.
        page: u64,
        /// First byte within the page.
        start: u16,
        /// One past the last byte within the page.
        end: u16,
        /// What they become.
        fill: Fill,
        /// True if the page had no blocks of its own on disk when it was written: an append, a hole,
        /// a fallocated range.
        fresh: bool,
    },
    /// A write made the file longer.
    Grow {
        /// The file.
        file: FileId,
        /// Its size before.
        from: u64,
        /// Its size after.
        to: u64,
        /// Where the write began.
        offset: u64,
        /// True if the growth stays inside the file's last block, which is on disk.
        in_block: bool,
        /// True if new blocks must be allocated for it (not fallocated, not in the last block).
        fresh: bool,
    },
    /// The size was set.
    Resize {
        /// The file.
        file: FileId,
        /// Its size before.
        from: u64,
        /// Its size after.
        to: u64,
    },
    /// A name came.
    Link {
        /// The name.
        at: Place,
        /// What it leads to.
        file: FileId,
        /// True if the file was made with it, rather than given another name.
        created: bool,
    },
    /// A name went.
    Unlink {
        /// The name.
        at: Place,
        /// What it led to.
        file: FileId,
    },
    /// A name moved.
    Rename {
        /// The old name.
        from: Place,
        /// The new name.
        to: Place,
        /// What moved.
        file: FileId,
        /// What the new name led to before.
        replaced: Option<FileId>,
        /// True if the old name goes by a `Leave` of its own, the next effect.
        split: bool,
    },
    /// The old name of a file that was renamed between directories goes.
    Leave {
        /// The old name.
        from: Place,
        /// What moved.
        file: FileId,
    },
    /// Two names changed places.
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
}

/// One effect of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The event that it belongs to.
    pub event: EventNo,
    /// What it does.
    pub kind: EffectKind,
}

impl EffectKind {
    /// The file or node that it is about.
    pub fn file(&self) -> FileId {
        match self {
            EffectKind::Data { file, .. }
            | EffectKind::Grow { file, .. }
            | EffectKind::Resize { file, .. }
            | EffectKind::Link { file, .. }
            | EffectKind::Unlink { file, .. }
            | EffectKind::Rename { file, .. }
            | EffectKind::Leave { file, .. } => *file,
            EffectKind::Exchange { file_a, .. } => *file_a,
        }
    }

    /// The names that it touches: two at most.
    pub fn places(&self) -> [Option<&Place>; 2] {
        match self {
            EffectKind::Link { at, .. } | EffectKind::Unlink { at, .. } => [Some(at), None],
            EffectKind::Leave { from, .. } => [Some(from), None],
            EffectKind::Rename { from, to, .. } => [Some(from), Some(to)],
            EffectKind::Exchange { a, b, .. } => [Some(a), Some(b)],
            _ => [None, None],
        }
    }

    /// True for Link, Unlink, Rename (with Leave and Exchange).
    pub fn is_name(&self) -> bool {
        self.places()[0].is_some()
    }

    /// True for a page that was punched or zeroed as a whole: file systems take its blocks away, or
    /// mark them unwritten, and write no zeros.
    pub fn frees_page(&self) -> bool {
        matches!(self, EffectKind::Data { start: 0, end, fill: Fill::Zeros, .. }
            if u64::from(*end) == PAGE_BYTES)
    }

    /// True for what the profiles call metadata: names, Resize, whole pages punched or zeroed, and
    /// growth inside the last block where `in_block_grow` is asked for (ext4).
    pub fn is_metadata(&self, in_block_grow: bool) -> bool {
        match self {
            EffectKind::Resize { .. } => true,
            EffectKind::Data { .. } => self.frees_page(),
            EffectKind::Grow { in_block, .. } => *in_block && in_block_grow,
            _ => self.is_name(),
        }
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            EffectKind::Data { .. } => "data",
            EffectKind::Grow { .. } => "grow",
            EffectKind::Resize { .. } => "resize",
            EffectKind::Link { .. } => "link",
            EffectKind::Unlink { .. } => "unlink",
            EffectKind::Rename { .. } => "rename",
            EffectKind::Leave { .. } => "leave",
            EffectKind::Exchange { .. } => "exchange",
        }
    }
}
