//! Recovery: what a driver makes of an image. The only room that runs a driver on a crash state.

pub mod converse;
pub mod hangs;
pub mod outcome;
mod patience;
pub mod pool;
mod reasons;
pub mod worker;

pub use converse::{REQUESTS, failed, of_driven};
pub use hangs::Hangs;
pub use outcome::{Recovered, Recovery, Stage, Used};
pub use pool::{Done, Extra, Pool};
pub use worker::{Setup, Tried, Worker, room_bytes};
