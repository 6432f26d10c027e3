//! A crash state's bytes: a directory tree in memory, copy-on-write and content-hashed, so that a
//! clone is free, an edit costs its own size and a state already seen is known by its hash; then
//! into a real directory, by difference.
//!
//! What a crash state *is* belongs to `persistence`; here are only its bytes.

pub mod build;
pub mod content;
mod convert;
pub mod dir;
mod edit;
mod load;
mod node;
mod notice;
pub mod page;
mod path;
mod radix;
mod survival;
pub mod tree;
mod walk;

pub use build::Builder;
pub use content::Content;
pub use dir::{Stats, Workdir, remove};
pub use page::Page;
pub use path::{path_bytes, path_of};
pub use tree::Image;
pub use walk::{Entry, EntryKind};
