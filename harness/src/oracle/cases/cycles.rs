//! Crash after crash.

use super::*;
use Kind::*;

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
    // It was written once all the same: it is back, and no ghost.
    let verdict = cycle("", first, ("put c 3", Power, "a=9 b=2 c=3"));
    assert_eq!(names(&verdict), [(Resurrected, false)]);
    let verdict = cycle("", first, ("put c 3", Power, "a=1 c=3"));
    assert_eq!(names(&verdict), [(Resurrected, false)]);
    let verdict = cycle("", first, ("put c 3", Power, "a=9 d=2 c=3"));
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
fn a_note_needs_the_kill_to_come_after_the_power_cut() {
    let mut cycles = Cycles::new(&capabilities());
    cycles.then(&history("put a 1; put b 2 ?"), END_OF_CYCLE, Power, &contents("a=1 b=2"));
    cycles.then(&history("put c 3"), END_OF_CYCLE, Kill, &contents("a=1 b=2 c=3"));
    let next = history("put d 4");
    let verdict = cycles.judge(&next).at(END_OF_CYCLE, Power, &opened("a=1 c=3 d=4"));
    assert_eq!(names(&verdict), [(Vanished, false)]);
}
