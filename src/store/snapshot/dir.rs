//! A shelf that is a directory: one file a part, each appearing whole or not at all.

use std::path::Path;

use super::Shelf;
use crate::store::error::IoFailure;
use crate::store::fs::{self, Dir};

/// A directory of parts.
#[derive(Debug)]
pub struct DirShelf(Dir);

impl DirShelf {
    /// The directory, made where it is missing.
    pub fn create(path: &Path) -> Result<Self, IoFailure> {
        Dir::create(path).map(Self)
    }

    /// The directory, which must be there.
    pub fn open(path: &Path) -> Result<Self, IoFailure> {
        Dir::open(path).map(Self)
    }
}

impl Shelf for DirShelf {
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), IoFailure> {
        self.0.publish(name, bytes)?;
        self.0.sync()
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>, IoFailure> {
        let path = self.0.file(name);
        fs::read_all(&fs::open_given(&path)?, &path)
    }
}
