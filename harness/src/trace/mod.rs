//! The trace: the recorded file operations, requests and acknowledgements of one run on one
//! timeline. It is evidence and never edited; a fault is an overlay on it. Pure.

pub mod check;
mod cipher;
mod encode;
mod encode_op;
pub mod event;
pub mod file;
mod history;
pub mod op;
pub mod paths;
mod reach;
pub mod replay;
#[cfg(test)]
pub(crate) mod samples;
pub mod sparse;
pub mod text;
mod wire;

pub use event::{Call, Event, EventKind, EventNo, FileId, Name, Place, Trace, Tree, TreeNode};
pub use op::{FileOp, NodeKind, ResizeHow, SyncScope, Via, WriteSync};
