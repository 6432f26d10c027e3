//! Events: what a recorded program did to files, in the order in which it took effect, and what it
//! was asked and promised meanwhile. Files are named by identity ([`FileId`]), never by descriptor or
//! path: the recorder resolves those.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::op::{FileOp, NodeKind};
use super::sparse::Sparse;
use crate::workload::{Answer, OpNo, Request};

/// One file, directory or symbolic link of the recorded directory, by identity over its whole life.
/// The root of the recorded directory is [`FileId::ROOT`]. An inode number that is used again is
/// another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl FileId {
    /// The recorded directory itself.
    pub const ROOT: FileId = FileId(0);
}

/// The index of an event in its trace; a crash point `n` means that events before `n` have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNo(pub u32);

/// A name inside one directory: any bytes but `/` and NUL, never `.` or `..`.
pub type Name = Arc<[u8]>;

/// One name in one directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The directory.
    pub dir: FileId,
    /// The name in it.
    pub name: Name,
}

/// This bit in [`Call::no`] marks a call that only looks (a read, a close, a listing). Such calls are
/// recorded only when asked for and have a counter of their own, so that the number of an operation
/// is the same whether they are recorded or not. Printed as `r3`.
pub const LOOK: u32 = 1 << 31;

/// One traced system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call's number among the run's file operations, from 1: the replay coordinate at which a
    /// kill or an error strikes. Several events of one call share it. 0 for a store into a mapping.
    pub no: u32,
    /// The system call's name, or `store` for a store into a mapping.
    pub name: Arc<str>,
    /// What it returned: negative is `-errno`.
    pub result: i64,
    /// True if unplug made it fail or cut it short.
    pub injected: bool,
    /// What it did.
    pub op: FileOp,
}

/// What happened at one point of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A request was sent to the driver.
    Request {
        /// Its number in the history.
        op: OpNo,
        /// What was asked.
        request: Request,
    },
    /// The driver answered a request: placed at the entry of the write that completed the line.
    Reply {
        /// Its number in the history.
        op: OpNo,
        /// The answer.
        answer: Answer,
    },
    /// A line that the program printed, in the whole-program form: a promise made at this moment.
    Line(Arc<str>),
    /// `warn TEXT` from the driver.
    Warn(Arc<str>),
    /// A traced file operation.
    Call(Call),
    /// A process of the driver ended; a wait status as text.
    Exit(Arc<str>),
}

/// One event of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which thread did it: numbered from 1 in the order of their first event; 0 is unplug itself.
    pub thread: u32,
    /// What happened.
    pub kind: EventKind,
    /// The call stack as instruction addresses resolved later, innermost first; empty where it was
    /// not taken.
    pub stack: Arc<[u64]>,
}

impl Event {
    /// True if the program answered: a reply, or a line of a whole program.
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, EventKind::Reply { .. } | EventKind::Line(_))
    }

    /// True if the program was asked something, or answered: where the calls for one request begin or end.
    pub fn is_exchange(&self) -> bool {
        self.is_answer() || matches!(self.kind, EventKind::Request { .. })
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> u64 {
        let data = match &self.kind {
            EventKind::Call(call) => match &call.op {
                FileOp::Write { bytes, .. } => bytes.len(),
                _ => 0,
            },
            EventKind::Line(text) | EventKind::Warn(text) | EventKind::Exit(text) => text.len(),
            EventKind::Request { request, .. } => request.bytes(),
            EventKind::Reply { .. } => 0,
        };
        (size_of::<Event>() + data + self.stack.len() * size_of::<u64>()) as u64
    }

    /// The file or directory that the event syncs, if it is a sync of one.
    pub fn synced(&self) -> Option<FileId> {
        match &self.kind {
            EventKind::Call(call) => match &call.op {
                FileOp::Sync { file, .. } => Some(*file),
                _ => None,
            },
            _ => None,
        }
    }
}

/// One node of a directory tree at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// Where it is; nothing for the root, and for files that no name leads to.
    pub at: Option<Place>,
    /// Its identity.
    pub file: FileId,
    /// What it is.
    pub node: NodeKind,
    /// Permission bits.
    pub mode: u32,
    /// Its bytes, for a regular file.
    pub bytes: Arc<Sparse>,
}

/// The recorded directory before the first event: parents before children, the root first. All of it
/// is durable. A hard-linked file stands once a name, with the same identity.
pub type Tree = Vec<TreeNode>;

/// A whole recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The directory before the run.
    pub initial: Tree,
    /// What happened, in the order of effect.
    pub events: Vec<Event>,
    /// System calls that changed files in a way that is not modelled, with how often each was seen.
    pub unmodelled: BTreeMap<String, u64>,
    /// Other things that the recorder cannot see past and that make a loss unprovable, in words.
    pub blind: Vec<String>,
}
