//! A snapshot that is one file.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use super::SnapshotError;
use crate::store::error::IoFailure;
use crate::store::fs::{self, Dir};
use crate::store::store::Store;

/// The directory that holds the file, and the file's name in it.
fn split(path: &Path) -> Result<(&Path, &str), IoFailure> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(OsStr::to_str);
    let name =
        name.ok_or_else(|| IoFailure::new("name", path, ErrorKind::InvalidFilename.into()))?;
    Ok((parent, name))
}

impl Store {
    /// Writes a snapshot into one file, which appears whole or not at all, and returns how many
    /// keys it holds.
    pub fn export_file(&self, path: &Path) -> Result<u64, SnapshotError> {
        let (parent, name) = split(path)?;
        let dir = Dir::open(parent)?;
        let mut outcome = Ok(0);
        let published = dir.publish_with(name, |file, path| {
            outcome = self.stream(&mut |bytes| Ok(fs::append_all(file, path, bytes)?));
            match &outcome {
                Ok(_) => Ok(()),
                // Nothing may be renamed into place; the reason is told below.
                Err(_) => Err(IoFailure::new("fill", path, ErrorKind::Other.into())),
            }
        });
        let keys = outcome?;
        published?;
        dir.sync()?;
        Ok(keys)
    }

    /// Takes all pairs of a snapshot file into this store, which must be empty.
    pub fn import_file(&self, path: &Path) -> Result<u64, SnapshotError> {
        let (_, name) = split(path)?;
        let bytes = fs::read_all(&fs::open_given(path)?, path)?;
        self.absorb(bytes, name)
    }
}
