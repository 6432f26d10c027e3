//! Two recordings of one directory, one after the other, as one trace: the second's files get the
//! first's identities where they are the same, new ones where they are new.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{HarnessError, Result};
use crate::trace::{EventKind, FileId, FileOp, Place, Trace};

/// `first`, then `second`, which began where `first` ended. An error means that the directory changed
/// between the two.
pub fn join(mut first: Trace, second: Trace) -> Result<Trace> {
    let (names, next) = names_at_end(&first);
    let mut ids = Ids { known: BTreeMap::from([(FileId::ROOT, FileId::ROOT)]), next };
    for node in &second.initial {
        let Some(at) = &node.at else { continue };
        let place = Place { dir: ids.of(at.dir), name: at.name.clone() };
        let Some(file) = names.get(&place) else {
            return Err(HarnessError::broken(format!(
                "`{}` was in the directory when the second process started and not when the first \
                 ended",
                place.name.escape_ascii()
            )));
        };
        ids.known.insert(node.file, *file);
    }
    for mut event in second.events {
        if let EventKind::Call(call) = &mut event.kind {
            ids.rename(&mut call.op);
        }
        first.events.push(event);
    }
    for (name, count) in second.unmodelled {
        *first.unmodelled.entry(name).or_default() += count;
    }
    for text in second.blind {
        if !first.blind.contains(&text) {
            first.blind.push(text);
        }
    }
    Ok(first)
}

/// The names after the last event, and an identity above all that occur.
fn names_at_end(trace: &Trace) -> (BTreeMap<Place, FileId>, u32) {
    let mut names = BTreeMap::new();
    let mut seen = BTreeSet::from([FileId::ROOT]);
    for node in &trace.initial {
        seen.insert(node.file);
        names.extend(node.at.clone().map(|at| (at, node.file)));
    }
    for event in &trace.events {
        let EventKind::Call(call) = &event.kind else { continue };
        match &call.op {
            FileOp::Create { at, file, .. } | FileOp::Link { at, file } => {
                seen.insert(*file);
                names.insert(at.clone(), *file);
            }
            FileOp::CreateUnnamed { file, .. } => drop(seen.insert(*file)),
            FileOp::Unlink { at, .. } => drop(names.remove(at)),
            FileOp::Rename { from, to, file, .. } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                names.insert(a.clone(), *file_b);
                names.insert(b.clone(), *file_a);
            }
            _ => {}
        }
    }
    let next = seen.last().map_or(1, |last| last.0.saturating_add(1));
    (names, next)
}

struct Ids {
    known: BTreeMap<FileId, FileId>,
    next: u32,
}

impl Ids {
    fn of(&mut self, file: FileId) -> FileId {
        let next = &mut self.next;
        *self.known.entry(file).or_insert_with(|| {
            *next = next.saturating_add(1);
            FileId(*next - 1)
        })
    }

    fn place(&mut self, at: &mut Place) {
        at.dir = self.of(at.dir);
    }

    fn rename(&mut self, op: &mut FileOp) {
        match op {
            FileOp::Create { at, file, .. }
            | FileOp::Link { at, file }
            | FileOp::Unlink { at, file } => {
                self.place(at);
                *file = self.of(*file);
            }
            FileOp::Rename { from, to, file, replaced } => {
                self.place(from);
                self.place(to);
                *file = self.of(*file);
                *replaced = replaced.map(|file| self.of(file));
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                self.place(a);
                self.place(b);
                *file_a = self.of(*file_a);
                *file_b = self.of(*file_b);
            }
            FileOp::CreateUnnamed { file, .. }
            | FileOp::Write { file, .. }
            | FileOp::Resize { file, .. }
            | FileOp::Allocate { file, .. }
            | FileOp::Zero { file, .. }
            | FileOp::Sync { file, .. }
            | FileOp::FailedSync { file, .. } => *file = self.of(*file),
            FileOp::Nothing { file } | FileOp::Failed { file } => {
                *file = file.map(|file| self.of(file));
            }
            FileOp::SyncAll => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::{Call, Event, NodeKind, TreeNode};

    fn place(dir: u32, name: &str) -> Place {
        Place { dir: FileId(dir), name: name.as_bytes().into() }
    }

    fn trace(initial: &[(u32, u32, &str)], ops: Vec<FileOp>) -> Trace {
        let node = |&(file, dir, name): &(u32, u32, &str)| TreeNode {
            at: Some(place(dir, name)),
            file: FileId(file),
            node: NodeKind::File,
            mode: 0o644,
            bytes: Arc::from([]),
        };
        let event = |op| Event {
            thread: 1,
            kind: EventKind::Call(Call {
                no: 1,
                name: "call".into(),
                result: 0,
                injected: false,
                op,
            }),
            stack: Arc::from([]),
        };
        let initial = initial.iter().map(node).collect();
        Trace { initial, events: ops.into_iter().map(event).collect(), ..Trace::default() }
    }

    fn create(file: u32, at: Place) -> FileOp {
        FileOp::Create { at, file: FileId(file), node: NodeKind::File, mode: 0o644 }
    }

    #[test]
    fn a_file_keeps_its_identity_and_a_new_one_gets_a_new_one() {
        let rename = FileOp::Rename {
            from: place(0, "new"),
            to: place(0, "log"),
            file: FileId(2),
            replaced: Some(FileId(1)),
        };
        let first = trace(&[(1, 0, "log")], vec![create(2, place(0, "new")), rename]);
        let sync = FileOp::SyncAll;
        let unlink = FileOp::Unlink { at: place(0, "log"), file: FileId(1) };
        let second = trace(&[(1, 0, "log")], vec![create(2, place(0, "tmp")), unlink, sync]);
        let joined = join(first, second).unwrap();
        let op = |at: usize| match &joined.events[at].kind {
            EventKind::Call(call) => call.op.clone(),
            _ => panic!("only calls"),
        };
        assert_eq!(op(2), create(3, place(0, "tmp")));
        assert_eq!(op(3), FileOp::Unlink { at: place(0, "log"), file: FileId(2) });
        assert_eq!(joined.initial.len(), 1);
    }

    #[test]
    fn a_directory_that_changed_between_is_an_error() {
        let first = trace(&[], vec![]);
        let second = trace(&[(1, 0, "stranger")], vec![]);
        assert!(join(first, second).unwrap_err().to_string().contains("stranger"));
    }
}
