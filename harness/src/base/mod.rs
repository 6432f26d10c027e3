//! What every room may use: seeded randomness, named limits, harness errors. Nothing here knows of
//! files, processes or stores.

pub mod error;
pub mod forks;
pub mod limits;
pub mod rng;

pub use error::{HarnessError, Result};
pub use rng::Rng;
