//! The difference between two images, written into a directory.

use std::collections::{BTreeMap, btree_map::Entry as MapEntry};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, IoSlice};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Stats, remove};
use crate::base::limits::PAGE_BYTES;
use crate::base::{HarnessError, Result};
use crate::image::content::Content;
use crate::image::node::Body;
use crate::image::page::{PAGE, Page};
use crate::image::tree::Image;
use crate::trace::FileId;

/// The identity of what the old image does not have.
const NOT_THERE: FileId = FileId(u32::MAX);

/// Makes a directory that holds one image hold another.
pub(super) struct Writer<'a> {
    pub(super) old: &'a Image,
    pub(super) new: &'a Image,
    /// Where each file of the new image stands already.
    pub(super) homes: BTreeMap<FileId, (PathBuf, FileId)>,
    /// Which file of the new image each file of the old one became.
    pub(super) owners: BTreeMap<FileId, FileId>,
    pub(super) stats: Stats,
}

impl Writer<'_> {
    pub(super) fn dir(&mut self, root: &Path) -> Result<()> {
        let mut todo = vec![(root.to_path_buf(), Some(FileId::ROOT), FileId::ROOT)];
        let mut modes = Vec::new();
        while let Some((path, old, new)) = todo.pop() {
            let Some(names) = self.new.names_in(new) else { continue };
            let old_names = old.and_then(|old| self.old.names_in(old));
            for (name, file) in old_names.into_iter().flatten() {
                let same_kind = names.get(name).is_some_and(|new| self.same_kind(*file, *new));
                if !same_kind {
                    let path = path.join(OsStr::from_bytes(name));
                    remove(&path).map_err(|error| HarnessError::at("removing", &path, error))?;
                    self.stats.files += 1;
                }
            }
            for (name, &file) in names {
                let path = path.join(OsStr::from_bytes(name));
                let at = |error| HarnessError::at("writing", &path, error);
                let old = old_names
                    .and_then(|names| names.get(name).copied())
                    .filter(|old| self.same_kind(*old, file));
                let Some(node) = self.new.node(file) else { continue };
                match &node.body {
                    Body::File(content) => {
                        self.file(&path, old, file, content, node.mode).map_err(at)?;
                    }
                    Body::Symlink(target) if old.is_none() => {
                        std::os::unix::fs::symlink(OsStr::from_bytes(target), &path).map_err(at)?;
                        self.stats.files += 1;
                    }
                    Body::Symlink(_) => {}
                    Body::Dir { .. } => {
                        if old.is_none() {
                            std::fs::create_dir(&path).map_err(at)?;
                        }
                        let old_mode = old.and_then(|old| self.old.node(old)).map(|node| node.mode);
                        if old_mode != Some(node.mode) {
                            modes.push((path.clone(), node.mode));
                        }
                        todo.push((path, old, file));
                    }
                }
            }
        }
        // Children before parents: a directory may forbid its owner to enter it.
        for (path, mode) in modes.into_iter().rev() {
            std::fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|error| HarnessError::at("setting the mode of", &path, error))?;
        }
        Ok(())
    }

    /// True if what is there can be changed into what is wanted without being removed.
    fn same_kind(&self, old: FileId, new: FileId) -> bool {
        match (self.old.node(old).map(|node| &node.body), self.new.node(new).map(|node| &node.body))
        {
            (Some(Body::File(_)), Some(Body::File(_))) => true,
            (Some(Body::Dir { .. }), Some(Body::Dir { .. })) => true,
            (Some(Body::Symlink(a)), Some(Body::Symlink(b))) => a == b,
            _ => false,
        }
    }

    fn file(
        &mut self,
        path: &Path,
        old: Option<FileId>,
        new: FileId,
        content: &Content,
        mode: u32,
    ) -> std::io::Result<()> {
        let home = match self.homes.entry(new) {
            MapEntry::Vacant(entry) => {
                // What is there may be a second name of a file that became another already.
                let mine = old.filter(|old| *self.owners.entry(*old).or_insert(new) == new);
                entry.insert((path.to_path_buf(), mine.unwrap_or(NOT_THERE)));
                if old.is_some() && mine.is_none() {
                    std::fs::remove_file(path)?;
                }
                return self.bytes(path, mine, content, mode);
            }
            MapEntry::Occupied(entry) => entry.into_mut(),
        };
        if old == Some(home.1) {
            return Ok(());
        }
        if old.is_some() {
            std::fs::remove_file(path)?;
        }
        self.stats.files += 1;
        std::fs::hard_link(&home.0, path)
    }

    fn bytes(
        &mut self,
        path: &Path,
        old: Option<FileId>,
        new: &Content,
        mode: u32,
    ) -> std::io::Result<()> {
        let empty = Content::default();
        let old_mode = old.and_then(|old| self.old.node(old)).map(|node| node.mode);
        let old = old.and_then(|old| self.old.content(old));
        if old == Some(new) && old_mode == Some(mode) {
            return Ok(());
        }
        self.stats.files += 1;
        let mut options = File::options();
        options.write(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).mode(0o600);
        let file = options.create_new(old.is_none()).open(path)?;
        let old = old.unwrap_or(&empty);
        if new.size() < old.size() {
            file.set_len(new.size())?;
        }
        let mut runs =
            Runs { file: &file, size: new.size(), from: 0, pages: Vec::new(), end: 0, bytes: 0 };
        let mut result = Ok(());
        old.differences(new, &mut |no, page| {
            if result.is_ok() && no * PAGE_BYTES < new.size() {
                result = runs.add(no, page);
            }
        });
        result?;
        runs.flush()?;
        self.stats.bytes += runs.bytes;
        if new.size() > old.size() && runs.end < new.size() {
            file.set_len(new.size())?;
        }
        if old_mode != Some(mode) {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// Writes neighbouring pages in one call.
struct Runs<'a> {
    file: &'a File,
    size: u64,
    from: u64,
    pages: Vec<Option<&'a Page>>,
    /// How far the file was written.
    end: u64,
    bytes: u64,
}

/// Most pages in one call: within IOV_MAX.
const RUN: usize = 512;

impl<'a> Runs<'a> {
    fn add(&mut self, no: u64, page: Option<&'a Page>) -> std::io::Result<()> {
        if self.pages.len() == RUN || no != self.from + self.pages.len() as u64 {
            self.flush()?;
            self.from = no;
        }
        self.pages.push(page);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let start = self.from * PAGE_BYTES;
        let len = (self.pages.len() as u64 * PAGE_BYTES).min(self.size.saturating_sub(start));
        let mut done = 0;
        while done < len {
            let first = (done / PAGE_BYTES) as usize;
            let skip = (done % PAGE_BYTES) as usize;
            let mut left = (len - done) as usize;
            let mut slices = Vec::with_capacity(self.pages.len() - first);
            for (at, page) in self.pages[first..].iter().enumerate() {
                let bytes = &Page::bytes_of(*page)[if at == 0 { skip } else { 0 }..];
                let bytes = &bytes[..bytes.len().min(left)];
                left -= bytes.len();
                slices.push(IoSlice::new(bytes));
            }
            match nix::sys::uio::pwritev(self.file, &slices, (start + done) as libc::off_t)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => done += written as u64,
            }
        }
        if len > 0 {
            self.end = self.end.max(start + len);
            self.bytes += len;
        }
        self.pages.clear();
        Ok(())
    }
}

const _: () = assert!(RUN * PAGE <= 4 << 20);
