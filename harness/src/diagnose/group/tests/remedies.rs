//! What would have helped, and what would not have.

use super::*;

/// Opens a store with these files, all durable.
fn opened(files: &[&str]) -> Recording {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        for file in files {
            script.create(file);
        }
        script.fsync("");
    });
    recording
}

fn remedy(group: &Group) -> String {
    group.cause.counterfactual.as_ref().expect("a remedy").to_string()
}

#[test]
fn one_of_two_missing_syncs_is_no_remedy_though_the_very_state_vanishes() {
    let mut recording = opened(&["v.1", "v.2"]);
    let mut writes = Vec::new();
    for file in ["v.1", "v.2"] {
        recording.put(|script| writes.push(script.write(file, 0, b"value")));
    }
    let point = EventNo(recording.script.trace.events.len() as u32);
    let both = |state: &&CrashState| {
        let model = recording.script.model();
        writes.iter().all(|write| loses(&model, state, *write))
    };
    let states: Vec<CrashState> =
        recording.losses(point, Profile::Strict).into_iter().filter(|one| both(&one)).collect();
    let groups = diagnose(&recording, &states, |_, _| true, Kind::Refused);
    let remedy = remedy(&groups[0]);
    assert!(remedy.starts_with("add fsync of v.# after each such call (2 of them)"), "{remedy}");
}

#[test]
fn an_answer_that_comes_before_its_own_sync_has_to_wait_for_it() {
    let mut recording = opened(&["log"]);
    let (mut write, mut sync) = (EventNo(0), EventNo(0));
    let acked = recording.put(|script| write = script.write("log", 0, b"frame"));
    let point = EventNo(acked.0 + 1);
    // The next request may have come in meanwhile.
    recording.put(|script| {
        sync = script.fsync("log");
        script.write("log", 5, b"frame");
    });
    let states = recording.losses(point, Profile::Strict);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::LostAck);
    let remedy = remedy(&groups[0]);
    let expected = format!(
        "acknowledge only after the call that follows (event {}; acknowledged at {}) and ",
        sync.0, acked.0
    );
    assert!(remedy.starts_with(&expected), "{remedy}");
}

