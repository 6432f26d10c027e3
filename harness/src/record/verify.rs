//! Is the recording true? The trace replayed with everything surviving must be the directory on disk,
//! byte for byte. A difference means that something wrote there unseen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::recording::Recording;
use crate::base::holes;
use crate::trace::FileId;
use crate::trace::replay::{Replayed, replay};
use crate::trace::sparse::Sparse;

/// How many differences are told.
const TOLD: usize = 8;

impl Recording {
    /// In which ways `root`, the recorded directory, is not what the trace says; empty if it is. To be
    /// asked before anything else touches the directory.
    pub fn differences(&self, root: &Path) -> io::Result<Vec<String>> {
        let told = match replay(&self.trace) {
            Ok(told) => told,
            Err(wrong) => {
                return Ok(vec![format!("event {} cannot be: {}", wrong.event, wrong.why)]);
            }
        };
        let mut comparison = Comparison { told, inodes: BTreeMap::new(), differences: Vec::new() };
        comparison.dir(root, &mut Vec::new())?;
        for path in comparison.told.into_keys() {
            let text = format!("{} is only in the trace", path.escape_ascii());
            comparison.differences.push(text);
        }
        comparison.differences.truncate(TOLD);
        Ok(comparison.differences)
    }
}

struct Comparison {
    /// What was not met on disk yet.
    told: BTreeMap<Vec<u8>, Replayed>,
    /// Which file each inode is: hard links must be the same on both sides.
    inodes: BTreeMap<(u64, u64), FileId>,
    differences: Vec<String>,
}

impl Comparison {
    fn dir(&mut self, dir: &Path, path: &mut Vec<u8>) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let len = path.len();
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let data = entry.path().symlink_metadata()?;
            let kind = data.file_type();
            let same = match self.told.remove(path.as_slice()) {
                None => {
                    // A socket, FIFO or device may be made in ways that are none of our business.
                    !kind.is_dir() && !kind.is_file() && !kind.is_symlink()
                }
                Some(Replayed::Dir) => kind.is_dir(),
                Some(Replayed::Special) => !kind.is_dir() && !kind.is_file() && !kind.is_symlink(),
                Some(Replayed::Symlink(target)) => {
                    kind.is_symlink()
                        && std::fs::read_link(entry.path())?.as_os_str().as_bytes() == target
                }
                Some(Replayed::File(file, bytes)) => {
                    let inode = (data.dev(), data.ino());
                    kind.is_file()
                        && *self.inodes.entry(inode).or_insert(file) == file
                        && data.len() == bytes.len()
                        && holds(&File::open(entry.path())?, &bytes)?
                }
            };
            if !same {
                self.differences.push(format!("{} is not as in the trace", path.escape_ascii()));
            }
            if kind.is_dir() {
                self.dir(&entry.path(), path)?;
            }
            path.truncate(len);
        }
        Ok(())
    }
}

/// True if the file holds these bytes. What is a hole on both sides is not read.
fn holds(file: &File, told: &Sparse) -> io::Result<bool> {
    const PIECE: usize = 1 << 20;
    let mut there = vec![0; PIECE];
    let mut at = 0;
    while at < told.len() {
        let next = told.next_data(at).min(holes::next_data(file, at).unwrap_or(told.len()));
        if next > at {
            at = next;
            continue;
        }
        let len = (told.len() - at).min(PIECE as u64) as usize;
        file.read_exact_at(&mut there[..len], at)?;
        if told.read(at, len) != there[..len] {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(true)
}
