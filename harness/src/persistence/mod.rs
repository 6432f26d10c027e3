//! The persistence model: events -> effects -> ordering under a profile. From one trace it says
//! which effects there are, when each is durable, and which crash states are legal. Pure; the bytes
//! of a state are built in `image`, what to visit is chosen in `explore`.
//!
//! Areas not covered: other kernels and mount options, block sizes other than 4 KiB, devices that
//! lie about flushes, network file systems.

mod breakdown;
mod btrfs;
mod chains;
mod close;
mod durable;
pub mod effect;
mod ext4;
mod facts;
pub mod legal;
pub mod model;
pub mod nest;
pub mod overlay;
pub mod profile;
mod snapshot;
pub mod state;
mod strict;
pub mod view;
mod xfs;

#[cfg(test)]
pub(crate) mod tests;

pub use effect::{Effect, EffectKind, EffectNo, Fill};
pub use legal::Breach;
pub use model::{Device, Model, NewNode};
pub use nest::{Joined, after_kill, files_of};
pub use overlay::{AddedSync, Overlay};
pub use profile::{Profile, ProfileSet};
pub use snapshot::PageBytes;
pub use state::{Crash, CrashState, Form, Loss};
pub use view::View;
