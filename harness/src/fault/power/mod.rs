//! The power fault.

pub mod bench;
pub mod memory;
pub mod record;
pub mod shape;
