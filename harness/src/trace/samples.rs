//! Random traces that make sense, for the tests of this room: every operation is possible where it
//! stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::event::{Call, Event, EventKind, FileId, Place, Trace, TreeNode};
use super::op::{FileOp, NodeKind, ResizeHow, SyncScope, Via, WriteSync};
use super::sparse::Sparse;
use crate::base::Rng;
use crate::workload::{Answer, Mutation, OpNo, Request};

/// A random trace.
pub fn trace() -> impl Strategy<Value = Trace> {
    (any::<u64>(), 0usize..40).prop_map(|(seed, events)| sample(seed, events))
}

struct Maker {
    rng: Rng,
    names: BTreeMap<Place, FileId>,
    sizes: BTreeMap<FileId, u64>,
    next: u32,
}

/// The random trace of a seed.
pub fn sample(seed: u64, events: usize) -> Trace {
    let mut maker =
        Maker { rng: Rng::new(seed), names: BTreeMap::new(), sizes: BTreeMap::new(), next: 1 };
    let initial = maker.initial();
    let mut trace = Trace { initial, ..Trace::default() };
    let mut asked = 0;
    for no in 0..events as u32 {
        let kind = match maker.rng.below(8) {
            0 => {
                asked += 1;
                EventKind::Request { op: OpNo(asked - 1), request: maker.request() }
            }
            1 if asked > 0 => EventKind::Reply {
                op: OpNo(maker.rng.below(u64::from(asked)) as u32),
                answer: maker.answer(),
            },
            2 => EventKind::Line("a line \u{1f50c}".into()),
            3 => EventKind::Warn("something".into()),
            _ => {
                let op = maker.op();
                let name: Arc<str> = "call".into();
                let (result, injected) = (maker.rng.next_u64() as i64, maker.rng.percent(20));
                EventKind::Call(Call { no: no + 1, name, result, injected, op })
            }
        };
        let stack = (0..maker.rng.below(3)).map(|_| maker.rng.next_u64()).collect();
        trace.events.push(Event { thread: maker.rng.below(4) as u32, kind, stack });
    }
    if maker.rng.percent(50) {
        trace.unmodelled.insert("fsetxattr".into(), maker.rng.below(9));
        trace.blind.push("something unseen".into());
    }
    trace
}

impl Maker {
    fn initial(&mut self) -> Vec<TreeNode> {
        let root = TreeNode {
            at: None,
            file: FileId::ROOT,
            node: NodeKind::Dir,
            mode: 0o755,
            bytes: Arc::default(),
        };
        let mut initial = vec![root];
        for _ in 0..self.rng.below(3) {
            let place = self.free();
            let file = self.new_file(place.clone());
            let mut bytes = Sparse::default();
            for _ in 0..1 + self.rng.below(3) {
                bytes.write(self.rng.below(30_000), &self.bytes());
            }
            bytes.resize(bytes.len() + self.rng.below(9_000));
            self.sizes.insert(file, bytes.len());
            let (bytes, at, node, mode) = (bytes.into(), Some(place), NodeKind::File, 0o644);
            initial.push(TreeNode { at, file, node, mode, bytes });
        }
        initial
    }

    fn request(&mut self) -> Request {
        let put = Mutation::Put("k".into(), "value".into());
        let all = [
            Request::Open,
            Request::Write(put.clone()),
            Request::Write(Mutation::Del("k".into())),
            Request::Batch(vec![put, Mutation::Del("l".into())]),
            Request::Sync,
            Request::Checkpoint,
            Request::Dump,
            Request::Close,
        ];
        all[self.rng.index(all.len())].clone()
    }

    fn answer(&mut self) -> Answer {
        let all = [Answer::Ack, Answer::Err("no".into()), Answer::Refused("never".into())];
        all[self.rng.index(all.len())].clone()
    }

    fn bytes(&mut self) -> Arc<[u8]> {
        (0..1 + self.rng.below(50)).map(|_| self.rng.next_u64() as u8).collect()
    }

    /// A name that is not taken.
    fn free(&mut self) -> Place {
        loop {
            let name = format!("n{}", self.rng.below(1000)).into_bytes();
            let place = Place { dir: FileId::ROOT, name: name.into() };
            if !self.names.contains_key(&place) {
                return place;
            }
        }
    }

    fn new_file(&mut self, place: Place) -> FileId {
        let file = FileId(self.next);
        self.next += 1;
        self.names.insert(place, file);
        self.sizes.insert(file, 0);
        file
    }

    fn named(&mut self) -> Option<(Place, FileId)> {
        let all: Vec<_> = self.names.iter().map(|(at, file)| (at.clone(), *file)).collect();
        self.rng.pick(&all).cloned()
    }

    fn op(&mut self) -> FileOp {
        let Some((at, file)) = self.named() else { return self.create() };
        let size = self.sizes[&file];
        let scope = match self.rng.below(3) {
            0 => SyncScope::Full,
            1 => SyncScope::Data,
            _ => SyncScope::Range { offset: 4096, len: self.rng.below(9000) },
        };
        match self.rng.below(15) {
            0 => FileOp::SyncAll,
            1 => FileOp::Sync { file, scope },
            2 => FileOp::FailedSync { file, scope },
            3 => FileOp::Nothing { file: self.rng.percent(50).then_some(file) },
            4 => FileOp::Failed { file: self.rng.percent(50).then_some(file) },
            5 => FileOp::Allocate { file, offset: 0, len: 9 },
            6 => {
                let to = self.rng.below(9000);
                self.sizes.insert(file, to);
                let how = [ResizeHow::Truncate, ResizeHow::OpenTruncate, ResizeHow::Allocate];
                FileOp::Resize { file, from: size, to, how: how[self.rng.index(3)] }
            }
            7 => FileOp::Zero { file, offset: size / 2, len: size - size / 2 },
            8 => {
                let at = self.free();
                self.names.insert(at.clone(), file);
                FileOp::Link { at, file }
            }
            9 => {
                self.names.remove(&at);
                FileOp::Unlink { at, file }
            }
            10 => {
                let to = self.free();
                self.names.remove(&at);
                self.names.insert(to.clone(), file);
                FileOp::Rename { from: at, to, file, replaced: None }
            }
            11 => match self.named() {
                Some((b, file_b)) if b != at => {
                    self.names.insert(at.clone(), file_b);
                    self.names.insert(b.clone(), file);
                    FileOp::Exchange { a: at, b, file_a: file, file_b }
                }
                _ => FileOp::SyncAll,
            },
            12 => self.create(),
            _ => {
                let (offset, bytes) = (self.rng.below(9000), self.bytes());
                self.sizes.insert(file, size.max(offset + bytes.len() as u64));
                let sync = [WriteSync::None, WriteSync::Data, WriteSync::Full][self.rng.index(3)];
                let via = [Via::Call, Via::Mapping][self.rng.index(2)];
                FileOp::Write { file, offset, bytes, sync, via }
            }
        }
    }

    fn create(&mut self) -> FileOp {
        if self.rng.percent(20) {
            let file = FileId(self.next);
            self.next += 1;
            return FileOp::CreateUnnamed { file, mode: 0o600 };
        }
        let at = self.free();
        let file = self.new_file(at.clone());
        FileOp::Create { at, file, node: NodeKind::File, mode: 0o644 }
    }
}
