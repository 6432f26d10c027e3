//! An image from a directory. Sockets, FIFOs and devices are left out: they are no part of an image.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::page::{PAGE, Page};
use super::tree::Image;
use crate::base::holes::data_after;
use crate::base::limits::{IMAGE_BYTES, IMAGE_NAMES, PAGE_BYTES};
use crate::base::{HarnessError, Result};
use crate::trace::{FileId, Name, NodeKind};

/// How much is read at once.
const CHUNK: usize = 64 * PAGE;

impl Image {
    /// Loads a directory. Hard links stay one file; holes are not read.
    pub fn load(dir: &Path) -> Result<Image> {
        Ok(Self::load_like(dir, None)?.0)
    }

    /// Loads a directory of which `known` is an earlier state, and shares with it what did not change.
    pub fn load_after(dir: &Path, known: &Image) -> Result<Image> {
        Ok(Self::load_like(dir, Some(known))?.0)
    }

    /// Loads a directory of which `known` is an earlier state: pages that did not change are shared
    /// with the file that had the same path, so that the difference is found without hashing. The
    /// paths of what is no part of an image come second.
    pub(super) fn load_like(dir: &Path, known: Option<&Image>) -> Result<(Image, Vec<PathBuf>)> {
        let mut loader = Loader { image: Image::empty(), ..Loader::default() };
        let mut todo = vec![(dir.to_path_buf(), FileId::ROOT, known.map(|_| FileId::ROOT))];
        while let Some((path, id, old)) = todo.pop() {
            let list = std::fs::read_dir(&path).map_err(|error| failed("listing", &path, error))?;
            let mut names = Vec::new();
            for entry in list {
                let entry = entry.map_err(|error| failed("listing", &path, error))?;
                let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                names.push((entry.file_name(), is_file));
            }
            // The order of a directory is the file system's whim; identities follow names.
            names.sort();
            for (name, is_file) in names {
                let old = known
                    .zip(old)
                    .and_then(|(known, old)| Some((known, known.lookup(old, name.as_bytes())?)));
                if let Some(child) = loader.add(&path, id, &name, is_file, old)? {
                    todo.push((path.join(&name), child, old.map(|(_, old)| old)));
                }
            }
        }
        Ok((loader.image, loader.special))
    }
}

/// An error on a path of a store. Where a program forbids its user to read what it stored, the store cannot be judged.
fn failed(doing: &str, path: &Path, error: std::io::Error) -> HarnessError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => HarnessError::NotMeasured(format!(
            "{doing} {}: permission denied: the program took away the right to read what it stored",
            path.display()
        )),
        _ => HarnessError::at(doing, path, error),
    }
}

#[derive(Default)]
struct Loader {
    image: Image,
    /// Sockets, FIFOs, devices.
    special: Vec<PathBuf>,
    /// Files with several names, by device and inode.
    seen: BTreeMap<(u64, u64), FileId>,
    bytes: u64,
    names: u64,
}

impl Loader {
    /// Adds one name; returns the identity if it is a directory.
    fn add(
        &mut self,
        parent: &Path,
        dir: FileId,
        name: &OsStr,
        is_file: bool,
        old: Option<(&Image, FileId)>,
    ) -> Result<Option<FileId>> {
        let path = parent.join(name);
        let at = |doing: &str, error| failed(doing, &path, error);
        // What the listing calls a file is opened first and then asked what it is; anything else is
        // never opened.
        let file =
            is_file.then(|| open(&path).map_err(|error| at("reading", error))).transpose()?;
        let meta = match &file {
            Some(file) => file.metadata(),
            None => std::fs::symlink_metadata(&path),
        };
        let meta = meta.map_err(|error| at("looking at", error))?;
        let kind = if meta.is_dir() {
            NodeKind::Dir
        } else if meta.is_file() {
            NodeKind::File
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&path).map_err(|error| at("reading link", error))?;
            NodeKind::Symlink(Arc::from(target.as_os_str().as_bytes()))
        } else {
            self.special.push(path);
            return Ok(None);
        };
        self.names += 1;
        if self.names > IMAGE_NAMES {
            let text = format!("{}: more than {IMAGE_NAMES} names in one store", parent.display());
            return Err(HarnessError::input(text));
        }
        let name = Name::from(name.as_bytes());
        let inode = (meta.dev(), meta.ino());
        if let Some(&file) = self.seen.get(&inode) {
            self.image.link(dir, &name, file);
            return Ok(None);
        }
        let id = self.image.unused_id();
        self.image.create(id, &kind, meta.mode() & 0o7777);
        if meta.nlink() > 1 && kind != NodeKind::Dir {
            self.seen.insert(inode, id);
        }
        if kind == NodeKind::File {
            self.bytes = self.bytes.saturating_add(meta.len().min(meta.blocks() * 512));
            if self.bytes > IMAGE_BYTES {
                let text =
                    format!("{}: more than {IMAGE_BYTES} bytes in one store", path.display());
                return Err(HarnessError::input(text));
            }
            let known = old.and_then(|(image, old)| image.content(old));
            let content = match file {
                Some(file) => read(&file, meta.len(), known),
                None => open(&path).and_then(|file| read(&file, file.metadata()?.len(), known)),
            };
            let content = content.map_err(|error| at("reading", error))?;
            self.image.edit(id, |empty| *empty = content);
        }
        self.image.link(dir, &name, id);
        Ok((kind == NodeKind::Dir).then_some(id))
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}

thread_local! {
    /// Where files are read into, again and again.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads a file's bytes, holes skipped, sharing what is as in `known`.
fn read(file: &File, size: u64, known: Option<&Content>) -> std::io::Result<Content> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        read_by(buffer, file, size, known)
    })
}

fn read_by(
    buffer: &mut [u8],
    file: &File,
    size: u64,
    known: Option<&Content>,
) -> std::io::Result<Content> {
    let mut content = known.cloned().unwrap_or_default();
    content.clip(size);
    let mut at = 0;
    while at < size {
        let (start, end) = data_range(file, at, size);
        drop_pages(&mut content, at, start);
        at = start;
        while at < end {
            let want = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let mut got = 0;
            while got < want {
                match file.read_at(&mut buffer[got..want], at + got as u64)? {
                    0 => break,
                    more => got += more,
                }
            }
            buffer[got..want].fill(0);
            for (no, bytes) in (at / PAGE_BYTES..).zip(buffer[..want].chunks(PAGE)) {
                if Page::bytes_of(content.page(no))[..bytes.len()] != *bytes {
                    content.set_page(no, Page::padded(bytes));
                }
            }
            at += want as u64;
        }
    }
    Ok(content)
}

/// The next stretch of data from `at` on, from and to page boundaries; empty at the end.
fn data_range(file: &File, at: u64, size: u64) -> (u64, u64) {
    // A small file is read faster than asked about.
    if size <= CHUNK as u64 {
        return (at, size);
    }
    match data_after(file, at, size) {
        None => (size, size),
        Some((start, end)) => {
            ((start / PAGE_BYTES * PAGE_BYTES).max(at), end.next_multiple_of(PAGE_BYTES).min(size))
        }
    }
}

/// A hole: the pages that begin in it are zeros.
fn drop_pages(content: &mut Content, from: u64, to: u64) {
    let mut no = from.div_ceil(PAGE_BYTES);
    while let Some(next) = content.next_page(no).filter(|next| next * PAGE_BYTES < to) {
        content.set_page(next, None);
        no = next + 1;
    }
}
