//! The words of violations: plain, precise, one sentence each. What is true is decided elsewhere.

use super::solve::Last;
use super::table::{Cut, Source};
use super::verdict::Loss;
use crate::workload::{Contents, Key, Moment, OpNo, Value, ValueName};

/// How many keys or operations a violation lists.
pub(super) const LISTED: usize = 8;

/// `after a power cut at 430`.
pub(super) fn after(loss: Loss, moment: Moment) -> String {
    match loss {
        Loss::None => "after a clean close and reopen".into(),
        Loss::Kill if moment >= super::END => "after a kill at the end".into(),
        Loss::Power if moment >= super::END => "after a power cut at the end".into(),
        Loss::Kill => format!("after a kill at {}", moment.0),
        Loss::Power => format!("after a power cut at {}", moment.0),
    }
}

/// The words for a crash inside the recovery from another, in a sentence that names the two as one.
pub fn twice(sentence: &str, moment: Moment, first: Loss, second: Loss) -> String {
    let how = |loss| match loss {
        Loss::Power => "a power cut",
        Loss::Kill | Loss::None => "a kill",
    };
    let both = format!("{} and {} inside the recovery from it", after(first, moment), how(second));
    sentence.replacen(&after(first.worse(second), moment), &both, 1)
}

/// A value as a person recognises it: the write that it names, or its first characters.
pub(super) fn value(key: &Key, value: &Value) -> String {
    match ValueName::of(value) {
        Some(name) if name.key == *key => format!("write {}", name.number),
        Some(name) => format!("write {} of key {}", name.number, name.key),
        None => format!("`{}`", start(value.as_str(), 24)),
    }
}

/// A key as a person recognises it. What a damaged store shows for one may be pages of bytes.
pub(super) fn name(key: &Key) -> String {
    start(key.as_str(), 80)
}

/// The first characters of a text, with what cannot be printed made visible.
fn start(text: &str, chars: usize) -> String {
    let visible = |c: char| match c.is_control() {
        true => c.escape_debug().to_string(),
        false => c.to_string(),
    };
    let mut rest = text.chars();
    let start: String = rest.by_ref().take(chars).map(visible).collect();
    if rest.as_str().is_empty() { start } else { start + "…" }
}

/// `put k17 (write 12, acknowledged at 412)`.
pub(super) fn entry(cut: &Cut<'_>, at: u32, key: u32) -> String {
    let entry = cut.entry(at);
    let name = &cut.table.keys[key as usize];
    let change = entry.changes.iter().find(|(changed, _)| *changed == key);
    let change = match change {
        Some((_, Some(written))) => format!("put {name} ({}", value(name, written)),
        _ => format!("del {name} ("),
    };
    let comma = if change.ends_with('(') { "" } else { ", " };
    let Source::Operation { begun, answered, earlier_cycle, .. } = entry.source else {
        return format!("{change}{comma}there from the beginning)");
    };
    let batch = if entry.changes.len() > 1 { "in a batch " } else { "" };
    let cycle = if earlier_cycle { " of an earlier cycle" } else { "" };
    match answered.filter(|_| cut.answered(at) != super::table::NEVER) {
        Some(moment) if cut.acked(at) => {
            format!("{change}{comma}{batch}acknowledged at {}{cycle})", moment.0)
        }
        Some(moment) => format!("{change}{comma}{batch}answered at {}{cycle})", moment.0),
        None => format!("{change}{comma}{batch}sent at {}, not acknowledged{cycle})", begun.0),
    }
}

/// What the store has under a key instead: `the key is absent`, `the store has the older …`.
pub(super) fn instead(cut: &Cut<'_>, contents: &Contents, key: u32, last: Last, of: u32) -> String {
    let name = &cut.table.keys[key as usize];
    match (contents.get(name), last) {
        (None, Last::Entry(at)) if older(cut, at, of) => {
            format!("the key is absent, as the older {} left it", entry(cut, at, key))
        }
        (None, _) => "the key is absent".into(),
        (Some(_), Last::Entry(at)) if older(cut, at, of) => {
            format!("the store has the older {}", entry(cut, at, key))
        }
        (Some(_), Last::Entry(at)) => format!("the store has {}", entry(cut, at, key)),
        (Some(shown), _) => format!("the store has {}", value(name, shown)),
    }
}

fn older(cut: &Cut<'_>, at: u32, of: u32) -> bool {
    cut.entry(at).begun < cut.entry(of).begun
}

/// `; 3 more keys likewise`, where there are more.
pub(super) fn more(keys: usize) -> String {
    match keys {
        0 | 1 => String::new(),
        2 => "; 1 more key likewise".into(),
        many => format!("; {} more keys likewise", many - 1),
    }
}

/// The operation that an entry is, if it is one of the judged history.
pub(super) fn op(cut: &Cut<'_>, at: u32) -> Option<OpNo> {
    match cut.entry(at).source {
        Source::Operation { op, earlier_cycle: false, .. } => Some(op),
        _ => None,
    }
}
