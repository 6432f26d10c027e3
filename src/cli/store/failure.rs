//! Why a store command ended badly, and with which exit code.

use std::io::{self, ErrorKind};

use crate::store::{OpenError, ReadError, SnapshotError, WriteError};

/// Why a command ended badly; each kind has its exit code.
pub(super) enum Failure {
    Damaged(String),
    Input(String),
    Machine(String),
    Output(io::Error),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::Damaged(_) => Self::Damaged(format!(
                "{text} (`unplug store verify` lists all of it, `--salvage` opens what is good)"
            )),
            OpenError::Locked(_) => Self::Input(text),
            OpenError::Io(failure) => by_kind(failure.source.kind(), text),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let text = error.to_string();
        match error {
            ReadError::Damaged(_) => Self::Damaged(text),
            ReadError::Compacted { .. } => Self::Input(text),
            ReadError::Io(failure) => by_kind(failure.source.kind(), text),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let text = error.to_string();
        match error {
            WriteError::Limit(_) | WriteError::NotPending(_) => Self::Input(text),
            WriteError::Io(failure) => by_kind(failure.source.kind(), text),
            WriteError::Poisoned(_) => Self::Machine(text),
        }
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Read(error) => error.into(),
            SnapshotError::Write(error) => error.into(),
            SnapshotError::NotEmpty => Self::Input(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What is not there, is no file of a store, or leaves no room is the caller's to mend.
fn by_kind(kind: ErrorKind, text: String) -> Failure {
    use ErrorKind::{
        FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match kind {
        NotFound | NotADirectory | IsADirectory | InvalidInput | InvalidFilename => {
            Failure::Input(text)
        }
        FileTooLarge | PermissionDenied | ReadOnlyFilesystem | StorageFull | QuotaExceeded => {
            Failure::Input(text)
        }
        _ => Failure::Machine(text),
    }
}
