//! The protocol's wire form: round trips, precise errors, no panic on any bytes.

use std::path::{Path, PathBuf};

use super::*;
use crate::workload::{Mutation, Request};
use proptest::prelude::*;

fn request_line(id: Id, request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    encode_request(&mut out, id, request, Path::new("/a b/c"));
    assert_eq!(out.pop(), Some(b'\n'));
    out
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let put = ("[!-~]{1,64}", "[!-~]{1,200}")
        .prop_map(|(k, v)| Mutation::Put(k.as_str().into(), v.as_str().into()));
    let del = "[!-~]{1,64}".prop_map(|k| Mutation::Del(k.as_str().into()));
    prop_oneof![put, del]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Open),
        Just(Request::Sync),
        Just(Request::Checkpoint),
        Just(Request::Dump),
        Just(Request::Close),
        mutation().prop_map(Request::Write),
        proptest::collection::vec(mutation(), 1..6).prop_map(|mut mutations| {
            mutations.sort_by(|a, b| a.key().cmp(b.key()));
            mutations.dedup_by(|a, b| a.key() == b.key());
            Request::Batch(mutations)
        }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let text = "[ -~]{0,60}";
    prop_oneof![
        (any::<u64>(), proptest::collection::vec("[!-~]{1,9}", 0..4))
            .prop_map(|(id, words)| Reply::Ack { id, words }),
        (any::<u64>(), text).prop_map(|(id, text)| Reply::Err { id, text }),
        (any::<u64>(), text).prop_map(|(id, text)| Reply::Refused { id, text }),
        (any::<u64>(), "[!-~]{0,20}", "[!-~]{0,60}").prop_map(|(id, k, v)| Reply::Have {
            id,
            key: k.as_str().into(),
            value: v.as_str().into()
        }),
        text.prop_map(Reply::Warn),
    ]
}

proptest! {
    #[test]
    fn a_request_reads_back_as_it_was_written(id in 0u64.., request in request()) {
        let line = request_line(id, &request);
        let dir = (request == Request::Open).then(|| PathBuf::from("/a b/c"));
        prop_assert_eq!(parse_request(&line), Ok(Ask { id, request, dir }));
    }

    #[test]
    fn a_reply_reads_back_as_it_was_written(reply in reply()) {
        let mut out = Vec::new();
        encode_reply(&mut out, &reply);
        prop_assert_eq!(out.pop(), Some(b'\n'));
        prop_assert_eq!(parse_reply(&out), Ok(reply));
    }

    #[test]
    fn any_bytes_parse_or_are_refused_without_a_panic(
        line in proptest::collection::vec(any::<u8>(), 0..80),
        word in "(ack|err|refused|have|warn|1 put|1 batch put|1 open) ?",
    ) {
        let _ = (parse_reply(&line), parse_request(&line));
        let line = [word.as_bytes(), &line].concat();
        let _ = (parse_reply(&line), parse_request(&line));
    }

    #[test]
    fn damaged_bytes_in_a_dump_never_break_a_line(
        key in proptest::collection::vec(any::<u8>(), 0..20),
        value in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut out = Vec::new();
        encode_have(&mut out, 9, &key, &value);
        prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        out.pop();
        let is_have = matches!(parse_reply(&out), Ok(Reply::Have { id: 9, .. }));
        prop_assert!(is_have);
    }
}

#[test]
fn the_session_of_the_document_has_this_wire_form() {
    let put = Mutation::Put("k2".into(), "v2.0002.xx".into());
    let batch = Request::Batch(vec![put, Mutation::Del("k1".into())]);
    assert_eq!(request_line(3, &batch), b"3 batch put k2 v2.0002.xx del k1");
    assert_eq!(request_line(1, &Request::Open), b"1 open /a b/c");
    assert_eq!(parse_reply(b"ack 2"), Ok(Reply::Ack { id: 2, words: vec![] }));
    let have = Reply::Have { id: 4, key: "k2".into(), value: "v2.0002.xx".into() };
    assert_eq!(parse_reply(b"have 4 k2 v2.0002.xx"), Ok(have));
}

#[test]
fn what_is_not_the_protocol_is_named_with_what_was_expected() {
    for (line, why) in [
        ("hello", "expected ack, err, refused, have or warn"),
        ("", "expected ack, err, refused, have or warn"),
        ("ack", "expected the number of a request"),
        ("ack x", "expected the number of a request"),
        ("ack -1", "expected the number of a request"),
        ("ack 99999999999999999999999", "expected the number of a request"),
        ("have 4 k", "have needs a value"),
        ("have 4", "have needs a key"),
    ] {
        let error = parse_reply(line.as_bytes()).unwrap_err();
        assert!(error.why.contains(why), "{line}: {error}");
        assert_eq!(error.line, line);
    }
    for (line, why) in [
        ("put k v", "starts with its number"),
        ("1", "a word after its number"),
        ("1 get k", "expected open, put"),
        ("1 open", "needs a directory"),
        ("1 put k", "needs a value"),
        ("1 put k v w", "left over"),
        ("1 put  v", "needs a key"),
        ("1 batch", "at least one"),
        ("1 batch put k v del k", "no key twice"),
        ("1 batch get k", "expected put or del"),
        ("1 sync now", "nothing follows"),
        ("1 put k \u{e4}", "printable ASCII"),
    ] {
        let error = parse_request(line.as_bytes()).unwrap_err();
        assert!(error.why.contains(why), "{line}: {error}");
    }
}

#[test]
fn a_long_bad_line_is_quoted_in_part() {
    let error = parse_reply(&vec![b'z'; 100_000]).unwrap_err();
    assert!(error.line.len() < 200 && error.line.ends_with("(100000 bytes)"));
}

#[test]
fn two_different_damages_stay_different() {
    let value = |bytes: &[u8]| match parse_reply(&[b"have 1 k ", bytes].concat()) {
        Ok(Reply::Have { value, .. }) => value,
        other => panic!("{other:?}"),
    };
    assert_ne!(value(b"\xff"), value(b"\xfe"));
    assert_eq!(value(b"").as_str(), "");
    assert_eq!(value(b"a b").as_str(), "a b");
}
