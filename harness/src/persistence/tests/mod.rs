//! Tests of the rules: each rule of the document with a state that it must allow and one that it
//! must forbid, and properties over random traces.

pub(crate) mod random;
pub(crate) mod script;

mod barriers;
mod failed;
mod forms;
mod joined;
mod metadata;
mod overlays;
mod rename;
