//! Drivers: the protocol of DRIVER_PROTOCOL.md, both sides of it, and the processes that speak it.

pub mod capabilities;
pub mod check;
pub mod command;
pub mod drive;
pub mod fault;
mod keeper;
pub mod lines;
pub mod patience;
pub mod process;
pub mod protocol;
pub mod reason;
pub mod room;
pub mod serve;
pub mod session;
pub mod target;
pub mod template;
pub mod timeline;

pub use capabilities::{Capabilities, Durable, KillPromise, PowerPromise};
pub use drive::{Driven, End, Host, Plan, Processes, Watch, drive};
pub use fault::DriverFault;
pub use patience::{Hang, Look, Vigil, Watching};
pub use process::DriverProcess;
pub use reason::reason;
pub use room::Room;
pub use serve::{Engine, NotOpened, Opener, serve};
pub use session::{Answered, Dump, Session};
pub use target::{Target, Timeouts};
pub use template::{Pipes, Template};
pub use timeline::{Counter, Timeline, Unwatched};
