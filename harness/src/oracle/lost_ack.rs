//! `lost-ack`: something durable by promise is missing or older; a deleted key that is back
//! included. Which of the promised operations cannot be in the store is worked out here, for the
//! sentence; that clause 1 fails has been decided before.

use std::collections::BTreeSet;

use super::case::Case;
use super::legal::{Clauses, shows, visibly_gone};
use super::sentence::{entry, instead, more};
use super::solve::{Explanation, Found, Last, solve};
use super::table::Table;
use super::verdict::{Kind, Violation};

/// The violation, given what explains the contents when nothing is required.
pub(super) fn violation(case: &Case<'_>, rest: Clauses, without: &Explanation) -> Violation {
    let cut = if rest.batch { case.cut } else { case.parts() };
    // Each promised operation that contradicts what came last on one of its keys is lost for sure.
    // Of each key the newest of them counts: it is what should be there.
    let covered = |part: &u32| case.promise.covers(&case.cut, cut.entry(*part).whole);
    let promised: Vec<u32> = (0..cut.visible as u32).filter(covered).collect();
    let mut seen = BTreeSet::new();
    let mut lost: Vec<(u32, u32, Last)> = Vec::new();
    for &at in promised.iter().rev() {
        for (key, last) in visibly_gone(case, &cut, without, at) {
            if seen.insert(key) {
                lost.push((at, key, last));
            }
        }
        let keys = cut.entry(at).changes.iter().map(|(key, _)| *key);
        seen.extend(keys.filter(|key| shows(case, &cut, at, *key)));
    }
    lost.sort_by_key(|&(at, ..)| cut.answered(at));
    if let Some(&(at, key, last)) = lost.first() {
        let missing = match case.contents.contains_key(&cut.table.keys[key as usize]) {
            _ if deletes(cut.table, at, key) => "is undone",
            true => "is lost",
            false => "is missing",
        };
        let text = format!(
            "{} {missing} {}: {}{}",
            entry(&case.cut, cut.entry(at).whole, key),
            case.after,
            instead(&cut, case.contents, key, last, at),
            more(lost.len())
        );
        let entries = lost.iter().map(|&(at, ..)| cut.entry(at).whole);
        return case.violation(Kind::LostAck, text, lost.iter().map(|&(_, key, _)| key), entries);
    }
    // Concurrent operations: no single one contradicts, together they do. The first that makes the
    // promised ones before it impossible is named.
    let required = case.promise.required(&case.cut);
    let upto = |count: usize| {
        let found = solve(&case.cut, &case.goals, &required[..count], rest.prefix);
        matches!(found, Found::Illegal)
    };
    match (1..=required.len()).find(|&count| upto(count)) {
        Some(count) => conflict(case, required[count - 1]),
        None => without_explanation(case),
    }
}

fn deletes(table: &Table, at: u32, key: u32) -> bool {
    let changes = &table.entries[at as usize].changes;
    changes.iter().any(|(changed, value)| *changed == key && value.is_none())
}

fn conflict(case: &Case<'_>, at: u32) -> Violation {
    let keys: Vec<u32> = case.cut.entry(at).changes.iter().map(|(key, _)| *key).collect();
    let text = format!(
        "{} cannot have happened {}: with the other acknowledged operations no order of it gives \
         what the store has",
        entry(&case.cut, at, keys[0]),
        case.after
    );
    case.violation(Kind::LostAck, text, keys, [at])
}

/// The violation where no group of clauses names it.
pub(super) fn without_explanation(case: &Case<'_>) -> Violation {
    let text = format!("no set of operations in any order gives what the store has {}", case.after);
    case.violation(Kind::LostAck, text, [], [])
}
