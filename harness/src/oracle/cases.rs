//! For tests: small cases written by hand, for each property some that must be caught and twins that
//! must hold. Histories are written as in `written`: `open` is request 0; request `n` begins at `10n`
//! and is answered at `10n + 5`.

use super::written::{capabilities, contents, history, opened};
use super::{Cycles, Damage, END, Judge, Kind, Loss, Verdict};
use crate::driver::{Capabilities, Durable, KillPromise};
use crate::recover::{Recovered, Recovery, Stage};
use crate::workload::Moment;

use Kind::*;
use Loss::{Kill, Power};

fn kinds(verdict: &Verdict) -> Vec<Kind> {
    for violation in &verdict.violations {
        assert!(verdict.judged.contains(&violation.kind), "{violation:?} was not called judged");
        assert!(violation.sentence.len() > 20, "{violation:?}");
    }
    verdict.violations.iter().map(|violation| violation.kind).collect()
}

/// The capabilities that these words change.
fn with(words: &str) -> Capabilities {
    let mut caps = capabilities();
    for word in words.split_whitespace() {
        match word {
            "durable=sync" => caps.durable = Durable::Sync,
            "durable=none" => caps.durable = Durable::None,
            "kill=sync" => caps.kill = KillPromise::Sync,
            "kill=close" => caps.kill = KillPromise::Close,
            "order=prefix" => caps.order_prefix = true,
            "reads=durable" => caps.reads_durable = true,
            "corruption=detected" => caps.corruption_detected = true,
            "damage=prefix" => caps.damage_prefix = true,
            other => panic!("{other}"),
        }
    }
    caps
}

/// One history, and for each of several contents what they are called.
fn check(words: &str, loss: Loss, requests: &str, cases: &[(&str, &[Kind])]) {
    check_at(words, loss, requests, END, cases);
}

fn check_at(words: &str, loss: Loss, requests: &str, at: Moment, cases: &[(&str, &[Kind])]) {
    let judge = Judge::new(&history(requests), &with(words));
    for (shown, expected) in cases {
        let verdict = judge.at(at, loss, &opened(shown));
        assert_eq!(kinds(&verdict), *expected, "{words} {loss:?}: {requests} -> {shown:?}");
        let legal = judge.is_legal(at, loss, &contents(shown));
        assert_eq!(legal, expected.is_empty(), "{requests} -> {shown:?}");
    }
}

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
    check("durable=sync", Power, "put a 1; close; open", &[("", LOST)]);
    check("durable=sync", Power, "put a 1; put b 2 &; sync", &[("b=2", LOST), ("a=1 b=2", HELD)]);
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

fn refused() -> Recovery {
    Recovery::Refused { stage: Stage::Open, text: "bad magic".into(), warnings: Vec::new() }
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
fn death_and_hanging_are_judged_whatever_the_bytes() {
    let died = |stage| Recovery::Crashed { stage, how: "SIGSEGV".into(), stderr: "x\ny\n".into() };
    let judge = Judge::new(&history("put a 1"), &capabilities());
    for stage in [Stage::Open, Stage::Dump, Stage::Close] {
        let verdict = judge.at(Moment(0), Power, &died(stage));
        assert_eq!(kinds(&verdict), [RecoveryCrashed]);
        let verdict = judge.damaged(&damage(), &died(stage));
        assert_eq!(kinds(&verdict), [RecoveryCrashed]);
        assert_eq!(kinds(&judge.damaged(&damage(), &Recovery::Hung { stage })), [RecoveryHung]);
    }
}

fn damage() -> Damage {
    Damage {
        loss: Loss::None,
        moment: END,
        written_after: None,
        rollback: false,
        control_warned: false,
    }
}

fn warned(shown: &str) -> Recovery {
    let warnings = vec!["dropped a frame".to_owned()];
    Recovery::Opened(Recovered { contents: contents(shown), warnings, contradiction: None })
}

const REQUESTS: &str = "put a 1; put b 2; batch put c 3 put d 4; close";

#[test]
fn damage_is_judged_on_values_only_where_the_driver_detects_it() {
    let blind = Judge::new(&history(REQUESTS), &capabilities());
    for shown in ["", "a=9", "zz=1", "c=3"] {
        assert_eq!(kinds(&blind.damaged(&damage(), &opened(shown))), []);
    }
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected"));
    let cases: [(&str, &[Kind]); 6] = [
        ("a=1 b=2 c=3 d=4", &[]),
        ("a=1 b=2 c=9 d=4", &[CorruptValue]),
        ("a=1 b=2 c=3 d=4 zz=1", &[GhostKey]),
        ("a=1 b=2 c=3", &[TornBatch]),
        ("a=1 b=2", &[SilentLoss]),
        ("", &[SilentLoss]),
    ];
    for (shown, expected) in cases {
        assert_eq!(kinds(&judge.damaged(&damage(), &opened(shown))), expected, "{shown}");
    }
    let verdict = judge.damaged(&damage(), &refused());
    assert_eq!(kinds(&verdict), []);
    assert!(verdict.judged.contains(&SilentLoss) && !verdict.judged.contains(&Refused));
}

#[test]
fn a_warning_is_honest_unless_the_driver_always_warns() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected"));
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=9"))), [CorruptValue]);
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=1 d=4"))), [TornBatch]);
    let always = Damage { control_warned: true, ..damage() };
    assert_eq!(kinds(&judge.damaged(&always, &warned("a=1"))), [SilentLoss]);
}

