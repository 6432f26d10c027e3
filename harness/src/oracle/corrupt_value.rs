//! `corrupt-value`: a value that no operation wrote to that key; also a dump that shows one key with
//! two values. Always judged.

use super::case::Case;
use super::goals::Stranger;
use super::sentence::value;
use super::verdict::{Kind, Violation};
use crate::workload::{Value, ValueName};

/// The violation, if there is one: the first of the strange values, with how many more there are.
pub(super) fn judge(case: &Case<'_>) -> Option<Violation> {
    let strangers = case.goals.strangers.iter().filter(|stranger| stranger.key_was_written);
    let strangers: Vec<&Stranger> = strangers.collect();
    let first = strangers.first()?;
    let more = match strangers.len() {
        1 => String::new(),
        many => format!("; {} keys in all", many),
    };
    let text = format!(
        "key {} has a value that was never written to it {}: {}{more}",
        first.key,
        case.after,
        describe(case, first),
    );
    Some(violation(text, &strangers))
}

/// The violation of a dump that contradicts itself.
pub(super) fn contradiction(case: &Case<'_>, text: &str) -> Violation {
    let text = format!("the dump shows one key with two values {}: {text}", case.after);
    violation(text, &[])
}

fn violation(sentence: String, strangers: &[&Stranger]) -> Violation {
    let keys = strangers.iter().take(super::sentence::LISTED);
    let keys = keys.map(|stranger| stranger.key.clone()).collect();
    Violation { kind: Kind::CorruptValue, sentence, keys, operations: Vec::new(), note: false }
}

/// What the value looks like: another key's, a damaged one, something else.
fn describe(case: &Case<'_>, stranger: &Stranger) -> String {
    let len = stranger.value.as_str().len();
    if ValueName::of(&stranger.value).is_some() {
        return format!("it is {}", value(&stranger.key, &stranger.value));
    }
    match nearest(case, stranger) {
        Some((name, original)) => {
            let at = first_difference(original.as_str(), stranger.value.as_str());
            let of = original.as_str().len();
            format!("write {} of {of} bytes, changed from byte {at} on ({len} bytes)", name.number)
        }
        None => format!("{len} bytes that begin {}", value(&stranger.key, &stranger.value)),
    }
}

/// The write to this key that the value claims to be.
fn nearest(case: &Case<'_>, stranger: &Stranger) -> Option<(ValueName, Value)> {
    let claimed = ValueName::claimed(&stranger.value)?;
    let key = case.cut.table.key(&stranger.key)?;
    let mut values = case.cut.touches(key).iter().filter_map(|touch| touch.value.as_ref());
    let original = values.find(|value| ValueName::of(value).as_ref() == Some(&claimed))?;
    Some((claimed, original.clone()))
}

fn first_difference(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b);
    same.count()
}
