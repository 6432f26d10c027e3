//! An image: nodes by identity, names in directories, and one hash of everything that can be reached
//! from the root, kept up to date at every edit at the cost of the edit.
//!
//! Nodes that no name leads to are kept (a file without a name may get one) and count for nothing.
//! Edits by identity are here; by path they are in `edit`.

use std::sync::Arc;

use super::content::Content;
use super::node::{Body, Names, Node, path_hash, share};
use super::radix::Radix;
use crate::trace::{FileId, Name, NodeKind, Place};

/// The path hash of the root.
const ROOT_PATH: u128 = 0;

/// A directory tree in memory. A clone costs two references; an edit costs what it changes.
#[derive(Clone, Debug)]
pub struct Image {
    nodes: Radix<Arc<Node>>,
    hash: u128,
    /// One more than the greatest identity.
    next: u32,
}

impl Default for Image {
    fn default() -> Self {
        Image::empty()
    }
}

impl PartialEq for Image {
    /// Same names, types, sizes and bytes, as far as a 128-bit hash can tell.
    fn eq(&self, other: &Image) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Image {}

/// True for what may stand in a directory: a name that cannot lead out of it.
fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}

impl Image {
    /// An empty directory.
    pub fn empty() -> Image {
        let mut nodes = Radix::default();
        let body = Body::Dir { entries: Names::default(), reached: Some(ROOT_PATH) };
        nodes.set(0, Arc::new(Node { body, mode: 0o755, names: Vec::new() }));
        Image { nodes, hash: 0, next: 1 }
    }

