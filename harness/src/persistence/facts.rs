//! What the sync rules ask of the trace so far: each file's latest changes, its present names, what
//! moved since the last commit. The same for every profile.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{Effect, EffectKind};
use crate::trace::{FileId, FileOp, NodeKind, Place, Tree};

/// A place in the order of effects: everything with a smaller number came before.
pub(super) type Position = u32;

/// What is known of the files so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Right after each file's latest creation, growth, shrink, punch, link or rename.
    pub(super) change: BTreeMap<FileId, Position>,
    /// Right after its latest creation, growth, shrink or punch.
    pub(super) data_change: BTreeMap<FileId, Position>,
    /// Right after the latest unlink of one of its names.
    pub(super) unlinked: BTreeMap<FileId, Position>,
    /// Right after the latest change of a directory's names.
    pub(super) dir_change: BTreeMap<FileId, Position>,
    /// Directories.
    pub(super) dirs: BTreeSet<FileId>,
    /// Each node's present names.
    pub(super) names: BTreeMap<FileId, Vec<Place>>,
}

impl Facts {
    pub(super) fn new(tree: &Tree) -> Facts {
        let mut facts = Facts::default();
        facts.dirs.insert(FileId::ROOT);
        for node in tree {
            if node.node == NodeKind::Dir {
                facts.dirs.insert(node.file);
            }
            if let Some(at) = &node.at {
                facts.names.entry(node.file).or_default().push(at.clone());
            }
        }
        facts
    }

    /// Takes in one event: what it did, and its effects, the first of which has number `first`.
    pub(super) fn add(&mut self, op: &FileOp, first: u32, effects: &[Effect]) {
        match op {
            FileOp::Create { file, node, .. } => {
                if matches!(node, NodeKind::Dir) {
                    self.dirs.insert(*file);
                }
                self.data_change.insert(*file, first + 1);
            }
            FileOp::CreateUnnamed { file, .. } => {
                self.change.insert(*file, first);
                self.data_change.insert(*file, first);
            }
            _ => {}
        }
        for (no, effect) in (first..).zip(effects) {
            self.effect(&effect.kind, no + 1);
        }
    }

    fn effect(&mut self, kind: &EffectKind, after: Position) {
        for place in kind.places().into_iter().flatten() {
            self.dir_change.insert(place.dir, after);
        }
        match kind {
            EffectKind::Data { file, .. } if kind.frees_page() => {
                self.change.insert(*file, after);
                self.data_change.insert(*file, after);
            }
            EffectKind::Data { .. } => {}
            EffectKind::Grow { file, .. } | EffectKind::Resize { file, .. } => {
                self.change.insert(*file, after);
                self.data_change.insert(*file, after);
            }
            EffectKind::Link { at, file, .. } => {
                self.change.insert(*file, after);
                self.names.entry(*file).or_default().push(at.clone());
            }
            EffectKind::Unlink { at, file } => {
                self.unlinked.insert(*file, after);
                self.drop_name(*file, at);
            }
            EffectKind::Rename { from, to, file, replaced, split } => {
                self.change.insert(*file, after);
                if let Some(replaced) = replaced {
                    self.unlinked.insert(*replaced, after);
                    self.drop_name(*replaced, to);
                }
                if !split {
                    self.drop_name(*file, from);
                }
                self.names.entry(*file).or_default().push(to.clone());
            }
            EffectKind::Leave { from, file } => {
                self.change.insert(*file, after);
                self.drop_name(*file, from);
            }
            EffectKind::Exchange { a, b, file_a, file_b } => {
                self.change.insert(*file_a, after);
                self.change.insert(*file_b, after);
                self.drop_name(*file_a, a);
                self.drop_name(*file_b, b);
                self.names.entry(*file_a).or_default().push(b.clone());
                self.names.entry(*file_b).or_default().push(a.clone());
            }
        }
    }

    fn drop_name(&mut self, file: FileId, place: &Place) {
        if let Some(names) = self.names.get_mut(&file) {
            names.retain(|name| name != place);
        }
    }

    /// The directories that hold a node's present names.
    pub(super) fn parents(&self, file: FileId) -> impl Iterator<Item = FileId> {
        self.names.get(&file).into_iter().flatten().map(|place| place.dir)
    }

    /// A node's directories up to the root, without itself. A ring ends it.
    pub(super) fn ancestors(&self, file: FileId) -> Vec<FileId> {
        let mut found: Vec<FileId> = self.parents(file).collect();
        let mut next = 0;
        let mut seen: BTreeSet<FileId> = found.iter().copied().collect();
        while next < found.len() {
            let above: Vec<FileId> = self.parents(found[next]).collect();
            found.extend(above.into_iter().filter(|dir| seen.insert(*dir)));
            next += 1;
        }
        found
    }
}
