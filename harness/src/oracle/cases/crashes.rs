//! Plain crashes: what was promised, what may be there, what it is called and in which words.

use super::*;
use crate::driver::Hang;
use Kind::*;

const HELD: &[Kind] = &[];
const LOST: &[Kind] = &[LostAck];

#[test]
fn an_acknowledged_write_must_survive() {
    for loss in [Kill, Power] {
        check("", loss, "put a 1", &[("a=1", HELD), ("", LOST)]);
        check("", loss, "put a 1; put a 2", &[("a=2", HELD), ("a=1", LOST), ("", LOST)]);
        check("", loss, "put a 1; del a", &[("", HELD), ("a=1", LOST)]);
        check("", loss, "put a 1; put b 2", &[("a=1 b=2", HELD), ("a=1", LOST), ("b=2", LOST)]);
        check("", loss, "put a 1; checkpoint; sync; close; open", &[("a=1", HELD), ("", LOST)]);
    }
}

#[test]
fn what_was_not_acknowledged_may_or_may_not_survive() {
    check("", Power, "put a 1; put a 2 ?", &[("a=1", HELD), ("a=2", HELD), ("", LOST)]);
    check("", Power, "put a 1; del a ?", &[("a=1", HELD), ("", HELD)]);
    check("", Power, "put a 1 ?", &[("a=1", HELD), ("", HELD)]);
    let judge = Judge::new(&history("put a 1"), &capabilities());
    let at = |moment, shown| kinds(&judge.at(Moment(moment), Power, &opened(shown)));
    assert_eq!(at(15, ""), [], "its acknowledgement comes with the crash, not before it");
    assert_eq!(at(16, ""), LOST);
    assert_eq!(at(11, "a=1"), []);
    assert_eq!(at(10, "a=1"), [GhostKey], "it had not been sent");
}

#[test]
fn a_failed_operation_happened_before_its_answer_or_never() {
    check(
        "",
        Power,
        "put a 1; put a 2 !; put b 1",
        &[("a=1 b=1", HELD), ("a=2 b=1", HELD), ("b=1", LOST)],
    );
    check("", Power, "put a 1; put a 2 !; put a 3", &[("a=3", HELD), ("a=2", LOST), ("a=1", LOST)]);
    check("", Power, "put a 1; del a !; put b 1", &[("a=1 b=1", HELD), ("b=1", HELD)]);
    check(
        "",
        Power,
        "batch put a 1 put b 1 !; put c 1",
        &[("c=1", HELD), ("a=1 b=1 c=1", HELD), ("a=1 c=1", &[TornBatch])],
    );
}

#[test]
fn the_same_short_value_twice_is_admissible() {
    check("", Power, "put a 1; put a 2; put a 1", &[("a=1", HELD), ("a=2", LOST)]);
    check("", Power, "put a 1; put a 2; put a 1 ?", &[("a=1", HELD), ("a=2", HELD)]);
    check("", Power, "put a 1; del a; put a 1 ?", &[("a=1", HELD), ("", HELD)]);
    check(
        "",
        Power,
        "put a 1; batch put a 2 put b 2; put a 1 ?",
        &[("a=1 b=2", HELD), ("a=2 b=2", HELD), ("a=1", LOST)],
    );
}

#[test]
fn deletes_of_absent_keys_ask_for_nothing() {
    check(
        "",
        Power,
        "del a; put b 1; batch del c put d 1",
        &[("b=1 d=1", HELD), ("b=1", LOST), ("a=1 b=1 d=1", &[GhostKey])],
    );
}

#[test]
fn a_sync_promises_what_was_acknowledged_before_it_was_sent() {
    let requests = "put a 1; sync; put b 2";
    check("durable=sync", Power, requests, &[("a=1", HELD), ("a=1 b=2", HELD), ("b=2", LOST)]);
    check("durable=sync", Kill, requests, &[("a=1", LOST), ("a=1 b=2", HELD)]);
    check("durable=sync kill=sync", Kill, requests, &[("a=1", HELD), ("", LOST)]);
    check("durable=sync", Power, "put a 1; sync !; put b 2", &[("", HELD)]);
    check("durable=sync", Power, "put a 1; sync ?", &[("", HELD), ("a=1", HELD)]);
    check("durable=sync", Power, "put a 1; put b 2 &; sync", &[("b=2", LOST), ("a=1 b=2", HELD)]);
}

#[test]
fn a_close_promises_against_power_loss_only_where_the_driver_says_so() {
    let requests = "put a 1; close; open; put b 2";
    check("durable=sync", Power, requests, &[("", HELD), ("a=1", HELD), ("b=2", HELD)]);
    check("durable=sync close=durable", Power, requests, &[("", LOST), ("a=1", HELD)]);
    check("durable=sync close=durable", Power, requests, &[("b=2", LOST), ("a=1 b=2", HELD)]);
    check("durable=sync close=durable", Power, "put a 1; close !", &[("", HELD)]);
    // A kill loses nothing that a close had handed to the system.
    check("durable=sync kill=close", Kill, requests, &[("", LOST), ("a=1", HELD)]);
    check("durable=sync kill=sync", Kill, requests, &[("", LOST), ("a=1", HELD)]);
    check("durable=sync", Loss::None, requests, &[("", LOST), ("a=1 b=2", HELD)]);
    // A promise at the acknowledgement needs no close.
    check("", Power, "put a 1; close; open", &[("", LOST)]);
}

