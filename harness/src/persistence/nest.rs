//! A crash inside recovery after a *kill*: the page cache is intact, so what was not synced before
//! the kill is still volatile while recovery reads it, and a power cut may take it away. The
//! original recording up to the kill and the recording of the recovery become one trace. (After a
//! power cut nothing of the kind is needed: its image is durable in whole, and the recovery's own
//! recording begins with it.)

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::Facts;
use crate::base::limits::PAGE_BYTES;
use crate::trace::{Event, EventKind, EventNo, FileId, FileOp, Place, Trace};
use crate::workload::OpNo;

/// The trace of a run that was killed at `point` and of the recovery that followed it, which was
/// recorded on the directory that the kill left. `pages` is how many pages of the write in flight
/// were in the page cache (0: it had not begun). Files are matched by path. Event `i` of `recovery`
/// is event [`Joined::offset`]` + i` of the whole; its operations come after the original's.
pub fn after_kill(original: &Trace, point: EventNo, pages: u32, recovery: &Trace) -> Joined {
    let upto = (point.0 as usize).min(original.events.len());
    let mut events: Vec<Event> = original.events[..upto].to_vec();
    if let Some(cut) = original.events.get(upto).and_then(|event| cut_write(event, pages)) {
        events.push(cut);
    }
    let offset = events.len() as u32;
    let mut facts = Facts::new(&original.initial);
    let mut work = super::breakdown::Breakdown::new(&original.initial);
    let (mut greatest, mut ops) = (0, 0);
    for node in &original.initial {
        greatest = greatest.max(node.file.0);
    }
    for event in &events {
        match &event.kind {
            EventKind::Request { op, .. } => ops = ops.max(op.0.saturating_add(1)),
            EventKind::Call(call) => {
                let first = work.effects.len();
                if is_about_names(&call.op) {
                    work.add(EventNo(0), &call.op, &|_| false);
                }
                facts.add(&call.op, first as u32, &work.effects[first..]);
                for file in files_of(&call.op) {
                    greatest = greatest.max(file.0);
                }
            }
            _ => {}
        }
    }
    let mut map = FileMap { known: BTreeMap::new(), next: greatest.saturating_add(1) };
    map.match_by_path(&facts, recovery);
    for event in &recovery.events {
        events.push(Event { kind: map.kind(&event.kind, ops), ..event.clone() });
    }
    let mut unmodelled = original.unmodelled.clone();
    for (name, count) in &recovery.unmodelled {
        *unmodelled.entry(name.clone()).or_default() += count;
    }
    let mut blind = original.blind.clone();
    blind.extend(recovery.blind.iter().cloned());
    let initial = original.initial.clone();
    Joined { trace: Trace { initial, events, unmodelled, blind }, offset, first_op: OpNo(ops) }
}

/// Two traces that became one.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The whole.
    pub trace: Trace,
    /// The number of the recovery's first event in it.
    pub offset: u32,
    /// The number of the recovery's first operation in it.
    pub first_op: OpNo,
}

/// The first pages of a write, as an event of its own.
fn cut_write(event: &Event, pages: u32) -> Option<Event> {
    let EventKind::Call(call) = &event.kind else { return None };
    let FileOp::Write { file, offset, bytes, sync: _, via } = &call.op else { return None };
    let stop = (offset / PAGE_BYTES + u64::from(pages)) * PAGE_BYTES;
    let len = usize::try_from(stop.saturating_sub(*offset)).ok()?.min(bytes.len());
    if pages == 0 || len == 0 {
        return None;
    }
    let op = FileOp::Write {
        file: *file,
        offset: *offset,
        bytes: Arc::from(&bytes[..len]),
        sync: crate::trace::WriteSync::None,
        via: *via,
    };
    let call = crate::trace::Call { op, result: len as i64, ..call.clone() };
    Some(Event { kind: EventKind::Call(call), ..event.clone() })
}

fn is_about_names(op: &FileOp) -> bool {
    !matches!(op, FileOp::Write { .. } | FileOp::Resize { .. } | FileOp::Zero { .. })
}

struct FileMap {
    /// The recovery's identities in the original's.
    known: BTreeMap<FileId, FileId>,
    next: u32,
}

