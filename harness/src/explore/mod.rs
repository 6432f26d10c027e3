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
//! still gets some of both.
//!
//! States come one at a time, each with every asked-for profile under which it is legal; the same
//! seed gives the same states. What is capped or left out is counted. Pure.

mod batch;
mod durable;
mod everything;
pub mod explorer;
mod forms;
mod groups;
mod keep_one;
mod lose_one;
mod points;
mod random;
mod seen;
mod strategy;
mod subsets;

#[cfg(test)]
mod tests;

pub use explorer::{Explorer, Visit};
pub use points::{Point, points};
