//! One node of an image: a file, a directory or a symbolic link, with the names that lead to it.

use std::sync::Arc;

use imbl::OrdMap;

use super::content::Content;
use super::page::mix;
use crate::trace::{FileId, Name, Place};
use xxhash_rust::xxh3::xxh3_128;

/// A directory's names. A clone shares all that does not change, so that the images of many moments of a directory
/// with many names take the room of one and of what differs.
pub type Names = OrdMap<Name, FileId>;

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    File(Content),
    Dir {
        entries: Names,
        /// The hash of its path; nothing while it cannot be reached from the root.
        reached: Option<u128>,
    },
    Symlink(Arc<[u8]>),
}

/// A node with its names. A directory has at most one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) mode: u32,
    pub(super) names: Vec<Place>,
}

impl Node {
    /// The hash of what it is and holds, without its names.
    pub(super) fn hash(&self) -> u128 {
        match &self.body {
            Body::File(content) => content.hash(),
            Body::Dir { .. } => 1,
            Body::Symlink(target) => mix(xxh3_128(target), 2),
        }
    }
}

/// The hash of the path that `name` in the directory of path hash `dir` makes.
pub(super) fn path_hash(dir: u128, name: &[u8]) -> u128 {
    let mut bytes = Vec::with_capacity(16 + name.len());
    bytes.extend_from_slice(&dir.to_le_bytes());
    bytes.extend_from_slice(name);
    xxh3_128(&bytes)
}

/// What a node of hash `node` at the path of hash `path` adds to the image's hash.
pub(super) fn share(path: u128, node: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&path.to_le_bytes());
    bytes[16..].copy_from_slice(&node.to_le_bytes());
    xxh3_128(&bytes)
}
