//! Diagnosis: why states fail. From the failing states of one recording: which lost effects they have
//! in common, which calls these come from, what promise they break, and which sync would have made
//! every one of them impossible. Pure: it re-runs the model, never the program.
//!
//! A cause is told in terms that do not shift from run to run (call, file with the numbers in its name
//! left out, what was being asked), so that the same flaw has the same name in every run; event
//! numbers are in its `detail` and its `counterfactual` alone.

pub mod cause;
pub mod group;
pub mod names;
pub mod patterns;
pub mod promise;
pub mod remedy;
pub mod site;
pub mod sorts;
pub mod window;

pub use cause::{AND, Cause, INSIDE, Lost, TORN, mechanism};
pub use group::{Failing, Group, Scene, explain, group};
pub use names::Names;
pub use patterns::{NamePatterns, plain};
pub use remedy::{Added, Remedy, Whole, lost_effects, number, with_syncs};
pub use site::{During, Part, Site, Sites};
pub use sorts::sorts;
pub use window::{Order, Window};