impl FileMap {
    /// Matches the nodes that the recovery began with, parents first.
    fn match_by_path(&mut self, original: &Facts, recovery: &Trace) {
        let mut names = BTreeMap::new();
        for (file, places) in &original.names {
            for place in places {
                names.insert((place.dir, place.name.clone()), *file);
            }
        }
        self.known.insert(FileId::ROOT, FileId::ROOT);
        for node in &recovery.initial {
            let Some(at) = &node.at else { continue };
            let dir = self.file(at.dir);
            if let Some(file) = names.get(&(dir, at.name.clone())) {
                self.known.entry(node.file).or_insert(*file);
            }
        }
    }

    fn file(&mut self, file: FileId) -> FileId {
        let next = &mut self.next;
        *self.known.entry(file).or_insert_with(|| {
            let new = FileId(*next);
            *next = next.saturating_add(1);
            new
        })
    }

    fn place(&mut self, place: &Place) -> Place {
        Place { dir: self.file(place.dir), name: place.name.clone() }
    }

    fn kind(&mut self, kind: &EventKind, ops: u32) -> EventKind {
        match kind {
            EventKind::Request { op, request } => {
                EventKind::Request { op: OpNo(op.0.saturating_add(ops)), request: request.clone() }
            }
            EventKind::Reply { op, answer } => {
                EventKind::Reply { op: OpNo(op.0.saturating_add(ops)), answer: answer.clone() }
            }
            EventKind::Call(call) => {
                EventKind::Call(crate::trace::Call { op: self.op(&call.op), ..call.clone() })
            }
            other => other.clone(),
        }
    }

    fn op(&mut self, op: &FileOp) -> FileOp {
        let mut op = op.clone();
        match &mut op {
            FileOp::Create { at, file, .. }
            | FileOp::Link { at, file }
            | FileOp::Unlink { at, file } => {
                *at = self.place(at);
                *file = self.file(*file);
            }
            FileOp::Rename { from, to, file, replaced } => {
                (*from, *to) = (self.place(from), self.place(to));
                *file = self.file(*file);
                *replaced = replaced.map(|replaced| self.file(replaced));
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                (*a, *b) = (self.place(a), self.place(b));
                (*file_a, *file_b) = (self.file(*file_a), self.file(*file_b));
            }
            FileOp::CreateUnnamed { file, .. }
            | FileOp::Write { file, .. }
            | FileOp::Resize { file, .. }
            | FileOp::Allocate { file, .. }
            | FileOp::Zero { file, .. }
            | FileOp::Sync { file, .. }
            | FileOp::FailedSync { file, .. } => *file = self.file(*file),
            FileOp::Nothing { file } | FileOp::Failed { file } => {
                *file = file.map(|file| self.file(file));
            }
            FileOp::SyncAll => {}
        }
        op
    }
}

/// The identities that an operation names.
pub fn files_of(op: &FileOp) -> Vec<FileId> {
    let mut seen = Vec::new();
    let mut note = FileNote(&mut seen);
    note.op(op);
    seen
}

struct FileNote<'a>(&'a mut Vec<FileId>);

impl FileNote<'_> {
    fn op(&mut self, op: &FileOp) {
        match op {
            FileOp::Create { at, file, .. }
            | FileOp::Link { at, file }
            | FileOp::Unlink { at, file } => self.0.extend([at.dir, *file]),
            FileOp::Rename { from, to, file, replaced } => {
                self.0.extend([from.dir, to.dir, *file]);
                self.0.extend(replaced);
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                self.0.extend([a.dir, b.dir, *file_a, *file_b]);
            }
            FileOp::CreateUnnamed { file, .. }
            | FileOp::Write { file, .. }
            | FileOp::Resize { file, .. }
            | FileOp::Allocate { file, .. }
            | FileOp::Zero { file, .. }
            | FileOp::Sync { file, .. }
            | FileOp::FailedSync { file, .. } => self.0.push(*file),
            FileOp::Nothing { file } | FileOp::Failed { file } => self.0.extend(file),
            FileOp::SyncAll => {}
        }
    }
}
