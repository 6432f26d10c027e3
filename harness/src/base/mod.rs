//! What every room may use: seeded randomness, named limits, harness errors, where files hold data,
//! and how processes are started. Nothing here knows of drivers or stores.

pub mod error;
pub mod file_system;
pub mod files;
pub mod forks;
pub mod holes;
pub mod interrupt;
pub mod limits;
pub mod nursery;
pub mod program;
pub mod rng;
pub mod visible;
pub mod word;

pub use error::{HarnessError, Result};
pub use rng::Rng;
pub use visible::visible;
