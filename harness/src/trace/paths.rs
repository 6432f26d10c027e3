//! Where each file of a trace stands at a moment, as a path to show to people.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{FileId, Place, Trace};
use super::op::FileOp;

/// Every name at one moment of a trace. Start from [`Paths::new`] and apply the operations up to there.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// The names of each file, and the last one that it had.
    names: BTreeMap<FileId, Names>,
}

/// A directory and a name in it.
type Entry = (FileId, Vec<u8>);

#[derive(Clone, Debug, Default)]
struct Names {
    now: BTreeSet<Entry>,
    last: Option<Entry>,
}

impl Paths {
    /// The names before the first event.
    pub fn new(trace: &Trace) -> Self {
        let mut paths = Self::default();
        for node in &trace.initial {
            if let Some(at) = &node.at {
                paths.link(at, node.file);
            }
        }
        paths
    }

    /// What an operation does to names.
    pub fn apply(&mut self, op: &FileOp) {
        match op {
            FileOp::Create { at, file, .. } | FileOp::Link { at, file } => self.link(at, *file),
            FileOp::Unlink { at, file } => self.unlink(at, *file),
            FileOp::Rename { from, to, file, replaced } => {
                self.unlink(from, *file);
                if let Some(replaced) = replaced {
                    self.unlink(to, *replaced);
                }
                self.link(to, *file);
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                self.unlink(a, *file_a);
                self.unlink(b, *file_b);
                self.link(a, *file_b);
                self.link(b, *file_a);
            }
            _ => {}
        }
    }

    fn link(&mut self, at: &Place, file: FileId) {
        let names = self.names.entry(file).or_default();
        let name = (at.dir, at.name.to_vec());
        names.now.insert(name.clone());
        names.last = Some(name);
    }

    fn unlink(&mut self, at: &Place, file: FileId) {
        if let Some(names) = self.names.get_mut(&file) {
            names.now.remove(&(at.dir, at.name.to_vec()));
        }
    }

    /// The path of a file below the recorded directory, `.` for that itself. A file without a name
    /// gets its last one with a mark. Bytes that are not printable ASCII are escaped.
    pub fn path(&self, file: FileId) -> String {
        self.path_within(file, 0)
    }

    /// The path of a name.
    pub fn place(&self, place: &Place) -> String {
        self.join(place.dir, &place.name, 0)
    }

    fn path_within(&self, file: FileId, depth: usize) -> String {
        if file == FileId::ROOT {
            return ".".into();
        }
        let Some(names) = self.names.get(&file) else {
            return format!("<unnamed {}>", file.0);
        };
        match (names.now.first(), &names.last) {
            (Some((dir, name)), _) => self.join(*dir, name, depth),
            (None, Some((dir, name))) => format!("{} (deleted)", self.join(*dir, name, depth)),
            (None, None) => format!("<unnamed {}>", file.0),
        }
    }

    fn join(&self, dir: FileId, name: &[u8], depth: usize) -> String {
        /// Only a forged trace has directories that hold each other.
        const DEEPEST: usize = 128;
        if dir == FileId::ROOT || depth >= DEEPEST {
            return name.escape_ascii().to_string();
        }
        format!("{}/{}", self.path_within(dir, depth + 1), name.escape_ascii())
    }
}
