//! The power fault.

pub mod bench;
pub mod join;
pub mod memory;
pub mod record;
pub mod shape;
