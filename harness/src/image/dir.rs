//! A real directory that becomes one image after another. It remembers what it last held, so that
//! the next image is written as a difference; [`Workdir::note_recovery`] (in `notice`) finds what a
//! recovery changed meanwhile, by content.
//!
//! Whoever uses it sees to it that no other process works in the directory while it changes.

mod writer;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use writer::Writer;

use super::tree::Image;
use crate::base::{HarnessError, Result};

/// A directory of the harness's own and what is known to be in it.
#[derive(Debug)]
pub struct Workdir {
    pub(super) path: PathBuf,
    pub(super) known: Image,
    /// False after a failure or while someone else works in it: what it holds is then not known.
    pub(super) trusted: bool,
}

/// What it took to become an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Files made, changed or removed.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Workdir {
    /// The directory at `path`, made where it is missing. What it holds already is read.
    pub fn new(path: impl Into<PathBuf>) -> Result<Workdir> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(|error| HarnessError::at("making", &path, error))?;
        let mut workdir = Workdir { path, known: Image::empty(), trusted: false };
        workdir.note_recovery()?;
        Ok(workdir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is known to hold.
    pub fn holds(&self) -> &Image {
        &self.known
    }

    /// Makes the directory hold exactly `image`, writing only what differs from what it is known to
    /// hold. Call [`Workdir::note_recovery`] before, if anything else may have written to it.
    pub fn become_image(&mut self, image: &Image) -> Result<Stats> {
        if self.trusted
            && let Ok(stats) = self.write(image)
        {
            return Ok(stats);
        }
        // Something is not as it was thought, or not permitted: look, open all doors, try again.
        open_up(&self.path);
        if self.note_recovery().and_then(|()| self.write(image)).is_err() {
            self.wipe()?;
            return self.write(image);
        }
        Ok(Stats::default())
    }

    /// Empties the directory.
    pub fn wipe(&mut self) -> Result<()> {
        let at = |error| HarnessError::at("emptying", &self.path, error);
        for entry in std::fs::read_dir(&self.path).map_err(at)? {
            remove(&entry.map_err(at)?.path()).map_err(at)?;
        }
        self.known = Image::empty();
        self.trusted = true;
        Ok(())
    }

    fn write(&mut self, image: &Image) -> Result<Stats> {
        self.trusted = false;
        let mut writer = Writer {
            old: &self.known,
            new: image,
            homes: BTreeMap::new(),
            owners: BTreeMap::new(),
            stats: Stats::default(),
        };
        writer.dir(&self.path)?;
        let stats = writer.stats;
        self.known = image.clone();
        self.trusted = true;
        Ok(stats)
    }
}

/// Removes whatever is at a path, never following a link, whatever the modes of directories are as far as the machine
/// permits. Nothing there is no error.
pub fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(_) if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) => {
            std::fs::remove_dir_all(path).or_else(|_| {
                open_up(path);
                std::fs::remove_dir_all(path)
            })
        }
        Err(error) => Err(error),
    }
}

/// Lets the owner read, write and enter everything, as far as the machine permits.
pub(super) fn open_up(path: &Path) {
    let mut todo = vec![path.to_path_buf()];
    while let Some(path) = todo.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_symlink() {
            continue;
        }
        let mode = meta.permissions().mode() | if meta.is_dir() { 0o700 } else { 0o600 };
        let _ = std::fs::set_permissions(&path, Permissions::from_mode(mode));
        if meta.is_dir() {
            todo.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
    }
}