#[test]
fn nothing_is_promised_against_power_loss_but_a_close_promises_against_kills() {
    let requests = "put a 1; close; open; put b 2";
    check("durable=none kill=close", Power, requests, &[("", HELD), ("b=2", HELD)]);
    check("durable=none kill=close", Kill, requests, &[("a=1", HELD), ("", LOST), ("b=2", LOST)]);
    check("durable=none kill=close", Kill, "put a 1; sync", &[("", HELD)]);
    check("durable=none kill=close", Loss::None, "put a 1; close", &[("a=1", HELD), ("", LOST)]);
    check("durable=none kill=close", Kill, "put a 1; close !", &[("", HELD)]);
    let mut history = history("put b 2");
    history.initial = contents("a=1");
    let judge = Judge::new(&history, &with("durable=none kill=close"));
    assert!(judge.is_legal(END, Power, &contents("")));
    assert!(!judge.is_legal(END, Kill, &contents("")));
}

#[test]
fn the_initial_state_is_there_until_something_changes_it() {
    let mut history = history("put b 2; del c ?");
    history.initial = contents("a=1 c=3");
    let judge = Judge::new(&history, &capabilities());
    let at = |shown| kinds(&judge.at(END, Power, &opened(shown)));
    assert_eq!(at("a=1 b=2 c=3"), []);
    assert_eq!(at("a=1 b=2"), []);
    assert_eq!(at("b=2 c=3"), LOST);
    assert_eq!(at("a=4 b=2"), [CorruptValue]);
}

#[test]
fn concurrent_operations_may_happen_in_either_order_and_no_third_one() {
    check("", Power, "put a 1 &; put a 2", &[("a=1", HELD), ("a=2", HELD), ("", LOST)]);
    check("", Power, "put a 1 &; put a 2; put a 3", &[("a=3", HELD), ("a=1", LOST)]);
    let batches = "batch put a 1 put b 1 &; batch put a 2 put b 2";
    check(
        "",
        Power,
        batches,
        &[("a=1 b=1", HELD), ("a=2 b=2", HELD), ("a=1 b=2", &[TornBatch]), ("", LOST)],
    );
    check("", Power, "batch put a 1 del b &; put b 2", &[("a=1 b=2", HELD), ("a=1", HELD)]);
}

#[test]
fn values_and_keys_that_nobody_wrote_are_caught() {
    check(
        "",
        Power,
        "put a 1; put b 2; del c",
        &[
            ("a=2 b=2", &[CorruptValue]),
            ("a=1 b=2 d=1", &[GhostKey]),
            ("a=1 b=2 c=1", &[GhostKey]),
            ("a=9", &[LostAck, CorruptValue]),
        ],
    );
    let mut recovered = Recovered { contents: contents("a=1"), ..Recovered::default() };
    recovered.contradiction = Some("a: 1 and 2".into());
    let judge = Judge::new(&history("put a 1"), &capabilities());
    let verdict = judge.at(END, Power, &Recovery::Opened(recovered));
    assert_eq!(kinds(&verdict), [CorruptValue]);
}

#[test]
fn a_batch_is_there_whole_or_not_at_all() {
    let requests = "put a 0; batch put a 1 put b 1 del c ?";
    check(
        "",
        Power,
        requests,
        &[("a=0", HELD), ("a=1 b=1", HELD), ("a=1", &[TornBatch]), ("a=0 b=1", &[TornBatch])],
    );
    check(
        "",
        Power,
        "put a 0; batch put a 1 put b 1",
        &[("a=1 b=1", HELD), ("a=0", LOST), ("a=1", &[TornBatch])],
    );
    check("", Power, "batch put a 1 put b 1; put a 2", &[("a=2 b=1", HELD), ("a=2", LOST)]);
}

#[test]
fn with_prefix_order_nothing_survives_what_it_was_acknowledged_after() {
    let hole: &[Kind] = &[Hole];
    let requests = "put a 1; put b 2; put c 3";
    check(
        "durable=sync order=prefix",
        Power,
        requests,
        &[("", HELD), ("a=1", HELD), ("a=1 b=2", HELD), ("b=2", hole), ("a=1 c=3", hole)],
    );
    check("durable=sync", Power, requests, &[("b=2", HELD), ("a=1 c=3", HELD)]);
    check(
        "durable=sync order=prefix",
        Power,
        "put a 1; put b 2 !; put c 3",
        &[("a=1 c=3", HELD), ("c=3", hole)],
    );
    check(
        "durable=sync order=prefix",
        Power,
        "put a 1 &; put b 2; put c 3 ?",
        &[("a=1", HELD), ("b=2", HELD), ("a=1 c=3", hole)],
    );
    check(
        "durable=sync order=prefix",
        Power,
        "put a 1; put b 2; del a",
        &[("b=2", HELD), ("", HELD), ("a=1", HELD)],
    );
    check("order=prefix", Power, requests, &[("a=1 c=3", LOST), ("a=1 b=2", LOST)]);
}

