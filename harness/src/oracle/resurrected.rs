//! `resurrected`: an operation that an earlier recovery showed absent appears later. Judged in cycles
//! and nested crashes.

use super::sentence::name;
use super::vanished::{keys, state};
use super::verdict::{Kind, Violation};
use crate::workload::Contents;

/// The violation; `alone` is what the cycle is accused of as a history of its own.
pub(super) fn violation(
    shown: &Contents,
    contents: &Contents,
    alone: &[Violation],
    after: &str,
) -> Violation {
    let keys = keys(shown, contents, alone);
    let sentence = match keys.first() {
        Some(key) => format!(
            "key {} is {} {after}, by an operation that an earlier recovery showed had not \
             happened: then it was {}",
            name(key),
            state(contents, key),
            state(shown, key),
        ),
        None => format!("an operation that an earlier recovery showed absent is back {after}"),
    };
    Violation { kind: Kind::Resurrected, sentence, keys, operations: Vec::new(), note: false }
}
