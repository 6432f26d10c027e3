//! Runs written by hand, examined with a driver of a few lines of shell: a store is the file `pairs`, one
//! pair a line.

use std::sync::Arc;

use super::*;
use crate::base::Rng;
use crate::driver::{Target, Timeouts};
use crate::fault::io::testkit;
use crate::oracle::Kind;
use crate::persistence::tests::script::Script;
use crate::trace::Event;
use crate::workload::{Answer, OpNo};

/// A request and its reply after it, for each letter: `o` an open, `s` any other.
fn trace(requests: &str) -> Trace {
    let event = |kind| Event { thread: 1, kind, stack: Arc::default() };
    let asked = |(op, letter)| {
        let request = if letter == 'o' { Request::Open } else { Request::Sync };
        let op = OpNo(op);
        let reply = EventKind::Reply { op, answer: Answer::Ack };
        [event(EventKind::Request { op, request }), event(reply)]
    };
    Trace { events: (0..).zip(requests.chars()).flat_map(asked).collect(), ..Trace::default() }
}

fn at(trace: &Trace, from: u32) -> Vec<u32> {
    near(trace, EventNo(from)).iter().map(|event| event.0).collect()
}

#[test]
fn what_a_failure_led_to_is_looked_at_after_the_next_answers_and_those_after_each_opening() {
    // Replies are the odd events; a point right after one is the even number that follows.
    let long = trace(&format!("o{}o{}", "s".repeat(20), "s".repeat(20)));
    assert_eq!(at(&long, 6), [8, 10, 12, 14, 44, 46, 48, 50]);
    assert_eq!(at(&long, 44), [46, 48, 50, 52], "what was opened before says nothing");
    let opened = trace(&"osssssss".repeat(6));
    assert_eq!(at(&opened, 2).len(), 4 * 4, "three openings and no more");
    assert_eq!(at(&opened, 96), [] as [u32; 0]);
    assert_eq!(at(&trace("oss"), 3), [4, 6], "there are no more answers");
}

const STORE: &str = r#"
while read -r id word dir; do
  case $word in
    open) at=$dir ;;
    dump) [ -f "$at/pairs" ] && while read -r k v; do echo "have $id $k $v"; done < "$at/pairs" ;;
  esac
  [ $word = open ] && echo "ack $id reopen" || echo "ack $id"
done
"#;

/// What is wrong with a run of `open` and a put of `a`, whose work is this.
fn examined(work: impl FnOnce(&mut Script), change: impl FnOnce(&mut Run)) -> Examined {
    let mut script = Script::new();
    let put = testkit::put("a", "1");
    let reply = |op| EventKind::Reply { op: OpNo(op), answer: Answer::Ack };
    script.event(EventKind::Request { op: OpNo(0), request: Request::Open });
    script.create("pairs");
    script.fsync("pairs");
    script.fsync("");
    script.event(reply(0));
    script.event(EventKind::Request { op: OpNo(1), request: put });
    work(&mut script);
    script.event(reply(1));
    let model = script.model();
    let mut run = testkit::run(&[], Vec::new(), crate::driver::End::Finished);
    run.left = Builder::new(&model).image(&CrashState::kill(model.last_point()));
    run.history = script.trace.history();
    run.trace = script.trace.clone();
    change(&mut run);
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("shell", ["sh", "-c", STORE]);
    let capabilities = Capabilities { reopen: true, ..Capabilities::default() };
    let setup = Setup::new(target, capabilities, Timeouts::default(), root.path());
    let stage = Stage::new(Vec::new(), 1);
    let mut examiner = Examiner::new(&setup, ProfileSet::ALL, Device::default()).unwrap();
    examiner.examine(&stage, &run, &Rng::new(1), false, &|| false).unwrap()
}

fn kinds(seen: &Examined) -> Vec<Kind> {
    seen.failing.iter().map(|failing| failing.violation.kind).collect()
}

#[test]
fn what_is_synced_before_it_is_acknowledged_survives_everything() {
    let seen = examined(
        |script| {
            script.write("pairs", 0, b"a 1\n");
            script.fsync("pairs");
        },
        |_| {},
    );
    assert_eq!(kinds(&seen), []);
    assert!(seen.states > 1 && !seen.crash_points.is_empty());
}

#[test]
fn what_a_power_cut_takes_is_seen_and_under_which_profiles() {
    let unsynced = |script: &mut Script| {
        script.write("pairs", 0, b"a 1\n");
    };
    let seen = examined(unsynced, |_| {});
    assert_eq!(kinds(&seen), [Kind::LostAck]);
    assert_eq!(seen.failing[0].profiles, ProfileSet::ALL);
}

#[test]
fn what_a_mere_restart_shows_needs_no_power_cut() {
    let seen = examined(|_| {}, |_| {});
    assert_eq!(kinds(&seen), [Kind::LostAck]);
    let place = &seen.failing[0].place;
    assert!(matches!(place, Place::State(state) if state.is_kill()), "{place:?}");
}

#[test]
fn a_recording_that_does_not_give_what_the_run_left_is_not_judged() {
    let seen = examined(
        |_| {},
        |run| {
            run.left.put("pairs", b"a 1\n");
        },
    );
    assert_eq!(kinds(&seen), []);
    assert_eq!(seen.states, 0);
    assert!(seen.blind[0].contains("does not give the directory"), "{:?}", seen.blind);
}