#[test]
fn a_legal_crash_state_must_be_opened_once_the_store_was_born() {
    let judge = Judge::new(&history("put a 1"), &capabilities());
    let verdict = judge.at(Moment(6), Power, &refused());
    assert_eq!(kinds(&verdict), [Refused]);
    assert!(!verdict.held());
    let verdict = judge.at(Moment(5), Power, &refused());
    assert_eq!(kinds(&verdict), [RefusedUnborn]);
    assert!(verdict.held());
    assert!(!verdict.judged.contains(&Refused));
}

#[test]
fn a_recovery_that_dies_or_hangs_before_the_store_was_born_is_a_note() {
    let judge = Judge::new(&history("put a 1"), &capabilities());
    let died = Recovery::Crashed {
        stage: Stage::Open,
        how: "killed by SIGABRT".into(),
        stderr: "invalid page".into(),
        garbled: false,
    };
    for (recovery, kind) in [
        (died, RecoveryCrashed),
        (Recovery::Hung { stage: Stage::Open, hang: Hang::Limit }, RecoveryHung),
    ] {
        for loss in [Kill, Power] {
            let verdict = judge.at(Moment(5), loss, &recovery);
            assert_eq!((kinds(&verdict), verdict.held()), (vec![kind], true));
            assert!(verdict.violations[0].sentence.contains("before it had ever been opened"));
            let verdict = judge.at(Moment(6), loss, &recovery);
            assert_eq!((kinds(&verdict), verdict.held()), (vec![kind], false));
        }
    }
}

#[test]
fn moments_with_one_promise_have_one_key() {
    let judge = Judge::new(&history("put a 1; sync; put b 2"), &with("durable=sync"));
    let key = |moment| judge.promise_key(Moment(moment), Power);
    assert_eq!(key(11), key(15));
    assert_ne!(key(15), key(16));
    assert_eq!(key(20), key(25), "a sync that is outstanding promises nothing");
    assert_ne!(key(25), key(26));
    assert_ne!(key(30), key(31));
    assert_ne!(judge.promise_key(Moment(11), Kill), key(11));
}

#[test]
fn sentences_say_what_was_promised_and_what_came_back() {
    let judge = Judge::new(&history("put k17 old; put k17 new; put b 1"), &capabilities());
    let sentence = |shown| {
        let verdict = judge.at(Moment(43), Power, &opened(shown));
        verdict.violations[0].sentence.clone()
    };
    assert_eq!(
        sentence("k17=old b=1"),
        "put k17 (`new`, acknowledged at 25) is lost after a power cut at 43: the store has the \
         older put k17 (`old`, acknowledged at 15)"
    );
    assert_eq!(
        sentence("b=1"),
        "put k17 (`new`, acknowledged at 25) is missing after a power cut at 43: the key is absent"
    );
    let judge =
        Judge::new(&history("put a 0; put b 0; batch put c 1 del a del b"), &capabilities());
    let verdict = judge.at(Moment(43), Power, &opened("b=0 c=1"));
    assert_eq!(
        verdict.violations[0].sentence,
        "a batch of 3 is there in part after a power cut at 43: put c (`1`, in a batch acknowledged \
         at 35) is there, its del b is not (the store has the older put b (`0`, acknowledged at 25))"
    );
    let judge = Judge::new(&history("put a 1; del a; put b 1; del c"), &capabilities());
    let verdict = judge.at(Moment(60), Power, &opened(""));
    assert_eq!(
        verdict.violations[0].sentence,
        "put b (`1`, acknowledged at 35) is missing after a power cut at 60: the key is absent"
    );
}

#[test]
fn of_two_batches_the_one_that_is_named_is_the_one_of_which_a_change_is_not_there() {
    // That x is absent has two explanations; that it is not 2 has none.
    let asked = "put y 1; del x; batch del y del x; put z 1; batch put x 2 put z 3; put e 1";
    let judge = Judge::new(&history(asked), &with("order=prefix"));
    let verdict = judge.at(Moment(68), Power, &opened("z=3 e=1"));
    assert_eq!(verdict.violations[0].kind, TornBatch);
    assert!(verdict.violations[0].sentence.contains("put z (`3`, in a batch"), "{verdict:?}");
    assert!(verdict.violations[0].sentence.contains("its put x is not"), "{verdict:?}");
}

#[test]
fn a_batch_that_was_written_over_is_lost_and_not_torn() {
    // All that came before the last write is gone. That a was written by the batch cannot be seen.
    let judge = Judge::new(&history("batch put a 1 put b 1; put a 2"), &with("order=prefix"));
    let verdict = judge.at(Moment(48), Power, &opened("a=2"));
    assert_eq!(verdict.violations[0].kind, LostAck);
    assert!(verdict.violations[0].sentence.starts_with("put b (`1`, in a batch"), "{verdict:?}");
}
