//! The store's only way to the disk: one directory, whole reads, whole writes, honest syncs.
//!
//! Every call is repeated on EINTR and continued when it was short. No file is ever opened with
//! O_TRUNC, and no symbolic link is followed. A name is durable only after `sync_dir`, and a file that must appear whole or not at
//! all goes through `publish`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::IoFailure;
use super::options::MAX_FILE_BYTES;

/// The directory of a store.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    handle: File,
}

/// Repeats a call that a signal interrupted.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl Dir {
    /// Opens the directory, making it (and its name durable) where it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self, IoFailure> {
        match Self::open(path) {
            Err(failure) if failure.source.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        let fail = |action, error| IoFailure::new(action, path, error);
        match change(|| fs::create_dir(path)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(fail("create", error));
            }
            _ => {}
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let handle = retry(|| File::open(parent)).map_err(|e| IoFailure::new("open", parent, e))?;
        change(|| handle.sync_all()).map_err(|e| IoFailure::new("sync", parent, e))?;
        Self::open(path)
    }

    /// Opens the directory if it is there.
    pub(crate) fn open(path: &Path) -> Result<Self, IoFailure> {
        let handle = retry(|| File::open(path)).map_err(|e| IoFailure::new("open", path, e))?;
        Ok(Self { path: path.to_path_buf(), handle })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names in the directory that are text, in no order. Not by `std::fs::read_dir`, which
    /// panics where a directory cannot be read or closed; here that is an error.
    pub(crate) fn names(&self) -> Result<Vec<String>, IoFailure> {
        use nix::dir::Dir;
        let fail = |error: nix::Error| IoFailure::new("list", &self.path, error.into());
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = || Ok(Dir::openat(&self.handle, ".", flags, Mode::empty())?);
        let mut listed = retry(open).map_err(|error| IoFailure::new("list", &self.path, error))?;
        let mut names = Vec::new();
        for entry in listed.iter() {
            if let Ok(name) = entry.map_err(fail)?.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_string());
            }
        }
        Ok(names)
    }

    /// Makes every name created, removed or changed in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), IoFailure> {
        change(|| self.handle.sync_all()).map_err(|e| IoFailure::new("sync", &self.path, e))
    }

    /// Opens a file that is there, for reading and for writing at any place.
    pub(crate) fn open_file(&self, name: &str) -> Result<File, IoFailure> {
        retry(|| self.regular(name, OFlag::O_RDWR)).map_err(|e| self.failed("open", name, e))
    }

    /// Opens a file that is there, for reading.
    pub(crate) fn open_read(&self, name: &str) -> Result<File, IoFailure> {
        retry(|| self.regular(name, OFlag::O_RDONLY)).map_err(|e| self.failed("open", name, e))
    }

    /// Opens a file that is there so that every write goes to its end.
    pub(crate) fn open_append(&self, name: &str) -> Result<File, IoFailure> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
        retry(|| self.regular(name, flags)).map_err(|e| self.failed("open", name, e))
    }

    /// Creates a file that must not be there yet.
    pub(crate) fn create_new(&self, name: &str) -> Result<File, IoFailure> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        change(|| self.regular(name, flags)).map_err(|e| self.failed("create", name, e))
    }

    /// Opens a file, creating an empty one where it is missing.
    pub(crate) fn open_or_create(&self, name: &str) -> Result<File, IoFailure> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT;
        change(|| self.regular(name, flags)).map_err(|e| self.failed("open", name, e))
    }

    /// Opens a name in the directory that is a regular file. A symbolic link is not followed, and what else bears the name
    /// is refused; so is a file with a second name, for that may be anybody's. A name has no `/`, so nothing outside of
    /// the directory is ever reached.
    fn regular(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let refused = |why| io::Error::new(ErrorKind::InvalidInput, why);
        // A FIFO is not waited for.
        let careful = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o666);
        let file = match openat(&self.handle, name, flags | careful, mode) {
            Ok(file) => File::from(file),
            Err(Errno::ELOOP) => return Err(refused("it is a symbolic link, and no regular file")),
            Err(Errno::EISDIR) => return Err(refused("it is a directory, and no regular file")),
            Err(error) => return Err(error.into()),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(refused("it is no regular file"));
        }
        if meta.nlink() > 1 {
            return Err(refused("it has another name, and may belong to another"));
        }
        Ok(file)
    }

    fn failed(&self, action: &'static str, name: &str, error: io::Error) -> IoFailure {
        IoFailure::new(action, &self.file(name), error)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), IoFailure> {
        change(|| Ok(renameat(&self.handle, from, &self.handle, to)?))
            .map_err(|e| self.failed("rename", from, e))
    }

    /// Removes a file; that it is gone already is no failure.
    pub(crate) fn remove(&self, name: &str) -> Result<(), IoFailure> {
        match change(|| Ok(unlinkat(&self.handle, name, UnlinkatFlags::NoRemoveDir)?)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.failed("remove", name, error))
            }
            _ => Ok(()),
        }
    }

    /// True if the name is taken, by whatever it is.
    pub(crate) fn has(&self, name: &str) -> Result<bool, IoFailure> {
        match retry(|| Ok(fstatat(&self.handle, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("inspect", name, error)),
        }
    }

    /// Writes `name` so that it appears whole or not at all: beside it, synced, then renamed. The
    /// new name is durable after the next `sync`, which is the caller's.
    pub(crate) fn publish(&self, name: &str, bytes: &[u8]) -> Result<(), IoFailure> {
        self.publish_with(name, |file, path| append_all(file, path, bytes))
    }

    /// The same for a file that is written piece by piece.
    pub(crate) fn publish_with(
        &self,
        name: &str,
        write: impl FnOnce(&File, &Path) -> Result<(), IoFailure>,
    ) -> Result<(), IoFailure> {
        let temporary = temporary_name(name);
        let file = match self.create_new(&temporary) {
            // Left by an attempt that failed; it belongs to nobody.
            Err(failure) if failure.source.kind() == ErrorKind::AlreadyExists => {
                self.remove(&temporary)?;
                self.create_new(&temporary)?
            }
            other => other?,
        };
        let path = self.file(&temporary);
        let renamed = write(&file, &path)
            .and_then(|()| size(&file, &path).map(drop))
            .and_then(|()| sync_all(&file, &path))
            .and_then(|()| self.rename(&temporary, name));
        if renamed.is_err() {
            // Tidiness alone: whatever is left is removed by the next `open`.
            let _ = self.remove(&temporary);
        }
        renamed
    }
}

