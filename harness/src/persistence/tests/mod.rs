//! Tests of the rules: each rule of the document with a state that it must allow and one that it
//! must forbid, and properties over random traces.

pub(crate) mod script;

mod ext4;
mod failed;
mod profiles;
mod random;
mod strict;
