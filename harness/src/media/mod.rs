//! Damage at rest: the operators that change an image as a failing disk would, each with a text form
//! that parses back; which of them to try; and what snapshots of the directory say of when the
//! damaged bytes were written. Pure. What must hold afterwards is the oracle's.

pub mod apply;
pub mod choose;
pub mod damage;
pub mod snapshots;

pub use apply::{apply, apply_all};
pub use choose::{exhaustive, sample};
pub use damage::{Damage, Harm};
pub use snapshots::Snapshots;
