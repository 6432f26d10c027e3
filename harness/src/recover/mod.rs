//! Recovery: what a driver makes of an image. The only room that runs a driver on a crash state.

pub mod outcome;

pub use outcome::{Recovered, Recovery, Stage};