#[test]
fn a_rollback_of_everything_cannot_be_noticed() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected damage=prefix"));
    let back = Damage { rollback: true, written_after: Some(Moment(25)), ..damage() };
    let verdict = judge.damaged(&back, &opened("a=1"));
    assert_eq!(kinds(&verdict), []);
    assert!(!verdict.judged.contains(&SilentLoss));
    assert_eq!(kinds(&judge.damaged(&back, &opened("a=7"))), [CorruptValue]);
}

#[test]
fn what_was_acknowledged_before_the_damaged_bytes_were_written_survives() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected damage=prefix"));
    let later = Damage { written_after: Some(Moment(15)), ..damage() };
    assert_eq!(kinds(&judge.damaged(&later, &warned("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&later, &warned("b=2"))), [LostBeforeDamage]);
    assert_eq!(kinds(&judge.damaged(&later, &opened(""))), [SilentLoss, LostBeforeDamage]);
    assert_eq!(kinds(&judge.damaged(&later, &refused())), []);
    let earlier = Damage { written_after: Some(Moment(14)), ..damage() };
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("b=2"))), []);
    let prefix = with("corruption=detected damage=prefix order=prefix");
    let judge = Judge::new(&history(REQUESTS), &prefix);
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("b=2"))), [Hole]);
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("a=1"))), []);
}

