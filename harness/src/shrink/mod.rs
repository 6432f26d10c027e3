//! Smaller cases that fail alike: fewer requests, an earlier crash point, fewer lost effects, fewer
//! and simpler damages, smaller values. Pure: whether a case still fails is asked of the caller, which
//! runs it; every search is deterministic and bounded by [`Tries`], which says afterwards whether it
//! was ended by the bound.
//!
//! Two forms of the same thing: `minimize_…` searches by itself with a predicate; `smaller_…` gives
//! the next candidates, boldest first, to a caller that tries them in turn and asks again.

pub mod damages;
pub mod list;
pub mod number;
pub mod tries;
pub mod workload;

pub use damages::{minimize_damages, smaller_damages};
pub use list::{minimize_list, smaller_lists};
pub use number::{minimize_number, smaller_numbers};
pub use tries::{Tries, descend};
pub use workload::{cut_off, minimize_workload, smaller_workloads};