#[test]
fn a_sync_of_another_request_is_no_sync_to_wait_for() {
    let mut recording = opened(&["log"]);
    let mut write = EventNo(0);
    let acked = recording.put(|script| write = script.write("log", 0, b"frame"));
    recording.request(Request::Sync, |script| {
        script.fsync("log");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::LostAck);
    let remedy = remedy(&groups[0]);
    assert!(remedy.starts_with("add fsync of log after each such call"), "{remedy}");
}

#[test]
fn a_sync_that_does_not_do_is_told_with_the_reason() {
    let told = |work: &dyn Fn(&mut Script) -> EventNo| {
        let mut recording = opened(&["log", "log.new"]);
        let mut write = EventNo(0);
        let acked = recording.put(|script| write = work(script));
        let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
        let fails = |model: &Model, state: &CrashState| loses(model, state, write);
        remedy(&diagnose(&recording, &states, fails, Kind::LostAck)[0])
    };
    let write = |script: &mut Script| script.write("log", 0, b"frame");
    let plain = told(&|script| write(script));
    assert!(!plain.contains("that is there"), "{plain}");
    let early = told(&|script| {
        script.fsync("log");
        write(script)
    });
    assert!(early.contains(", for the call that is there comes before it, and "), "{early}");
    let elsewhere = told(&|script| {
        let old = script.id("log");
        script.rename("log.new", "log");
        let write = write(script);
        script.op(FileOp::Sync { file: old, scope: SyncScope::Data });
        write
    });
    assert!(elsewhere.contains("goes to the file that log replaced"), "{elsewhere}");
    let range = told(&|script| {
        let write = write(script);
        script.msync("log", 8192, 4096);
        write
    });
    assert!(range.contains("covers other bytes"), "{range}");
}

#[test]
fn calls_that_are_synced_already_are_no_calls_to_add() {
    let mut recording = opened(&["log"]);
    for offset in 0..3 {
        recording.put(|script| {
            script.write("log", offset * 5, b"frame");
            script.fsync("log");
        });
    }
    let mut write = EventNo(0);
    let acked = recording.put(|script| write = script.write("log", 15, b"frame"));
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let remedy = remedy(&diagnose(&recording, &states, fails, Kind::LostAck)[0]);
    let rule = "add fsync of log after each such call (1 of 4 have none)";
    assert!(remedy.starts_with(rule), "{remedy}");
}

#[test]
fn a_torn_write_over_what_was_promised_goes_elsewhere_unless_that_very_write_was_promised() {
    let torn = |promised: bool| {
        let mut recording = opened(&["data"]);
        recording.put(|script| {
            script.write("data", 0, &[1; 4096]);
            script.fsync("data");
        });
        let mut again = EventNo(0);
        let acked = recording.put(|script| again = script.write("data", 0, &[2; 4096]));
        let point = if promised { EventNo(acked.0 + 1) } else { EventNo(again.0 + 1) };
        let model = recording.script.model();
        let effect = model.effects_of(again).start;
        let form = Form::Sectors { arrived: 0x0f, garbage: false };
        let state = CrashState::power(point, Loss::new(&[], vec![(effect, form)]));
        let operations = [OpNo(if promised { 2 } else { 1 })];
        let failing = Failing {
            state: &state,
            profile: Profile::Strict,
            kind: Kind::LostAck,
            operations: &operations,
        };
        let scene = recording.scene(&model, PowerPromise::Ack);
        remedy(&group(&scene, &[failing], &[], |_, _| None)[0])
    };
    assert!(torn(false).starts_with("write the new elsewhere"), "{}", torn(false));
    assert!(torn(true).starts_with("add fsync of data"), "{}", torn(true));
}

#[test]
fn what_a_killed_process_left_is_for_the_recovery_to_sync() {
    let mut recording = opened(&["log"]);
    let mut write = EventNo(0);
    recording.put(|script| write = script.write("log", 0, b"frame"));
    let killed = EventNo(recording.script.trace.events.len() as u32);
    let answered = recording.request(Request::Open, |_| {});
    recording.request(Request::Dump, |_| {});
    let model = recording.script.model();
    let point = EventNo(recording.script.trace.events.len() as u32);
    let states = recording.losses(point, Profile::Strict);
    let failing: Vec<Failing<'_>> = states
        .iter()
        .filter(|state| loses(&model, state, write))
        .map(|state| Failing {
            state,
            profile: Profile::Strict,
            kind: Kind::Vanished,
            operations: &[],
        })
        .collect();
    let plain = recording.scene(&model, PowerPromise::Ack);
    let scene = Scene { recovery: Some(killed), ..plain };
    let told = remedy(&group(&scene, &failing, &[], |_, _| None)[0]);
    let expected = format!(
        "add fsync of log in recovery, before `open` is answered (before event {}) and ",
        answered.0
    );
    assert!(told.starts_with(&expected), "{told}");
    let told = remedy(&group(&plain, &failing, &[], |_, _| None)[0]);
    assert!(told.starts_with("add fsync of log after each such call"), "{told}");
}

#[test]
fn what_a_recovery_renames_has_to_be_synced_there_and_not_before_the_kill() {
    let mut recording = opened(&["snap.new"]);
    let (mut write, mut rename) = (EventNo(0), EventNo(0));
    recording.request(Request::Checkpoint, |script| write = script.write("snap.new", 0, b"frame"));
    let killed = EventNo(recording.script.trace.events.len() as u32);
    recording.request(Request::Open, |script| rename = script.rename("snap.new", "snap"));
    let model = recording.script.model();
    let states = recording.losses(EventNo(rename.0 + 1), Profile::Strict);
    let fails = |state: &&CrashState| loses(&model, state, write) && !loses(&model, state, rename);
    let failing: Vec<Failing<'_>> = states
        .iter()
        .filter(fails)
        .map(|state| Failing {
            state,
            profile: Profile::Strict,
            kind: Kind::Refused,
            operations: &[],
        })
        .collect();
    let plain = recording.scene(&model, PowerPromise::Ack);
    let scene = Scene { recovery: Some(killed), ..plain };
    let told = |scene: &Scene<'_>| -> Vec<String> {
        let group = &group(scene, &failing, &[], |_, _| None)[0];
        group.cause.remedies.iter().map(|remedy| remedy.place.clone()).collect()
    };
    let rules = told(&scene);
    let rule = "add fsync of snap.new before each call of snap, in recovery too";
    assert!(rules.iter().any(|told| told == rule), "{rules:?}");
    assert!(!rules.iter().any(|told| told.contains("after each such")), "{rules:?}");
    let plain = told(&plain);
    assert!(plain.iter().any(|told| told.contains("after each such")), "{plain:?}");
}

#[test]
fn what_a_recovery_writes_has_no_answer_that_could_wait() {
    let mut recording = opened(&["log"]);
    recording.put(|script| {
        script.write("log", 0, b"frame");
        script.fsync("log");
    });
    let mut write = EventNo(0);
    recording.request(Request::Open, |script| {
        write = script.write("log", 0, b"FRAME");
        script.fsync("log");
    });
    let states = recording.losses(EventNo(write.0 + 1), Profile::Strict);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::LostAck);
    assert_eq!(groups[0].cause.counterfactual, None, "{groups:?}");
}
