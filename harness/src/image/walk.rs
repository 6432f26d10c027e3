//! Going through an image by path, in the order of names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::content::Content;
use super::node::Body;
use super::tree::Image;
use crate::trace::FileId;

/// One name in an image.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its path from the root.
    pub path: PathBuf,
    /// The node's identity: hard links to one file share it.
    pub file: FileId,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind<'a>,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub enum EntryKind<'a> {
    /// A regular file.
    File(&'a Content),
    /// A directory.
    Dir,
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
}

impl Image {
    /// The sizes of all files together, holes included.
    pub fn file_bytes(&self) -> u64 {
        let mut bytes: u64 = 0;
        let mut todo = vec![FileId::ROOT];
        while let Some(dir) = todo.pop() {
            for file in self.names_in(dir).into_iter().flat_map(|names| names.values()) {
                match self.content(*file) {
                    Some(content) => bytes = bytes.saturating_add(content.size()),
                    None => todo.push(*file),
                }
            }
        }
        bytes
    }

    /// Every name below the root, a directory before what it holds.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        let mut todo = vec![(PathBuf::new(), FileId::ROOT)];
        while let Some((path, file)) = todo.pop() {
            let Some(node) = self.node(file) else { continue };
            let kind = match &node.body {
                Body::File(content) => EntryKind::File(content),
                Body::Symlink(target) => EntryKind::Symlink(target),
                Body::Dir { entries, .. } => {
                    let below = entries.iter().rev();
                    todo.extend(
                        below.map(|(name, child)| (path.join(OsStr::from_bytes(name)), *child)),
                    );
                    EntryKind::Dir
                }
            };
            if file != FileId::ROOT {
                entries.push(Entry { path, file, mode: node.mode, kind });
            }
        }
        entries
    }

    /// Every regular file with its path and bytes, in the order of paths; a file with two names
    /// stands twice.
    pub fn files(&self) -> Vec<(PathBuf, &Content)> {
        let file = |entry: Entry<'_>| match entry.kind {
            EntryKind::File(_) => Some((entry.path, self.content(entry.file)?)),
            _ => None,
        };
        self.entries().into_iter().filter_map(file).collect()
    }

    /// The sum of the sizes of all regular files.
    pub fn total_bytes(&self) -> u64 {
        self.files().iter().fold(0, |sum, (_, content)| sum.saturating_add(content.size()))
    }
}