    /// The hash of every name, type, size and byte that can be reached. Permission bits and
    /// identities are not in it.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    pub(super) fn node(&self, file: FileId) -> Option<&Node> {
        self.nodes.get(u64::from(file.0)).map(|node| &**node)
    }

    /// True if there is such a node, with a name or without.
    pub fn has(&self, file: FileId) -> bool {
        self.node(file).is_some()
    }

    /// What kind of node this is.
    pub fn kind(&self, file: FileId) -> Option<NodeKind> {
        Some(match &self.node(file)?.body {
            Body::File(_) => NodeKind::File,
            Body::Dir { .. } => NodeKind::Dir,
            Body::Symlink(target) => NodeKind::Symlink(Arc::clone(target)),
        })
    }

    /// A regular file's bytes.
    pub fn content(&self, file: FileId) -> Option<&Content> {
        match &self.node(file)?.body {
            Body::File(content) => Some(content),
            _ => None,
        }
    }

    /// A directory's names.
    pub fn names_in(&self, dir: FileId) -> Option<&Names> {
        match &self.node(dir)?.body {
            Body::Dir { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// The names that lead to a node.
    pub fn names_of(&self, file: FileId) -> &[Place] {
        self.node(file).map_or(&[], |node| &node.names)
    }

    /// What a name leads to.
    pub fn lookup(&self, dir: FileId, name: &[u8]) -> Option<FileId> {
        self.names_in(dir)?.get(name).copied()
    }

    /// An identity that no node has.
    pub fn unused_id(&self) -> FileId {
        FileId(self.next)
    }

    /// Makes a node without a name. Where there is one of this identity already, nothing happens.
    pub fn create(&mut self, file: FileId, kind: &NodeKind, mode: u32) {
        let body = match kind {
            NodeKind::File => Body::File(Content::default()),
            NodeKind::Dir => Body::Dir { entries: Names::default(), reached: None },
            NodeKind::Symlink(target) => Body::Symlink(Arc::clone(target)),
            NodeKind::Special => return,
        };
        if !self.has(file) {
            let node = Node { body, mode, names: Vec::new() };
            self.nodes.set(u64::from(file.0), Arc::new(node));
            self.next = self.next.max(file.0.saturating_add(1));
        }
    }

    /// Sets permission bits.
    pub fn set_mode(&mut self, file: FileId, mode: u32) {
        if self.node(file).is_some_and(|node| node.mode != mode) {
            self.change(file, |node| node.mode = mode);
        }
    }

    /// Puts a name into a directory, in the place of what it led to. A directory that had another
    /// name loses that one. Nothing happens where either node is missing or the name is none.
    pub fn link(&mut self, dir: FileId, name: &Name, file: FileId) {
        if self.names_in(dir).is_none() || file == FileId::ROOT || !is_plain(name) {
            return;
        }
        let Some(node) = self.node(file) else { return };
        if self.lookup(dir, name) == Some(file) {
            return;
        }
        if matches!(node.body, Body::Dir { .. })
            && let Some(old) = node.names.first().cloned()
        {
            self.unlink(old.dir, &old.name);
        }
        self.unlink(dir, name);
        let place = Place { dir, name: Arc::clone(name) };
        self.change(file, |node| node.names.push(place));
        self.change(dir, |node| {
            if let Body::Dir { entries, .. } = &mut node.body {
                entries.insert(Arc::clone(name), file);
            }
        });
        if let Some(reached) = self.reached(dir) {
            self.count(file, path_hash(reached, name), true);
        }
    }

    /// Takes a name out of a directory and returns what it led to. The node stays, nameless.
    pub fn unlink(&mut self, dir: FileId, name: &[u8]) -> Option<FileId> {
        let file = self.lookup(dir, name)?;
        if let Some(reached) = self.reached(dir) {
            self.count(file, path_hash(reached, name), false);
        }
        self.change(dir, |node| {
            if let Body::Dir { entries, .. } = &mut node.body {
                entries.remove(name);
            }
        });
        self.change(file, |node| {
            node.names.retain(|place| place.dir != dir || &*place.name != name);
        });
        Some(file)
    }

    /// Drops a node that no name leads to, and its bytes.
    pub fn forget(&mut self, file: FileId) {
        if file != FileId::ROOT && self.node(file).is_some_and(|node| node.names.is_empty()) {
            self.nodes.remove(u64::from(file.0));
        }
    }

    /// Changes a regular file's bytes, and the hash with them.
    pub fn edit<R>(&mut self, file: FileId, edit: impl FnOnce(&mut Content) -> R) -> Option<R> {
        self.content(file)?;
        let before = self.node(file)?.hash();
        let result = self.change(file, |node| match &mut node.body {
            Body::File(content) => Some(edit(content)),
            _ => None,
        })?;
        let node = self.node(file)?;
        let after = node.hash();
        if after != before {
            let mut hash = self.hash;
            for place in &node.names {
                if let Some(reached) = self.reached(place.dir) {
                    let path = path_hash(reached, &place.name);
                    hash = hash.wrapping_sub(share(path, before)).wrapping_add(share(path, after));
                }
            }
            self.hash = hash;
        }
        Some(result)
    }

    /// Changes a node in place, copying it first where it is shared.
    fn change<R: Default>(&mut self, file: FileId, change: impl FnOnce(&mut Node) -> R) -> R {
        self.nodes
            .get_mut(u64::from(file.0))
            .map_or_else(R::default, |node| change(Arc::make_mut(node)))
    }

    /// The path hash of a directory that can be reached.
    fn reached(&self, dir: FileId) -> Option<u128> {
        match &self.node(dir)?.body {
            Body::Dir { reached, .. } => *reached,
            _ => None,
        }
    }

    /// Counts a node at a path, and all below it, into the hash or out of it. A directory has one
    /// name, so what hangs below a reached one is a tree; it may be deep, so no recursion.
    fn count(&mut self, file: FileId, path: u128, into: bool) {
        let mut todo = vec![(file, path)];
        while let Some((file, path)) = todo.pop() {
            let Some(node) = self.node(file) else { continue };
            let share = share(path, node.hash());
            if let Body::Dir { entries, .. } = &node.body {
                todo.extend(entries.iter().map(|(name, child)| (*child, path_hash(path, name))));
                self.change(file, |node| {
                    if let Body::Dir { reached, .. } = &mut node.body {
                        *reached = into.then_some(path);
                    }
                });
            }
            self.hash =
                if into { self.hash.wrapping_add(share) } else { self.hash.wrapping_sub(share) };
        }
    }
}
