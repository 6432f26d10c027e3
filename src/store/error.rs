//! What can go wrong, one enum an operation, so that a caller sees only what can happen to it.

use std::io;
use std::path::{Path, PathBuf};

/// A call to the operating system that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct IoFailure {
    /// What was attempted, as a verb.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl IoFailure {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_path_buf(), source }
    }

    /// The same failure for another who shared it.
    pub(crate) fn copy(&self) -> Self {
        let source = match self.source.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => self.source.kind().into(),
        };
        Self { action: self.action, path: self.path.clone(), source }
    }
}

/// Bytes that are not what the store wrote, or a file that is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at byte {offset}: {what}")]
pub struct Damage {
    /// The file's name inside the store's directory.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What was found, and why it cannot be a crash's doing.
    pub what: String,
}

impl Damage {
    pub(crate) fn new(file: impl Into<String>, offset: u64, what: impl Into<String>) -> Self {
        Self { file: file.into(), offset, what: what.into() }
    }
}

/// Why a store was not opened. Nothing in it was changed, except after `Io`, where recovery may
/// have been cut short; it begins again at the next `open`.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("{} is open already", .0.display())]
    Locked(PathBuf),
    /// Something that had been made durable is gone or altered.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A system call failed. A read error is never taken for the end of the log.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why a transaction, a sync or a checkpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The transaction is outside the limits; nothing was attempted.
    #[error("refused before anything was written: {0}")]
    Limit(String),
    /// No prepared transaction has this number.
    #[error("transaction {0} is not pending")]
    NotPending(u64),
    /// A system call failed. What had been written of the transaction was taken back: it did not
    /// happen and never will. The store goes on.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// A failure after which nobody can say what the disk holds. Reading goes on, writing needs the
    /// store to be opened anew; whether the transaction happened is known after that.
    #[error("no more writes until the store is opened anew: {0}")]
    Poisoned(String),
}

impl WriteError {
    /// The same error for another who shared it.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Limit(why) => Self::Limit(why.clone()),
            Self::NotPending(transaction) => Self::NotPending(*transaction),
            Self::Io(failure) => Self::Io(failure.copy()),
            Self::Poisoned(why) => Self::Poisoned(why.clone()),
        }
    }
}

/// Why a value, a frame or a snapshot could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The log from this position was compacted away.
    #[error("the log begins at position {oldest}; position {wanted} was compacted away")]
    Compacted {
        /// Asked for.
        wanted: u64,
        /// What there is.
        oldest: u64,
    },
}