/// Opens a file that the caller chose, for reading: it is no store's, and links may lead to it.
pub(crate) fn open_given(path: &Path) -> Result<File, IoFailure> {
    retry(|| File::open(path)).map_err(|e| IoFailure::new("open", path, e))
}

/// The name under which `publish` prepares `name`.
pub(crate) fn temporary_name(name: &str) -> String {
    format!("{name}.tmp")
}

/// Reads a whole file. The size asked of the system is a hint; the end is where a read says so.
pub(crate) fn read_all(file: &File, path: &Path) -> Result<Vec<u8>, IoFailure> {
    let size = size(file, path)?;
    let size = usize::try_from(size)
        .map_err(|_| IoFailure::new("read", path, ErrorKind::FileTooLarge.into()))?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(size)
        .map_err(|_| IoFailure::new("read", path, ErrorKind::OutOfMemory.into()))?;
    bytes.resize(size, 0);
    let mut have = 0;
    while have < size {
        let read = retry(|| file.read_at(&mut bytes[have..], have as u64))
            .map_err(|e| IoFailure::new("read", path, e))?;
        if read == 0 {
            // Shorter than its size said: not the end of a log but a file changed under us.
            return Err(IoFailure::new("read", path, ErrorKind::UnexpectedEof.into()));
        }
        have += read;
    }
    Ok(bytes)
}

/// The size of a file, which is at most [`MAX_FILE_BYTES`].
fn size(file: &File, path: &Path) -> Result<u64, IoFailure> {
    let size = retry(|| file.metadata()).map_err(|e| IoFailure::new("inspect", path, e))?.len();
    if size > MAX_FILE_BYTES {
        let why = format!("it has {size} bytes, and a store's file at most {MAX_FILE_BYTES}");
        return Err(IoFailure::new("use", path, io::Error::new(ErrorKind::FileTooLarge, why)));
    }
    Ok(size)
}

/// Reads up to `len` bytes from the start of a file.
pub(crate) fn read_start(file: &File, path: &Path, len: usize) -> Result<Vec<u8>, IoFailure> {
    let mut bytes = vec![0; len];
    let mut have = 0;
    while have < len {
        match retry(|| file.read_at(&mut bytes[have..], have as u64)) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) => return Err(IoFailure::new("read", path, error)),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// Writes all bytes at the file's own offset (its end where it was opened to append).
pub(crate) fn append_all(mut file: &File, path: &Path, bytes: &[u8]) -> Result<(), IoFailure> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = change(|| io::Write::write(&mut file, rest))
            .map_err(|e| IoFailure::new("write", path, e))?;
        if written == 0 {
            return Err(IoFailure::new("write", path, ErrorKind::WriteZero.into()));
        }
        rest = &rest[written..];
    }
    Ok(())
}

/// Writes all bytes at `offset`.
pub(crate) fn write_at(
    file: &File,
    path: &Path,
    bytes: &[u8],
    offset: u64,
) -> Result<(), IoFailure> {
    let mut done = 0;
    while done < bytes.len() {
        let written = change(|| file.write_at(&bytes[done..], offset + done as u64))
            .map_err(|e| IoFailure::new("write", path, e))?;
        if written == 0 {
            return Err(IoFailure::new("write", path, ErrorKind::WriteZero.into()));
        }
        done += written;
    }
    Ok(())
}

/// Cuts a file to `len` bytes.
pub(crate) fn cut(file: &File, path: &Path, len: u64) -> Result<(), IoFailure> {
    change(|| file.set_len(len)).map_err(|e| IoFailure::new("cut", path, e))
}

/// Makes a file's bytes and size durable (fsync).
pub(crate) fn sync_all(file: &File, path: &Path) -> Result<(), IoFailure> {
    change(|| file.sync_all()).map_err(|e| IoFailure::new("sync", path, e))
}

/// Makes a file's bytes, and the size needed to read them, durable (fdatasync).
pub(crate) fn sync_data(file: &File, path: &Path) -> Result<(), IoFailure> {
    change(|| file.sync_data()).map_err(|e| IoFailure::new("sync", path, e))
}

/// Every call that changes something goes through here, so that a test can stop the store at the
/// n-th of them.
fn change<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    retry(|| {
        #[cfg(test)]
        fuse::burn()?;
        call()
    })
}

#[cfg(test)]
pub(crate) mod fuse;
