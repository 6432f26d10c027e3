//! Traces for tests, written call by call: paths instead of identities, and questions to the model
//! in the words of the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::persistence::{CrashState, EffectKind, EffectNo, Form, Loss, Model, Profile};
use crate::trace::sparse::Sparse;
use crate::trace::{
    Call, Event, EventKind, EventNo, FileId, FileOp, Name, NodeKind, Place, ResizeHow, SyncScope,
    Trace, TreeNode, Via, WriteSync,
};

/// A trace in the making.
pub(crate) struct Script {
    pub(crate) trace: Trace,
    names: BTreeMap<String, FileId>,
    sizes: BTreeMap<FileId, u64>,
    next: u32,
}

impl Script {
    pub(crate) fn new() -> Script {
        let names = [(String::new(), FileId::ROOT)].into();
        let mut trace = Trace::default();
        trace.initial.push(TreeNode {
            at: None,
            file: FileId::ROOT,
            node: NodeKind::Dir,
            mode: 0o755,
            bytes: Arc::default(),
        });
        Script { trace, names, sizes: BTreeMap::new(), next: 1 }
    }

    /// A file that was there, durable, before the first event.
    pub(crate) fn with_file(mut self, path: &str, bytes: &[u8]) -> Script {
        let file = self.new_id(path);
        self.sizes.insert(file, bytes.len() as u64);
        let at = Some(self.place(path));
        let node = NodeKind::File;
        self.trace.initial.push(TreeNode {
            at,
            file,
            node,
            mode: 0o644,
            bytes: Sparse::of(bytes).into(),
        });
        self
    }

    /// A directory that was there before the first event.
    pub(crate) fn with_dir(mut self, path: &str) -> Script {
        let file = self.new_id(path);
        let at = Some(self.place(path));
        let bytes = Arc::default();
        self.trace.initial.push(TreeNode { at, file, node: NodeKind::Dir, mode: 0o755, bytes });
        self
    }

    fn new_id(&mut self, path: &str) -> FileId {
        let file = FileId(self.next);
        self.next += 1;
        self.names.insert(path.into(), file);
        file
    }

    pub(crate) fn place(&self, path: &str) -> Place {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        Place { dir: self.id(dir), name: Name::from(name.as_bytes()) }
    }

    pub(crate) fn id(&self, path: &str) -> FileId {
        self.names[path]
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.names.contains_key(path)
    }

    pub(crate) fn op(&mut self, op: FileOp) -> EventNo {
        let no = self.trace.events.len() as u32;
        let call = Call { no: no + 1, name: "call".into(), result: 0, injected: false, op };
        self.event(EventKind::Call(call))
    }

    pub(crate) fn event(&mut self, kind: EventKind) -> EventNo {
        let no = self.trace.events.len() as u32;
        self.trace.events.push(Event { thread: 1, kind, stack: Arc::from([]) });
        EventNo(no)
    }

    pub(crate) fn create(&mut self, path: &str) -> EventNo {
        let at = self.place(path);
        let file = self.new_id(path);
        self.sizes.insert(file, 0);
        self.op(FileOp::Create { at, file, node: NodeKind::File, mode: 0o644 })
    }

    pub(crate) fn mkdir(&mut self, path: &str) -> EventNo {
        let at = self.place(path);
        let file = self.new_id(path);
        self.op(FileOp::Create { at, file, node: NodeKind::Dir, mode: 0o755 })
    }

    pub(crate) fn write(&mut self, path: &str, offset: u64, bytes: &[u8]) -> EventNo {
        self.write_with(path, offset, bytes, WriteSync::None)
    }

    pub(crate) fn write_with(
        &mut self,
        path: &str,
        offset: u64,
        bytes: &[u8],
        sync: WriteSync,
    ) -> EventNo {
        let file = self.id(path);
        let size = self.sizes.entry(file).or_default();
        *size = (*size).max(offset + bytes.len() as u64);
        self.op(FileOp::Write { file, offset, bytes: bytes.into(), sync, via: Via::Call })
    }

    pub(crate) fn size(&self, path: &str) -> u64 {
        self.sizes.get(&self.id(path)).copied().unwrap_or(0)
    }

    pub(crate) fn truncate(&mut self, path: &str, to: u64) -> EventNo {
        self.resize(path, to, ResizeHow::Truncate)
    }

    pub(crate) fn resize(&mut self, path: &str, to: u64, how: ResizeHow) -> EventNo {
        let file = self.id(path);
        let from = self.sizes.insert(file, to).unwrap_or(0);
        self.op(FileOp::Resize { file, from, to, how })
    }

    pub(crate) fn punch(&mut self, path: &str, offset: u64, len: u64) -> EventNo {
        self.op(FileOp::Zero { file: self.id(path), offset, len })
    }

    pub(crate) fn allocate(&mut self, path: &str, offset: u64, len: u64) -> EventNo {
        self.op(FileOp::Allocate { file: self.id(path), offset, len })
    }

