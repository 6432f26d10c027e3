//! `hello` lines: what they promise, and what is wrong with them.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Capabilities, String> {
    Capabilities::parse(text.split_whitespace())
}

#[test]
fn a_driver_that_says_nothing_promises_durability_at_the_acknowledgement() {
    let caps = parse("").unwrap();
    assert_eq!((caps.durable, caps.kill, caps.threads), (Durable::Ack, KillPromise::Ack, 1));
    assert_eq!(caps.max_value, VALUE_BYTES);
    assert!(!caps.reopen && !caps.batch);
}

#[test]
fn durable_none_promises_kills_only_at_close_unless_it_says_more() {
    assert_eq!(parse("durable=none").unwrap().kill, KillPromise::Close);
    assert_eq!(parse("kill=ack durable=none").unwrap().kill, KillPromise::Ack);
    assert_eq!(parse("durable=sync").unwrap().kill, KillPromise::Ack);
}

#[test]
fn a_driver_promises_against_power_loss_only_what_it_can_be_asked_for() {
    for (text, promises) in [
        ("", true),
        ("durable=none", false),
        ("durable=sync", false),
        ("durable=sync sync", true),
        ("durable=sync close=durable", true),
    ] {
        assert_eq!(parse(text).unwrap().promises_against_power_loss(), promises, "{text}");
    }
}

#[test]
fn unknown_repeated_and_senseless_words_are_named() {
    for (text, part) in [
        ("order=prefx", "`order=prefx` is not a capability"),
        ("del del", "`del` is given twice"),
        ("durable=ack durable=sync", "`durable` is given twice"),
        ("durable=none close=durable", "`close=durable` contradicts `durable=none`"),
        ("threads=0", "`threads=0` needs a whole number"),
        ("threads=-1", "`threads=-1` needs a whole number"),
        ("maxvalue=99999999999", "needs a whole number"),
        ("Reopen", "`Reopen` is not a capability"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_request_that_is_not_understood_or_too_large_is_not_allowed() {
    let caps = parse("maxvalue=3").unwrap();
    let put = |v: &str| Request::Write(Mutation::Put("k".into(), v.into()));
    assert!(caps.allow(&put("abc")) && !caps.allow(&put("abcd")));
    assert!(!caps.allow(&Request::Write(Mutation::Del("k".into()))));
    assert!(!caps.allow(&Request::Sync) && !caps.allow(&Request::Batch(vec![])));
    assert!(caps.allow(&Request::Open));
}

proptest! {
    #[test]
    fn words_read_back_as_the_same_capabilities(
        flags in proptest::array::uniform10(any::<bool>()),
        threads in 1u32..100, max_value in 1usize..=VALUE_BYTES, durable in 0..3, kill in 0..3,
    ) {
        let [del, batch, sync, checkpoint, reads_durable, order_prefix, corruption_detected,
            damage_prefix, reopen, close] = flags;
        let durable = [Durable::Ack, Durable::Sync, Durable::None][durable as usize];
        let kill = [KillPromise::Ack, KillPromise::Sync, KillPromise::Close][kill as usize];
        let close_durable = close && durable != Durable::None;
        let caps = Capabilities { del, batch, sync, checkpoint, threads, durable, kill,
            close_durable, reads_durable, max_value, order_prefix, corruption_detected, damage_prefix, reopen };
        let words = caps.words();
        prop_assert_eq!(Capabilities::parse(words.iter().map(String::as_str)).unwrap(), caps);
    }

    #[test]
    fn any_words_parse_or_are_refused_without_a_panic(text in "[ -~]{0,80}") {
        let _ = parse(&text);
    }
}
