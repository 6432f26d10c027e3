//! The text form of a workload: one line a request, as scenario files hold it. It parses back to
//! exactly what was printed. A value that names itself is written as its name, so that a value of
//! 200,000 bytes takes twenty.
//!
//! ```text
//! open
//! put k1 some-text
//! put k2 @k2.17+200000
//! batch put k3 x del k1
//! sync
//! ```
//!
//! A value that begins with `@` or `=` and does not name itself is written with a `=` before it.
//! Parsing trusts nothing: every length is checked against the protocol's before anything is built.

use super::generate::Workload;
use super::op::{Key, Mutation, Request, Value};
use super::value::{ValueName, canonical};
use crate::base::{HarnessError, Result, limits};

/// The text form of one request, without a newline.
pub fn print_request(request: &Request) -> String {
    match request {
        Request::Open => "open".into(),
        Request::Write(mutation) => print_mutation(mutation),
        Request::Batch(mutations) => {
            let parts: Vec<String> = mutations.iter().map(print_mutation).collect();
            format!("batch {}", parts.join(" "))
        }
        Request::Sync => "sync".into(),
        Request::Checkpoint => "checkpoint".into(),
        Request::Dump => "dump".into(),
        Request::Close => "close".into(),
    }
}

/// The text form of one change.
pub fn print_mutation(mutation: &Mutation) -> String {
    match mutation {
        Mutation::Put(key, value) => format!("put {key} {}", print_value(value)),
        Mutation::Del(key) => format!("del {key}"),
    }
}

/// The text form of one value: its name where that gives exactly this value back.
pub fn print_value(value: &Value) -> String {
    if let Some(name) = ValueName::of(value)
        && name.value().as_ref() == Some(value)
    {
        return format!("@{}.{}+{}", name.key, name.number, name.len_bytes);
    }
    match value.as_str().as_bytes().first() {
        Some(b'@' | b'=') => format!("={value}"),
        _ => value.to_string(),
    }
}

/// Parses one line. The error says what was expected; the caller adds file and line.
pub fn parse_request(line: &str) -> Result<Request> {
    let mut words = line.split(' ');
    let request = match words.next().unwrap_or_default() {
        "open" => Request::Open,
        "sync" => Request::Sync,
        "checkpoint" => Request::Checkpoint,
        "dump" => Request::Dump,
        "close" => Request::Close,
        "batch" => parse_batch(&mut words)?,
        verb => Request::Write(parse_mutation(verb, &mut words)?),
    };
    match words.next() {
        None => Ok(request),
        Some(word) => Err(bad(format!("`{}` after the end of the request", clip(word)))),
    }
}

/// Parses one value in its text form.
pub fn parse_value(word: &str) -> Result<Value> {
    if let Some(name) = word.strip_prefix('@') {
        return parse_name(name)
            .and_then(|name| name.value())
            .ok_or_else(|| bad(format!("`@{}` is not a value's KEY.NUMBER+LENGTH", clip(name))));
    }
    let text = word.strip_prefix('=').unwrap_or(word);
    checked("value", text, limits::VALUE_BYTES)?;
    Ok(Value::from(text))
}

/// Parses one key.
pub fn parse_key(word: &str) -> Result<Key> {
    checked("key", word, limits::KEY_BYTES)?;
    Ok(Key::from(word))
}

impl Workload {
    /// The text form, one line a request.
    pub fn lines(&self) -> Vec<String> {
        self.requests.iter().map(print_request).collect()
    }

    /// Parses the text form; an error names the line, from 1.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Workload> {
        let requests = lines
            .into_iter()
            .enumerate()
            .map(|(index, line)| {
                parse_request(line)
                    .map_err(|error| bad(format!("workload line {}: {error}", index + 1)))
            })
            .collect::<Result<_>>()?;
        Ok(Workload { requests })
    }
}

fn parse_batch<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Request> {
    let mut mutations: Vec<Mutation> = Vec::new();
    let mut keys = std::collections::BTreeSet::new();
    while let Some(verb) = words.next() {
        let mutation = parse_mutation(verb, words)?;
        if !keys.insert(mutation.key().clone()) {
            return Err(bad(format!("key `{}` twice in one batch", mutation.key())));
        }
        mutations.push(mutation);
    }
    if mutations.is_empty() {
        return Err(bad("an empty batch: expected `put KEY VALUE` or `del KEY`"));
    }
    Ok(Request::Batch(mutations))
}

fn parse_mutation<'a>(verb: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<Mutation> {
    let mut next =
        |what: &str| words.next().ok_or_else(|| bad(format!("`{verb}` without its {what}")));
    match verb {
        "put" => {
            let key = parse_key(next("key")?)?;
            Ok(Mutation::Put(key, parse_value(next("value")?)?))
        }
        "del" => Ok(Mutation::Del(parse_key(next("key")?)?)),
        _ => Err(bad(format!(
            "`{}`: expected open, put, del, batch, sync, checkpoint, dump or close",
            clip(verb)
        ))),
    }
}

/// `KEY.NUMBER+LENGTH`, within the protocol's limits.
fn parse_name(text: &str) -> Option<ValueName> {
    let (rest, len) = text.rsplit_once('+')?;
    let (key, number) = rest.rsplit_once('.')?;
    let key = parse_key(key).ok()?;
    let len_bytes = usize::try_from(canonical(len)?).ok()?;
    let number = canonical(number)?;
    (len_bytes <= limits::VALUE_BYTES).then_some(ValueName { key, number, len_bytes })
}

fn checked(what: &str, text: &str, limit: usize) -> Result<()> {
    if text.is_empty() || text.len() > limit {
        let len = text.len();
        return Err(bad(format!("a {what} of {len} bytes: expected 1 to {limit}")));
    }
    match text.bytes().find(|byte| !byte.is_ascii_graphic()) {
        None => Ok(()),
        Some(byte) => Err(bad(format!(
            "byte {byte:#04x} in the {what} `{}`: expected printable ASCII without space",
            clip(text)
        ))),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}

fn bad(text: impl Into<String>) -> HarnessError {
    HarnessError::input(text)
}

#[cfg(test)]
mod tests;
