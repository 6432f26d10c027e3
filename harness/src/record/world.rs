//! The recorded directory as the recorder knows it: every node by identity, every name in every
//! directory. It follows the events and never asks the file system, except for the first picture;
//! so a difference from what is there shows that something was not seen.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::status::{self, Identity, Kind, Status};
use crate::base::holes;
use crate::trace::sparse::Sparse;
use crate::trace::{FileId, Name, NodeKind, Place, Tree, TreeNode};

/// One node that was ever seen.
#[derive(Debug)]
struct Node {
    names: BTreeMap<Name, FileId>,
    symlink: bool,
}

/// Every node and every name of the recorded directory.
#[derive(Debug, Default)]
pub struct World {
    ids: HashMap<Identity, FileId>,
    nodes: Vec<Node>,
}

impl World {
    /// Reads the directory `root`: the first picture.
    pub fn read(root: &Path) -> io::Result<(World, Tree)> {
        let mut world = World::default();
        let mut tree = Tree::new();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(root, flags, Mode::empty())?;
        let status = status::of(&fd)?;
        let id = world.add(&status);
        tree.push(TreeNode {
            at: None,
            file: id,
            node: NodeKind::Dir,
            mode: status.mode,
            bytes: Arc::default(),
        });
        world.read_dir(fd, id, &mut tree)?;
        Ok((world, tree))
    }

    pub(super) fn read_dir(&mut self, fd: OwnedFd, dir: FileId, tree: &mut Tree) -> io::Result<()> {
        let mut names = Vec::new();
        let mut listing = nix::dir::Dir::from_fd(fd)?;
        for entry in listing.iter() {
            let name = entry?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort();
        let fd = std::os::fd::AsFd::as_fd(&listing);
        let mut below = Vec::new();
        for name in names {
            let status = status::at(&fd, &name, false)?;
            let known = self.find(&status.identity);
            let file = known.unwrap_or_else(|| self.add(&status));
            let place = Place { dir, name: name.to_bytes().into() };
            let mut bytes = Sparse::default();
            let node = match status.kind {
                Kind::File => {
                    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                    let fd = openat(fd, name.as_c_str(), flags, Mode::empty())?;
                    bytes = read_sparse(&fd.into())?;
                    NodeKind::File
                }
                Kind::Dir => {
                    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
                    let fd = openat(fd, name.as_c_str(), flags | OFlag::O_CLOEXEC, Mode::empty())?;
                    below.push((fd, file));
                    NodeKind::Dir
                }
                Kind::Symlink => {
                    let target = nix::fcntl::readlinkat(fd, name.as_c_str())?;
                    NodeKind::Symlink(target.as_bytes().into())
                }
                _ => NodeKind::Special,
            };
            self.link(&place, file);
            tree.push(TreeNode {
                at: Some(place),
                file,
                node,
                mode: status.mode,
                bytes: bytes.into(),
            });
        }
        for (fd, dir) in below {
            self.read_dir(fd, dir, tree)?;
        }
        Ok(())
    }

    /// A new node. One with the same inode that was known before is another, dead one.
    pub fn add(&mut self, status: &Status) -> FileId {
        let id = FileId(self.nodes.len() as u32);
        self.nodes.push(Node { symlink: status.kind == Kind::Symlink, names: BTreeMap::new() });
        self.ids.insert(status.identity, id);
        id
    }

    /// The node of this identity, if it belongs to the recorded directory.
    pub fn find(&self, identity: &Identity) -> Option<FileId> {
        self.ids.get(identity).copied()
    }

    /// The node that a name leads to.
    pub fn lookup(&self, place: &Place) -> Option<FileId> {
        self.nodes.get(place.dir.0 as usize)?.names.get(&place.name).copied()
    }

    /// True for a symbolic link.
    pub fn is_symlink(&self, file: FileId) -> bool {
        self.nodes.get(file.0 as usize).is_some_and(|node| node.symlink)
    }

    /// A name appears, or leads elsewhere from now on.
    pub fn link(&mut self, place: &Place, file: FileId) {
        if let Some(node) = self.nodes.get_mut(place.dir.0 as usize) {
            node.names.insert(place.name.clone(), file);
        }
    }

    /// A name goes.
    pub fn unlink(&mut self, place: &Place) -> Option<FileId> {
        self.nodes.get_mut(place.dir.0 as usize)?.names.remove(&place.name)
    }
}

/// A name as the system wants it; nothing where it holds a NUL.
pub fn c_name(name: &[u8]) -> Option<CString> {
    CString::new(name).ok()
}

/// What a symbolic link says.
pub fn read_link(dir: &impl AsRawFd, name: &[u8]) -> io::Result<Vec<u8>> {
    // SAFETY: the borrowed descriptor lives as long as `dir`.
    let dir = unsafe { std::os::fd::BorrowedFd::borrow_raw(dir.as_raw_fd()) };
    Ok(nix::fcntl::readlinkat(dir, OsStr::from_bytes(name))?.as_bytes().to_vec())
}

/// A file's bytes, holes left out.
pub(super) fn read_sparse(file: &std::fs::File) -> io::Result<Sparse> {
    let size = file.metadata()?.len();
    let mut sparse = Sparse::default();
    holes::read_data(file, size, |at, bytes| sparse.write(at, bytes))?;
    sparse.resize(size);
    Ok(sparse)
}
