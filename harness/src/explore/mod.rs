//! Which crash states to visit, in this order, one strategy a file:
//!
//! 1. `everything`: every crash point, everything so far survives (what a kill leaves)
//! 2. `durable`: every crash point, only what is durable survives
//! 3. `lose-one`: one effect lost, with all that depend on it, the rest survives
//! 4. `keep-one`: one effect survives, with all it depends on, the rest lost
//! 5. `forms`: the last effects torn, and each single lost effect in its other forms
//! 6. `groups`: pairs lost, files and directories wholly behind or ahead of the others, events lost
//!    from one on; then `subsets`: where little is pending, every closed subset there is
//! 7. `random`: seeded random closed subsets, without end
//!
//! The first two take turns, a part of the points at a time, so that a store too slow for all points
//! still gets some of both. Where the sorts of effects and events are known, `aims` come before all of
//! these: one state of each group of like states, then a second of each, and so on; and `coverage`
//! counts how much of the recording was visited.
//!
//! States come one at a time, each with every asked-for profile under which it is legal; the same
//! seed gives the same states. What is capped or left out is counted. Pure.

mod aims;
mod batch;
mod coverage;
mod durable;
mod everything;
pub mod explorer;
mod forms;
mod groups;
mod keep_one;
mod lose_one;
mod pending;
mod points;
mod random;
mod seen;
mod sorts;
mod strategy;
mod subsets;

#[cfg(test)]
mod tests;

pub use coverage::{Covered, Part};
pub use explorer::{Explorer, Visit};
pub use forms::forms;
pub use points::{Point, points};
pub use sorts::Sorts;
