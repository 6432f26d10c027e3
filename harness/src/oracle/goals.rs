//! What has to be explained: for every key what recovery showed, and the entries that could have
//! left it so. A value belongs to an entry if it is exactly what the entry wrote to that key; where
//! several wrote the same short text, each of them may be the one.

use super::table::Cut;
use crate::workload::{Contents, Key, Value};

/// What has to be true of one key, with the range of its candidates in [`Goals`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Nothing: what is there cannot be explained, and is reported as such.
    Any,
    /// One of these entries came last.
    Present(std::ops::Range<usize>),
    /// One of these entries came last, or nothing changed the key at all.
    Absent(std::ops::Range<usize>),
}

/// A pair that no operation wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stranger {
    /// The key.
    pub key: Key,
    /// What it holds.
    pub value: Value,
    /// False if nothing ever wrote any value to the key.
    pub key_was_written: bool,
}

/// What has to be explained.
#[derive(Clone, Debug, Default)]
pub(super) struct Goals {
    /// For each key of the table.
    pub keys: Vec<Goal>,
    /// The candidates of all keys, one key after the other.
    entries: Vec<u32>,
    /// Pairs without a candidate.
    pub strangers: Vec<Stranger>,
}

impl Goals {
    /// Compares what was shown with what the entries wrote. Keys of `ignored` have no goal.
    pub fn new(cut: &Cut<'_>, contents: &Contents, ignored: &[Key]) -> Goals {
        let mut goals = Goals::default();
        let mut shown = contents.iter().peekable();
        for (number, key) in cut.table.keys.iter().enumerate() {
            while let Some((stranger, value)) = shown.next_if(|(shown, _)| *shown < key) {
                goals.stranger(stranger, value, false);
            }
            let value = shown.next_if(|(shown, _)| *shown == key).map(|(_, value)| value);
            let touches = cut.touches(number as u32);
            let from = goals.entries.len();
            let left_so = touches.iter().filter(|touch| touch.value.as_ref() == value);
            goals.entries.extend(left_so.map(|touch| touch.entry));
            let range = from..goals.entries.len();
            let goal = match value {
                _ if ignored.contains(key) => Goal::Any,
                Some(value) if range.is_empty() => {
                    let written = touches.iter().any(|touch| touch.value.is_some());
                    goals.stranger(key, value, written);
                    Goal::Any
                }
                Some(_) => Goal::Present(range),
                None => Goal::Absent(range),
            };
            goals.keys.push(goal);
        }
        for (stranger, value) in shown {
            goals.stranger(stranger, value, false);
        }
        goals
    }

    /// The entries that could have come last.
    pub fn candidates(&self, goal: &Goal) -> &[u32] {
        match goal {
            Goal::Any => &[],
            Goal::Present(range) | Goal::Absent(range) => &self.entries[range.clone()],
        }
    }

    fn stranger(&mut self, key: &Key, value: &Value, key_was_written: bool) {
        let (key, value) = (key.clone(), value.clone());
        self.strangers.push(Stranger { key, value, key_was_written });
    }
}
