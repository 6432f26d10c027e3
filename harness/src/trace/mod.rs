//! The trace: the recorded file operations, requests and acknowledgements of one run on one
//! timeline. It is evidence and never edited; a fault is an overlay on it. Pure.

pub mod check;
mod cipher;
mod encode;
mod encode_op;
pub mod event;
pub mod file;
mod history;
pub mod paths;
pub mod replay;
#[cfg(test)]
pub(crate) mod samples;
pub mod sparse;
pub mod text;
mod wire;

pub use event::{
    Call, Event, EventKind, EventNo, FileId, FileOp, Name, NodeKind, Place, ResizeHow, SyncScope,
    Trace, Tree, TreeNode, Via, WriteSync,
};