#[test]
fn what_was_never_synced_cannot_be_lost_silently() {
    let caps = with("corruption=detected durable=sync");
    let judge = Judge::new(&history("put a 1; sync; put b 2"), &caps);
    let killed = Damage { loss: Kill, ..damage() };
    assert_eq!(kinds(&judge.damaged(&killed, &opened("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&killed, &opened("b=2"))), [SilentLoss]);
}

/// One cycle, what was shown after it, the next cycle and what is shown then.
fn cycle(
    words: &str,
    (first, loss, shown): (&str, Loss, &str),
    (second, next, now): (&str, Loss, &str),
) -> Verdict {
    let mut cycles = Cycles::new(&with(words));
    cycles.then(&history(first), END_OF_CYCLE, loss, &contents(shown));
    let verdict = cycles.judge(&history(second)).at(END_OF_CYCLE, next, &opened(now));
    kinds(&verdict);
    verdict
}

const END_OF_CYCLE: Moment = Moment(1000);

fn names(verdict: &Verdict) -> Vec<(Kind, bool)> {
    verdict.violations.iter().map(|violation| (violation.kind, violation.note)).collect()
}

#[test]
fn what_recovery_showed_absent_does_not_come_back() {
    for (loss, next) in [(Kill, Kill), (Kill, Power), (Power, Kill), (Power, Power)] {
        let first = ("put a 1; put b 2 ?", loss, "a=1");
        let verdict = cycle("", first, ("put c 3", next, "a=1 b=2 c=3"));
        assert_eq!(names(&verdict), [(Resurrected, false)]);
        assert_eq!(names(&cycle("", first, ("put c 3", next, "a=1 c=3"))), []);
        assert_eq!(names(&cycle("", first, ("put b 2 ?", next, "a=1 b=2"))), []);
        let first = ("put a 1; del a ?", loss, "a=1");
        assert_eq!(names(&cycle("", first, ("put c 3", next, "c=3"))), [(Resurrected, false)]);
    }
}

#[test]
fn what_recovery_showed_does_not_vanish() {
    let first = |loss| ("put a 1; put b 2 ?", loss, "a=1 b=2");
    let gone = |next| ("put c 3", next, "a=1 c=3");
    assert_eq!(names(&cycle("", first(Power), gone(Power))), [(Vanished, false)]);
    assert_eq!(names(&cycle("", first(Power), gone(Kill))), [(Vanished, false)]);
    assert_eq!(names(&cycle("", first(Kill), gone(Kill))), [(Vanished, false)]);
    assert_eq!(names(&cycle("", first(Kill), gone(Power))), [(Vanished, true)]);
    assert_eq!(names(&cycle("reads=durable", first(Kill), gone(Power))), [(Vanished, false)]);
    for next in [Kill, Power] {
        assert_eq!(names(&cycle("", first(Kill), ("del b ?", next, "a=1"))), []);
    }
}

#[test]
fn what_was_promised_in_an_earlier_cycle_is_lost_and_not_merely_gone() {
    for (loss, next) in [(Kill, Kill), (Kill, Power), (Power, Kill), (Power, Power)] {
        let first = ("put a 1; put a 2 ?", loss, "a=2");
        assert_eq!(names(&cycle("", first, ("put c 3", next, "c=3"))), [(LostAck, false)]);
        let second = ("put c 3", next, "a=2");
        assert_eq!(names(&cycle("", first, second)), [(LostAck, false)]);
    }
    // The older value is back: what vanished was never promised.
    let first = ("put a 1; put a 2 ?", Kill, "a=2");
    assert_eq!(names(&cycle("", first, ("put c 3", Power, "a=1 c=3"))), [(Vanished, true)]);
    assert_eq!(names(&cycle("", first, ("put c 3", Kill, "a=1 c=3"))), [(Vanished, false)]);
}

#[test]
fn what_an_earlier_crash_was_allowed_to_take_is_not_asked_for_again() {
    let words = "durable=sync order=prefix";
    let first = ("put a 1; put b 2", Power, "a=1");
    assert_eq!(names(&cycle(words, first, ("put c 3; sync", Power, "a=1 c=3"))), []);
    let verdict = cycle(words, first, ("put c 3; sync", Power, "a=1 b=2 c=3"));
    assert_eq!(names(&verdict), [(Resurrected, false)]);
    let verdict = cycle(words, first, ("put c 3; sync", Power, "c=3"));
    assert_eq!(names(&verdict), [(LostAck, false)]);
}

#[test]
fn what_was_lost_lawfully_is_not_taken_for_the_reason_of_a_later_loss() {
    let first = ("put a 1; put b 2; put d 4 ?", Power, "a=1 d=4");
    let verdict = cycle("durable=sync", first, ("put c 3; sync", Power, "a=1 c=3"));
    assert_eq!(names(&verdict), [(Vanished, false)]);
}

#[test]
fn a_cycle_that_was_not_legal_explains_nothing_afterwards() {
    let first = ("put a 1; put b 2 ?", Power, "a=9");
    assert_eq!(names(&cycle("", first, ("put c 3", Power, "a=9 c=3"))), []);
    let verdict = cycle("", first, ("put c 3", Power, "a=9 b=2 c=3"));
    assert_eq!(names(&verdict), [(GhostKey, false)]);
}

#[test]
fn many_cycles_that_each_end_at_the_end_of_time_are_judged_like_any() {
    let mut cycles = Cycles::new(&capabilities());
    let mut shown = String::new();
    for number in 0..12 {
        let put = format!("put k{number} {number}; put u{number} {number} ?");
        shown.push_str(&format!(" k{number}={number}"));
        cycles.then(&history(&put), END, Kill, &contents(&shown));
    }
    let judge = |now: &str| {
        let verdict = cycles.judge(&history("put z 1")).at(END, Kill, &opened(now));
        names(&verdict)
    };
    assert_eq!(judge(&format!("{shown} z=1")), []);
    assert_eq!(judge(&format!("{shown} z=1 u3=3")), [(Resurrected, false)]);
    assert_eq!(judge(&format!("{} z=1", shown.replace(" k5=5", ""))), [(LostAck, false)]);
}

#[test]
fn no_moment_makes_the_oracle_panic() {
    let mut forged = history("put a 1; sync; batch put b 1 put c 1; close");
    for (number, operation) in forged.operations.iter_mut().enumerate() {
        operation.begun = Moment(u64::MAX - number as u64 % 3);
        if let Some((moment, _)) = &mut operation.answered {
            *moment = Moment(u64::MAX / (1 + number as u64));
        }
    }
    let mut cycles = Cycles::new(&capabilities());
    for at in [Moment(0), END, Moment(u64::MAX)] {
        let judge = Judge::new(&forged, &with("corruption=detected damage=prefix order=prefix"));
        for loss in [Loss::None, Kill, Power] {
            judge.at(at, loss, &opened("a=1 b=1"));
            judge.promise_key(at, loss);
            let harm = Damage { loss, moment: at, written_after: Some(at), ..damage() };
            judge.damaged(&harm, &opened("a=1"));
            cycles.then(&forged, at, loss, &contents("a=1"));
            cycles.judge(&forged).at(at, loss, &opened("b=1"));
        }
    }
}

#[test]
fn a_note_needs_the_kill_to_come_after_the_power_cut() {
    let mut cycles = Cycles::new(&capabilities());
    cycles.then(&history("put a 1; put b 2 ?"), END_OF_CYCLE, Power, &contents("a=1 b=2"));
    cycles.then(&history("put c 3"), END_OF_CYCLE, Kill, &contents("a=1 b=2 c=3"));
    let next = history("put d 4");
    let verdict = cycles.judge(&next).at(END_OF_CYCLE, Power, &opened("a=1 c=3 d=4"));
    assert_eq!(names(&verdict), [(Vanished, false)]);
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
