//! Does a trace make sense? Every operation must be possible where it stands: files exist before they
//! are used, names lead where they are said to lead, sizes follow from each other, answers answer
//! something that was asked. A trace of our own always does; one from a file may not.

use std::collections::BTreeSet;

use super::event::{EventKind, FileId, Trace, TreeNode};
use super::op::{FileOp, NodeKind, SyncScope};
use super::reach::Reach;
use super::replay::{Contradiction, FILE_BYTES, replay};
use crate::workload::OpNo;

/// More files than any recording has.
const IDS: u32 = 1 << 24;

/// The first contradiction in `trace`, if there is one.
pub fn check(trace: &Trace) -> Result<(), Contradiction> {
    let wrong = |event: usize, why: &str| Contradiction { event, why: why.to_string() };
    check_initial(&trace.initial).map_err(|why| Contradiction { event: 0, why })?;
    let mut reach = Reach::new(trace).map_err(|why| Contradiction { event: 0, why })?;
    let mut asked: BTreeSet<OpNo> = BTreeSet::new();
    let mut known: BTreeSet<FileId> = trace.initial.iter().map(|node| node.file).collect();
    known.insert(FileId::ROOT);
    for (index, event) in trace.events.iter().enumerate() {
        match &event.kind {
            EventKind::Request { op, .. } => {
                if !asked.insert(*op) {
                    return Err(wrong(index, "an operation is asked twice"));
                }
            }
            EventKind::Reply { op, .. } => {
                if !asked.contains(op) {
                    return Err(wrong(index, "an answer to nothing that was asked"));
                }
            }
            EventKind::Call(call) => {
                let checked = check_op(&call.op, &mut known).and_then(|()| reach.apply(&call.op));
                checked.map_err(|why| wrong(index, why))?;
            }
            EventKind::Line(_) | EventKind::Warn(_) | EventKind::Exit(_) => {}
        }
    }
    replay(trace).map(drop)
}

fn check_initial(initial: &[TreeNode]) -> Result<(), String> {
    let mut dirs = BTreeSet::from([FileId::ROOT]);
    let mut named = BTreeSet::new();
    for (index, node) in initial.iter().enumerate() {
        let wrong = |why: &str| Err(format!("initial node {index}: {why}"));
        let is_root = node.file == FileId::ROOT;
        if is_root != (index == 0) || is_root && (node.at.is_some() || node.node != NodeKind::Dir) {
            return wrong("the first node, and no other, is the root, a directory without a name");
        }
        if node.file.0 >= IDS {
            return wrong("a file's number is too large");
        }
        if let Some(at) = &node.at {
            if !dirs.contains(&at.dir) {
                return wrong("its directory does not stand before it");
            }
            if !named.insert(at.clone()) {
                return wrong("its name is taken");
            }
        }
        if node.node == NodeKind::Dir && index > 0 && !dirs.insert(node.file) {
            return wrong("a directory has one name");
        }
    }
    Ok(())
}

fn check_op(op: &FileOp, known: &mut BTreeSet<FileId>) -> Result<(), &'static str> {
    let new = match op {
        FileOp::Create { file, .. } | FileOp::CreateUnnamed { file, .. } => Some(*file),
        _ => None,
    };
    if let Some(file) = new {
        if file.0 >= IDS {
            return Err("a file's number is too large");
        }
        known.insert(file);
        return Ok(());
    }
    let used = match op {
        FileOp::Link { file, .. }
        | FileOp::Unlink { file, .. }
        | FileOp::Rename { file, .. }
        | FileOp::Write { file, .. }
        | FileOp::Resize { file, .. }
        | FileOp::Allocate { file, .. }
        | FileOp::Zero { file, .. }
        | FileOp::Sync { file, .. }
        | FileOp::FailedSync { file, .. } => Some(*file),
        FileOp::Nothing { file } | FileOp::Failed { file } => *file,
        _ => None,
    };
    if used.is_some_and(|file| !known.contains(&file)) {
        return Err("a file that was never made");
    }
    let range = match op {
        FileOp::Write { bytes, .. } if bytes.is_empty() => return Err("a write of nothing"),
        FileOp::Allocate { offset, len, .. }
        | FileOp::Sync { scope: SyncScope::Range { offset, len }, .. }
        | FileOp::FailedSync { scope: SyncScope::Range { offset, len }, .. } => {
            offset.checked_add(*len)
        }
        _ => Some(0),
    };
    match range {
        Some(end) if end <= FILE_BYTES => Ok(()),
        _ => Err("a range beyond any file"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::{Call, Event, Place, samples};
    use proptest::prelude::*;

    fn with(op: FileOp) -> Trace {
        let call = Call { no: 1, name: "call".into(), result: 0, injected: false, op };
        let event = Event { thread: 1, kind: EventKind::Call(call), stack: Arc::default() };
        Trace { events: vec![event], ..Trace::default() }
    }

    proptest! {
        #[test]
        fn a_trace_that_makes_sense_passes(trace in samples::trace()) {
            prop_assert_eq!(check(&trace), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let file = FileId(9);
        let at = Place { dir: FileId::ROOT, name: b"x".as_slice().into() };
        for op in [
            FileOp::Sync { file, scope: SyncScope::Full },
            FileOp::Unlink { at: at.clone(), file },
            FileOp::Link { at: at.clone(), file },
            FileOp::Create { at, file: FileId(u32::MAX), node: NodeKind::File, mode: 0 },
            FileOp::Allocate { file: FileId::ROOT, offset: u64::MAX, len: 9 },
        ] {
            let text = format!("{op:?}");
            assert!(check(&with(op)).is_err(), "{text}");
        }
    }
}
