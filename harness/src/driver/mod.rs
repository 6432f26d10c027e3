//! Drivers: the protocol of DRIVER_PROTOCOL.md, both sides of it, and the processes that speak it.

pub mod capabilities;
pub mod target;

pub use capabilities::{Capabilities, Durable, KillPromise};
pub use target::Target;
