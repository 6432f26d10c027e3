//! The pairs that a store holds at one moment.

use std::collections::BTreeMap;

use super::op::{Key, Mutation, Value};

/// What a store holds: every key with its value.
pub type Contents = BTreeMap<Key, Value>;

/// Applies one change.
pub fn apply(contents: &mut Contents, mutation: &Mutation) {
    match mutation {
        Mutation::Put(key, value) => drop(contents.insert(key.clone(), value.clone())),
        Mutation::Del(key) => drop(contents.remove(key)),
    }
}
