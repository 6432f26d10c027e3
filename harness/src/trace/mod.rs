//! The trace: the recorded file operations, requests and acknowledgements of one run on one
//! timeline. It is evidence and never edited; a fault is an overlay on it. Pure.

pub mod event;
mod history;
pub mod replay;
pub mod sparse;

pub use event::{
    Call, Event, EventKind, EventNo, FileId, FileOp, Name, NodeKind, Place, ResizeHow, SyncScope,
    Trace, Tree, TreeNode, Via, WriteSync,
};
