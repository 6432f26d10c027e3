//! What recovery found and did, for whoever opened the store. Data alone.

use std::fmt;

/// Something that `open` lost, dropped, repaired or passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Bytes at the end of the log were no whole frames: writes that a crash cut short.
    TailDropped {
        /// The segment's file.
        file: String,
        /// Where the last good frame ends.
        offset: u64,
        /// How many bytes were dropped.
        bytes: u64,
        /// Why the first of them are no frame.
        reason: &'static str,
    },
    /// Bytes after the last frame of a segment that is complete without them.
    JunkIgnored {
        /// The segment's file.
        file: String,
        /// Where its last frame ends.
        offset: u64,
        /// How many bytes follow.
        bytes: u64,
    },
    /// A checkpoint is damaged or gone; an older one and a longer log gave the same contents.
    CheckpointUnusable {
        /// The checkpoint's file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The checkpoint to fall back on is gone.
    FallbackMissing {
        /// The file that should be there.
        file: String,
    },
    /// A value file that nothing names was removed.
    OrphanRemoved {
        /// The file.
        file: String,
    },
    /// The mark is damaged; what it would have proved is not known.
    MarkDamaged,
    /// A damaged store was opened to its last good frame, as was asked.
    Salvaged {
        /// Where and what the damage is.
        damage: String,
        /// Where what was dropped is kept.
        kept_in: Vec<String>,
    },
    /// A value that a key holds is gone; reading the key fails. Only where damage was to be opened.
    ValueMissing {
        /// The value's file.
        file: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TailDropped { file, offset, bytes, reason } => write!(
                f,
                "dropped {bytes} bytes of {file} from byte {offset}: {reason}, and nothing proves \
                 that it was ever synced"
            ),
            Self::JunkIgnored { file, offset, bytes } => {
                write!(f, "ignored {bytes} bytes of {file} from byte {offset}: no part of the log")
            }
            Self::CheckpointUnusable { file, what } => {
                write!(f, "{file} cannot be used ({what}); recovered from older files")
            }
            Self::FallbackMissing { file } => write!(f, "{file}, the older checkpoint, is missing"),
            Self::OrphanRemoved { file } => write!(f, "removed {file}, which nothing names"),
            Self::MarkDamaged => write!(f, "MARK is damaged: a shortened log may go unnoticed"),
            Self::Salvaged { damage, kept_in } => {
                write!(f, "opened to the last good frame: {damage}")?;
                if !kept_in.is_empty() {
                    write!(f, "; what was dropped is in {}", kept_in.join(", "))?;
                }
                Ok(())
            }
            Self::ValueMissing { file } => write!(f, "{file}, which a key holds, is missing"),
        }
    }
}

/// What `open` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The checkpoint it started from.
    pub checkpoint: Option<u64>,
    /// Frames read from the log.
    pub frames: u64,
    /// Where the log ends.
    pub end: u64,
    /// Bytes that were written anew because nothing proved them durable.
    pub rewritten_bytes: u64,
    /// True if the store had not been closed cleanly.
    pub is_unclean: bool,
    /// Everything that was lost, dropped, repaired or passed over.
    pub notices: Vec<Notice>,
}
