//! `vanished`: an operation that was not promised but that recovery showed is gone after the next
//! crash. After a power cut then anything, and a kill then a kill; after a kill then a power cut only
//! with `reads=durable`, otherwise it is a note. Judged in cycles and nested crashes.

use super::sentence::{LISTED, more, name, value};
use super::verdict::{Kind, Violation};
use crate::workload::{Contents, Key};

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
            "an earlier recovery showed key {} {}, and {after} it is {}{}",
            name(key),
            state(shown, key),
            state(contents, key),
            more(keys.len())
        ),
        None => format!("what an earlier recovery showed is gone {after}"),
    };
    Violation { kind: Kind::Vanished, sentence, keys, operations: Vec::new(), note: false }
}

/// The keys that differ from what was shown, those of the accusation first.
pub(super) fn keys(shown: &Contents, contents: &Contents, alone: &[Violation]) -> Vec<Key> {
    let differs = |key: &&Key| shown.get(*key) != contents.get(*key);
    let accused = alone.iter().flat_map(|violation| &violation.keys).filter(differs);
    let mut keys: Vec<Key> = accused.cloned().collect();
    if keys.is_empty() {
        keys.extend(shown.keys().chain(contents.keys()).filter(differs).cloned());
    }
    keys.dedup();
    keys.truncate(LISTED);
    keys
}

/// `with write 12`, `absent`.
pub(super) fn state(contents: &Contents, key: &Key) -> String {
    match contents.get(key) {
        Some(shown) => format!("there with {}", value(key, shown)),
        None => "absent".into(),
    }
}
