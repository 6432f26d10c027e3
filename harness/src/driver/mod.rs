//! Drivers: the protocol of DRIVER_PROTOCOL.md, both sides of it, and the processes that speak it.

pub mod capabilities;
pub mod fault;
pub mod lines;
pub mod protocol;
pub mod session;
pub mod target;
pub mod timeline;

pub use capabilities::{Capabilities, Durable, KillPromise};
pub use fault::DriverFault;
pub use session::{Answered, Dump, Session};
pub use target::{Target, Timeouts};
pub use timeline::{Counter, Timeline, Unwatched};
