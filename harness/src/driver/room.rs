//! How much room a driver's directory takes: a store that reads a damaged length may grow its files
//! until nothing else on the file system can be written, other stores' images included. It is stopped
//! before that; holes take no room.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::DriverFault;

/// How often the directory is looked at while an answer is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A directory and the most bytes that it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The directory.
    pub dir: PathBuf,
    /// The most bytes on disk of all that is in it.
    pub limit_bytes: u64,
}

impl Room {
    /// An error if the directory takes more.
    pub(super) fn check(&self) -> Result<(), DriverFault> {
        let taken_bytes = taken(&self.dir);
        if taken_bytes <= self.limit_bytes {
            return Ok(());
        }
        Err(DriverFault::TookRoom { taken_bytes, limit_bytes: self.limit_bytes })
    }
}

/// The bytes on disk of everything below `dir`; what vanishes meanwhile takes none. Links are not
/// followed.
fn taken(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            if meta.is_dir() {
                todo.push(entry.path());
            } else {
                bytes += meta.blocks() * 512;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_no_room_and_bytes_do() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("d")).unwrap();
        std::os::unix::fs::symlink("/", temp.path().join("s")).unwrap();
        let file = std::fs::File::create(temp.path().join("d/f")).unwrap();
        file.set_len(1 << 40).unwrap();
        let room = Room { dir: temp.path().into(), limit_bytes: 64 << 10 };
        assert_eq!(room.check(), Ok(()));
        std::fs::write(temp.path().join("d/g"), vec![1; 200_000]).unwrap();
        let Err(DriverFault::TookRoom { taken_bytes, .. }) = room.check() else { panic!() };
        assert!(taken_bytes >= 200_000);
    }
}
