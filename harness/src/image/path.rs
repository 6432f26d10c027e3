//! Paths inside an image: relative, of plain names only.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::tree::Image;
use crate::trace::{FileId, Name, Place};

/// A path's bytes.
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The path of these bytes.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The names that a relative path is made of; nothing where it holds anything else.
fn names(path: &Path) -> Option<Vec<&OsStr>> {
    path.components()
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

impl Image {
    /// The node at a path; the empty path is the root. Symbolic links are not followed.
    pub fn find(&self, path: impl AsRef<Path>) -> Option<FileId> {
        names(path.as_ref())?
            .into_iter()
            .try_fold(FileId::ROOT, |dir, name| self.lookup(dir, name.as_bytes()))
    }

    /// The directory and name that a path stands for; its last name need not exist.
    pub(super) fn place(&self, path: &Path) -> Option<Place> {
        let names = names(path)?;
        let (last, parents) = names.split_last()?;
        let dir =
            parents.iter().try_fold(FileId::ROOT, |dir, name| self.lookup(dir, name.as_bytes()))?;
        self.names_in(dir)?;
        Some(Place { dir, name: Name::from(last.as_bytes()) })
    }
}
