//! Workloads print as they parse; bad lines are named.

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
    let rest = [Request::Open, Request::Sync, Request::Checkpoint, Request::Dump, Request::Close];
    prop_oneof![mutation().prop_map(Request::Write), batch, proptest::sample::select(rest.to_vec()),]
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