    pub(crate) fn link(&mut self, old: &str, new: &str) -> EventNo {
        let file = self.id(old);
        self.names.insert(new.into(), file);
        self.op(FileOp::Link { at: self.place(new), file })
    }

    pub(crate) fn unlink(&mut self, path: &str) -> EventNo {
        let at = self.place(path);
        let file = self.names.remove(path).unwrap();
        self.op(FileOp::Unlink { at, file })
    }

    pub(crate) fn rename(&mut self, old: &str, new: &str) -> EventNo {
        let (from, to) = (self.place(old), self.place(new));
        let file = self.names.remove(old).unwrap();
        let replaced = self.names.insert(new.into(), file);
        self.op(FileOp::Rename { from, to, file, replaced })
    }

    pub(crate) fn exchange(&mut self, a: &str, b: &str) -> EventNo {
        let (file_a, file_b) = (self.id(a), self.id(b));
        self.names.insert(a.into(), file_b);
        self.names.insert(b.into(), file_a);
        self.op(FileOp::Exchange { a: self.place(a), b: self.place(b), file_a, file_b })
    }

    pub(crate) fn fsync(&mut self, path: &str) -> EventNo {
        self.op(FileOp::Sync { file: self.id(path), scope: SyncScope::Full })
    }

    pub(crate) fn fdatasync(&mut self, path: &str) -> EventNo {
        self.op(FileOp::Sync { file: self.id(path), scope: SyncScope::Data })
    }

    pub(crate) fn msync(&mut self, path: &str, offset: u64, len: u64) -> EventNo {
        self.op(FileOp::Sync { file: self.id(path), scope: SyncScope::Range { offset, len } })
    }

    pub(crate) fn failed_fsync(&mut self, path: &str) -> EventNo {
        self.op(FileOp::FailedSync { file: self.id(path), scope: SyncScope::Full })
    }

    pub(crate) fn sync_all(&mut self) -> EventNo {
        self.op(FileOp::SyncAll)
    }

    pub(crate) fn end(&self) -> EventNo {
        EventNo(self.trace.events.len() as u32)
    }

    pub(crate) fn model(&self) -> Model {
        Model::new(&self.trace)
    }
}

/// Which effects of an event are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// All.
    All,
    /// Data.
    Data,
    /// Data of one page.
    Page(u64),
    /// Grow.
    Grow,
    /// Everything but Data.
    Rest,
}

/// Effects of an event.
pub(crate) fn effects(model: &Model, event: EventNo, what: What) -> Vec<u32> {
    model
        .effects_of(event)
        .filter(|effect| match (&model.effects()[*effect as usize].kind, what) {
            (_, What::All) | (EffectKind::Data { .. }, What::Data) => true,
            (EffectKind::Data { page, .. }, What::Page(no)) => *page == no,
            (EffectKind::Grow { .. }, What::Grow) => true,
            (EffectKind::Data { .. }, What::Rest) => false,
            (_, What::Rest) => true,
            _ => false,
        })
        .collect()
}

/// The state at the end of the trace in which exactly these effects are lost.
pub(crate) fn state(
    script: &Script,
    lost: &[(EventNo, What)],
    forms: &[(u32, Form)],
) -> CrashState {
    let model = script.model();
    let mut all: Vec<u32> =
        lost.iter().flat_map(|(event, what)| effects(&model, *event, *what)).collect();
    all.sort_unstable();
    all.dedup();
    CrashState::power(script.end(), Loss::new(&all, forms.to_vec()))
}

/// Asserts under which profiles the loss of exactly these effects at the end of the trace is legal:
/// in `allowed` and in no other.
#[track_caller]
pub(crate) fn only_in(script: &Script, lost: &[(EventNo, What)], allowed: &[Profile]) {
    let state = state(script, lost, &[]);
    legal_only_in(script, &state, allowed);
}

/// Asserts under which profiles a state is legal.
#[track_caller]
pub(crate) fn legal_only_in(script: &Script, state: &CrashState, allowed: &[Profile]) {
    let model = script.model();
    for profile in Profile::ALL {
        let result = model.check(state, profile);
        assert_eq!(
            result.is_ok(),
            allowed.contains(&profile),
            "{state} under {profile}: {result:?}; effects {:#?}",
            model.effects()
        );
    }
}

/// The profiles under which an event's effects are durable at the end of the trace.
#[track_caller]
pub(crate) fn durable_in(script: &Script, event: EventNo, what: What, expected: &[Profile]) {
    let model = script.model();
    let effects = effects(&model, event, what);
    assert!(!effects.is_empty(), "the event has no such effect");
    for profile in Profile::ALL {
        for effect in &effects {
            assert_eq!(
                model.is_durable(EffectNo(*effect), profile, script.end()),
                expected.contains(&profile),
                "effect {effect} under {profile}"
            );
        }
    }
}

pub(crate) const ALL: [Profile; 4] = Profile::ALL;
pub(crate) const EXT4: Profile = Profile::Ext4;
pub(crate) const XFS: Profile = Profile::Xfs;
pub(crate) const BTRFS: Profile = Profile::Btrfs;
pub(crate) const STRICT: Profile = Profile::Strict;
