//! The torture harness behind `unplug`: record a program's file operations once, derive every state
//! that a kill, a power cut, a failing disk or a damaged file could have left, let the program
//! recover from each, and judge what came back.
//!
//! Rooms, low to high; a room imports only from rooms to its left (`tests/rooms.rs` holds this):
//!
//! ```text
//! base -> workload, trace, persistence -> driver, scenario, image -> explore, media, record
//!      -> recover -> oracle -> shrink, diagnose -> fault -> campaign -> report
//! ```

pub mod base;
pub mod campaign;
pub mod diagnose;
pub mod driver;
pub mod explore;
pub mod fault;
pub mod image;
pub mod media;
pub mod oracle;
pub mod persistence;
pub mod record;
pub mod recover;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod trace;
pub mod workload;
