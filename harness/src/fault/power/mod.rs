//! The power fault.

pub mod bench;
pub mod court;
pub mod ground;
pub mod memory;
pub mod names;
pub mod prove;
pub mod record;
pub mod shape;
pub mod sites;
pub mod visit;
