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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let named = ("[!-~]{1,10}", any::<u64>(), 60usize..2000).prop_map(|(key, number, len)| {
            ValueName { key: Key::new(key), number, len_bytes: len }.value().unwrap()
        });
        prop_oneof!["[!-~]{1,60}".prop_map(Value::new), named]
    }

    fn mutation() -> impl Strategy<Value = Mutation> {
        prop_oneof![
            ("[!-~]{1,64}", value()).prop_map(|(key, value)| Mutation::Put(Key::new(key), value)),
            "[!-~]{1,64}".prop_map(|key| Mutation::Del(Key::new(key))),
        ]
    }

    fn request() -> impl Strategy<Value = Request> {
        let batch = proptest::collection::vec(mutation(), 1..6).prop_map(|mut mutations| {
            let mut keys = std::collections::BTreeSet::new();
            mutations.retain(|mutation| keys.insert(mutation.key().clone()));
            Request::Batch(mutations)
        });
        let rest =
            [Request::Open, Request::Sync, Request::Checkpoint, Request::Dump, Request::Close];
        prop_oneof![
            mutation().prop_map(Request::Write),
            batch,
            proptest::sample::select(rest.to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(requests in proptest::collection::vec(request(), 0..20)) {
            let workload = Workload { requests };
            let lines = workload.lines();
            let parsed = Workload::parse(lines.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(parsed, workload);
        }

        #[test]
        fn no_line_makes_the_parser_panic(line in "\\PC{0,120}") {
            let _ = parse_request(&line);
        }

        #[test]
        fn no_almost_right_line_makes_the_parser_panic(
            line in "(put|del|batch|open|put k) (put |del |@|=|k1 |v)?[@.+=0-9a-z ]{0,40}",
        ) {
            if let Ok(request) = parse_request(&line) {
                prop_assert_eq!(parse_request(&print_request(&request)).unwrap(), request);
            }
        }
    }

    #[test]
    fn a_large_value_takes_one_short_line() {
        let name = ValueName { key: Key::from("k2"), number: 17, len_bytes: 200_000 };
        let put = Mutation::Put(Key::from("k2"), name.value().unwrap());
        assert_eq!(print_request(&Request::Write(put)), "put k2 @k2.17+200000");
    }

    #[test]
    fn bad_lines_are_named_with_what_was_expected() {
        let cases = [
            ("", "expected open, put"),
            ("push k v", "expected open, put"),
            ("put", "without its key"),
            ("put k", "without its value"),
            ("put k v w", "after the end"),
            ("put k @k.1+999999999999999999999", "KEY.NUMBER+LENGTH"),
            ("put k @k.1+200001", "KEY.NUMBER+LENGTH"),
            ("put k @k.1+39", "KEY.NUMBER+LENGTH"),
            ("put k @k.+5+40", "KEY.NUMBER+LENGTH"),
            ("batch", "empty batch"),
            ("batch put k v del k", "twice"),
            ("put  v", "expected 1 to 64"),
            ("put k =", "expected 1 to 200000"),
            ("put k \u{e9}", "printable ASCII"),
            ("open now", "after the end"),
        ];
        for (line, expected) in cases {
            let error = Workload::parse(["open", line]).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
            assert!(error.starts_with("workload line 2:"), "{error}");
        }
    }
}
