//! An image from a trace's tree, and back.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::content::Content;
use super::page::Page;
use super::tree::Image;
use super::walk::EntryKind;
use crate::trace::sparse::Sparse;
use crate::trace::{FileId, NodeKind, Place, Tree, TreeNode};

impl Image {
    /// The image of a tree; identities are kept. Nodes that make no sense (a name in what is not a
    /// directory) are left out.
    pub fn from_tree(tree: &Tree) -> Image {
        let mut image = Image::empty();
        for node in tree {
            if !image.has(node.file) {
                image.create(node.file, &node.node, node.mode);
                image.edit(node.file, |content| {
                    for (number, page) in node.bytes.pages() {
                        content.set_page(number, Page::new(*page));
                    }
                    content.clip(node.bytes.len());
                });
            }
            image.set_mode(node.file, node.mode);
            if let Some(at) = &node.at {
                image.link(at.dir, &at.name, node.file);
            }
        }
        image
    }

    /// The tree of everything that can be reached, parents first, the root first; identities are
    /// kept.
    pub fn to_tree(&self) -> Tree {
        let root_mode = self.node(FileId::ROOT).map_or(0o755, |node| node.mode);
        let mut tree = vec![TreeNode {
            at: None,
            file: FileId::ROOT,
            node: NodeKind::Dir,
            mode: root_mode,
            bytes: Arc::default(),
        }];
        let mut seen = BTreeSet::new();
        for entry in self.entries() {
            let first = seen.insert(entry.file);
            let parent = entry.path.parent().and_then(|parent| self.find(parent));
            let name = entry.path.file_name().map(OsStr::as_bytes);
            let at = parent.zip(name).map(|(dir, name)| Place { dir, name: Arc::from(name) });
            let (node, bytes) = match entry.kind {
                EntryKind::File(content) if first => (NodeKind::File, sparse(content)),
                EntryKind::File(_) => (NodeKind::File, Sparse::default()),
                EntryKind::Dir => (NodeKind::Dir, Sparse::default()),
                EntryKind::Symlink(target) => {
                    (NodeKind::Symlink(Arc::from(target)), Sparse::default())
                }
            };
            tree.push(TreeNode {
                at,
                file: entry.file,
                node,
                mode: entry.mode,
                bytes: bytes.into(),
            });
        }
        tree
    }
}

fn sparse(content: &Content) -> Sparse {
    let mut sparse = Sparse::default();
    let mut from = 0;
    while let Some(number) = content.next_page(from) {
        sparse.set_page(number, *Page::bytes_of(content.page(number)));
        from = number + 1;
    }
    sparse.resize(content.size());
    sparse
}
