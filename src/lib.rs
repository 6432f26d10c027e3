//! `unplug` pulls the plug on a storage engine and tells its author what was lost and which missing
//! call lost it. This crate holds the built-in store, the bundled engines and the command line; the
//! torture harness is the crate `unplug-harness`.

pub mod cli;
pub mod engines;
pub mod store;
