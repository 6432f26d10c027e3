//! Recordings written by hand, every legal single loss of which is judged by a rule, and what the
//! diagnosis says.

mod remedies;

use std::sync::LazyLock;

use super::*;
use crate::persistence::tests::script::Script;
use crate::persistence::{Crash, Form, Loss};
use crate::trace::{EventKind, FileOp, SyncScope};
use crate::workload::{Answer, Mutation, Request};

/// A recording with requests and acknowledgements.
struct Recording {
    script: Script,
    next: u32,
}

impl Recording {
    fn new() -> Recording {
        Recording { script: Script::new(), next: 0 }
    }

    fn request(&mut self, request: Request, work: impl FnOnce(&mut Script)) -> EventNo {
        let op = OpNo(self.next);
        self.next += 1;
        self.script.event(EventKind::Request { op, request });
        work(&mut self.script);
        self.script.event(EventKind::Reply { op, answer: Answer::Ack })
    }

    fn put(&mut self, work: impl FnOnce(&mut Script)) -> EventNo {
        let put = Mutation::Put("k".into(), "v".into());
        self.request(Request::Write(put), work)
    }

    fn scene<'a>(&'a self, model: &'a Model, durable: PowerPromise) -> Scene<'a> {
        static NONE: Overlay = Overlay::NONE;
        static PATTERNS: LazyLock<NamePatterns> = LazyLock::new(NamePatterns::default);
        Scene {
            trace: &self.script.trace,
            model,
            overlay: &NONE,
            device: Device::default(),
            durable,
            patterns: &PATTERNS,
            recovery: None,
        }
    }

    /// Every state at `point` that lost one effect that is pending there, or some of them.
    fn losses(&self, point: EventNo, profile: Profile) -> Vec<CrashState> {
        let model = self.script.model();
        let pending: Vec<u32> = (0..model.effects_before(point))
            .filter(|effect| !model.is_durable(EffectNo(*effect), profile, point))
            .collect();
        let mut states = Vec::new();
        for mask in 1..1u32 << pending.len().min(8) {
            let lost: Vec<u32> =
                (0..8).filter(|bit| mask & (1 << bit) != 0).map(|bit| pending[bit]).collect();
            let state = CrashState::power(point, Loss::new(&lost, Vec::new()));
            if model.is_legal(&state, profile) {
                states.push(state);
            }
        }
        states
    }
}

/// Judges by a rule: which of the states fail, as what.
fn diagnose(
    recording: &Recording,
    states: &[CrashState],
    fails: impl Fn(&Model, &CrashState) -> bool,
    kind: Kind,
) -> Vec<Group> {
    promising(PowerPromise::Ack, recording, states, fails, kind)
}

/// The same, of a program that promises otherwise.
fn promising(
    durable: PowerPromise,
    recording: &Recording,
    states: &[CrashState],
    fails: impl Fn(&Model, &CrashState) -> bool,
    kind: Kind,
) -> Vec<Group> {
    let model = recording.script.model();
    let (failing, passing): (Vec<_>, Vec<_>) =
        states.iter().partition(|state| fails(&model, state));
    let operations = [OpNo(1)];
    let failing: Vec<Failing<'_>> = failing
        .into_iter()
        .map(|state| Failing { state, profile: Profile::Strict, kind, operations: &operations })
        .collect();
    assert!(!failing.is_empty());
    let scene = recording.scene(&model, durable);
    let groups = group(&scene, &failing, &passing, |_, _| None);
    let members: usize = groups.iter().map(|group| group.members.len()).sum();
    assert_eq!(members, failing.len(), "each failing state is in one group");
    groups
}

fn loses(model: &Model, state: &CrashState, event: EventNo) -> bool {
    let loss = state.loss().unwrap();
    model.effects_of(event).any(|effect| loss.is_lost(effect))
}

#[test]
fn a_missing_fsync_is_named_with_the_call_that_it_is_missing_after() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log.000001");
        script.fsync("");
    });
    let mut write = EventNo(0);
    let acked = recording.put(|script| {
        write = script.write("log.000001", 0, b"frame");
    });
    let point = EventNo(acked.0 + 1);
    let states = recording.losses(point, Profile::Strict);
    let groups =
        diagnose(&recording, &states, |model, state| loses(model, state, write), Kind::LostAck);
    assert_eq!(groups.len(), 1);
    let cause = &groups[0].cause;
    assert_eq!(cause.sentence, "what call puts into log.# can be lost after it was promised");
    let promised = cause.promised.unwrap();
    assert_eq!((cause.guilty, promised.answered, promised.barrier), (Some(write), acked, None));
    let count = groups[0].members.len();
    let gone = match count {
        1 => "this failure vanishes".to_owned(),
        _ => format!("all {count} failures vanish"),
    };
    assert_eq!(
        cause.counterfactual.as_ref().unwrap().to_string(),
        format!("add fsync of log.# after each such call and {gone}")
    );
    assert!(cause.detail.contains("never made durable"), "{}", cause.detail);
}

#[test]
fn an_innocent_loss_beside_the_guilty_one_is_not_blamed() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log");
        script.create("cache");
        script.fsync("");
    });
    let (mut guilty, mut innocent) = (EventNo(0), EventNo(0));
    let acked = recording.put(|script| {
        innocent = script.write("cache", 0, b"x");
        guilty = script.write("log", 0, b"frame");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
    let blamed = |states: &[CrashState]| {
        let fails = |model: &Model, state: &CrashState| loses(model, state, guilty);
        diagnose(&recording, states, fails, Kind::LostAck)
    };
    let groups = blamed(&states);
    assert_eq!(groups.len(), 1);
    assert!(groups[0].cause.sentence.starts_with("what call puts into log can"));
    // Also where no failing state lost the guilty one alone: that the other passes is enough.
    let model = recording.script.model();
    let mixed: Vec<CrashState> =
        states.into_iter().filter(|state| loses(&model, state, innocent)).collect();
    let groups = blamed(&mixed);
    assert_eq!(groups.len(), 1);
    assert!(groups[0].cause.sentence.starts_with("what call puts into log can"));
}

#[test]
fn a_missing_directory_fsync_is_told_from_a_missing_file_fsync() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |_| {});
    let (mut made, mut write) = (EventNo(0), EventNo(0));
    let acked = recording.put(|script| {
        made = script.create("seg-1");
        write = script.write("seg-1", 0, b"frame");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
    let fails =
        |model: &Model, state: &CrashState| loses(model, state, made) || loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::LostAck);
    let sentences: Vec<&str> = groups.iter().map(|group| group.cause.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "the name seg-# that call makes can be lost after it was promised",
            "what call puts into seg-# can be lost after it was promised",
        ]
    );
    let remedy = groups[0].cause.counterfactual.as_ref().unwrap().to_string();
    assert!(
        remedy.starts_with("add fsync of the store's directory after each such call"),
        "{remedy}"
    );
    assert!(remedy.contains(" vanish"), "{remedy}");
}

#[test]
fn one_flaw_at_many_places_is_one_cause() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log");
        script.fsync("");
    });
    let mut writes = Vec::new();
    let mut acks = Vec::new();
    for number in 0..4u64 {
        acks.push(recording.put(|script| {
            writes.push(script.write("log", number * 4096, &[1; 4096]));
        }));
    }
    let mut states = Vec::new();
    for acked in &acks {
        states.extend(recording.losses(EventNo(acked.0 + 1), Profile::Strict));
    }
    let fails =
        |model: &Model, state: &CrashState| writes.iter().any(|write| loses(model, state, *write));
    let groups = diagnose(&recording, &states, fails, Kind::LostAck);
    assert_eq!(groups.len(), 1);
    let remedy = groups[0].cause.counterfactual.as_ref().unwrap().to_string();
    let count = groups[0].members.len();
    assert!(remedy.starts_with("add fsync of log after each such call (4 of them)"), "{remedy}");
    assert!(remedy.ends_with(&format!("all {count} failures vanish")), "{remedy}");
}

#[test]
fn a_torn_page_and_a_lost_one_have_one_cause_if_both_fail_and_a_torn_one_its_own_if_not() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("db");
        script.write("db", 0, &[1; 4096]);
        script.sync_all();
    });
    let mut write = EventNo(0);
    let acked = recording.put(|script| {
        write = script.write("db", 0, &[2; 4096]);
    });
    let point = EventNo(acked.0 + 1);
    let model = recording.script.model();
    let effect = model.effects_of(write).start;
    let form = Form::Sectors { arrived: 0x0f, garbage: false };
    let torn = CrashState::power(point, Loss::new(&[], vec![(effect, form)]));
    let lost = CrashState::power(point, Loss::new(&[effect], Vec::new()));
    let both = diagnose(&recording, &[torn.clone(), lost.clone()], |_, _| true, Kind::CorruptValue);
    assert_eq!(both.len(), 1);
    assert!(both[0].cause.sentence.contains("can be lost"), "{}", both[0].cause.sentence);
    let one =
        diagnose(&recording, &[torn.clone(), lost], |_, state| *state == torn, Kind::CorruptValue);
    assert_eq!(one.len(), 1);
    assert!(one[0].cause.sentence.contains("can be torn"), "{}", one[0].cause.sentence);
}

#[test]
fn a_kill_inside_a_write_names_it_and_says_how_much_of_it_is_there() {
    let mut recording = Recording::new();
    let mut write = EventNo(0);
    recording.put(|script| {
        script.create("log");
        write = script.write("log", 0, &[7; 5 * 4096]);
    });
    let states = [CrashState { point: write, crash: Crash::Kill { pages: 2 } }];
    let [group] = &diagnose(&recording, &states, |_, _| true, Kind::CorruptValue)[..] else {
        panic!("one group")
    };
    assert_eq!(group.cause.guilty, Some(write));
    let detail = format!("2 of the 5 pages of event {} are there", write.0);
    assert_eq!(group.cause.detail, detail);
    assert_eq!(group.cause.sentence, "a kill can cut call of log short");
}

#[test]
fn a_kill_is_told_by_where_it_struck() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log");
    });
    let mut write = EventNo(0);
    recording.put(|script| {
        write = script.write("log", 0, b"a");
        script.write("log", 1, b"b");
    });
    let states = [CrashState::kill(EventNo(write.0 + 1))];
    let groups = diagnose(&recording, &states, |_, _| true, Kind::TornBatch);
    assert_eq!(
        groups[0].cause.sentence,
        "the store is stopped while writing, between call of log and call of log"
    );
    assert_eq!(groups[0].cause.counterfactual, None);
}

#[test]
fn what_the_caller_can_try_decides_where_nothing_else_does() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("a");
        script.create("b");
        script.fsync("");
    });
    let acked = recording.put(|script| {
        script.write("a", 0, b"x");
        script.write("b", 0, b"x");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Strict);
    let all = states.iter().max_by_key(|state| state.loss().unwrap().count()).unwrap();
    let model = recording.script.model();
    let scene = recording.scene(&model, PowerPromise::Ack);
    let failing =
        [Failing { state: all, profile: Profile::Strict, kind: Kind::LostAck, operations: &[] }];
    let b = recording.script.id("b");
    let loses_b = |state: &CrashState| {
        let lost = state.loss().unwrap().lost();
        lost.into_iter().any(|effect| model.effect(effect).unwrap().kind.file() == b)
    };
    let groups = group(&scene, &failing, &[], |_, state| Some(loses_b(state)));
    assert_eq!(groups[0].cause.parts["file"], "b");
    let together = |_: &Failing<'_>, _: &CrashState| Some(false);
    let groups = group(&scene, &failing, &[], together);
    assert_eq!(groups[0].cause.parts["file"], "a, b");
}

#[test]
fn a_milder_grade_does_not_come_from_a_state_that_fails_for_another_reason() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("a");
        script.create("b");
        script.sync_all();
    });
    let acked = recording.put(|script| {
        script.write("a", 0, b"x");
        script.write("b", 0, b"x");
    });
    let point = EventNo(acked.0 + 1);
    let model = recording.script.model();
    let of = |name: &str| -> Vec<u32> {
        let file = recording.script.id(name);
        let effects = 0..model.effects().len() as u32;
        let pending = effects.filter(|at| !model.is_durable(EffectNo(*at), Profile::Strict, point));
        pending.filter(|at| model.effect(EffectNo(*at)).unwrap().kind.file() == file).collect()
    };
    let lose = |effects: &[u32]| CrashState::power(point, Loss::new(effects, Vec::new()));
    let (a, both) = (lose(&of("a")), lose(&[of("a"), of("b")].concat()));
    let scene = recording.scene(&model, PowerPromise::Ack);
    let failing = |state, profile| Failing { state, profile, kind: Kind::LostAck, operations: &[] };
    let states = [failing(&a, Profile::Strict), failing(&both, Profile::Ext4)];
    // Under ext4 the loss of `a` alone holds, and so does every other part.
    let groups = group(&scene, &states, &[], |one, state| {
        Some(one.profile == Profile::Strict && !remedy::lost_effects(state).is_empty())
    });
    assert_eq!(groups.len(), 2);
    // It fails there as well: one cause.
    let groups =
        group(&scene, &states, &[], |_, state| Some(!remedy::lost_effects(state).is_empty()));
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].members, [1, 0], "the one that stands for both is legal under ext4");
}

#[test]
fn what_fails_with_nothing_lost_is_not_blamed_on_what_was() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("a");
        script.create("b");
    });
    let acked = recording.put(|script| {
        script.write("a", 0, b"x");
        script.write("b", 0, b"x");
    });
    let point = EventNo(acked.0 + 1);
    let mut states = recording.losses(point, Profile::Strict);
    // Known without trying, because such a state is among the failing ones.
    states.push(CrashState::power(point, Loss::default()));
    let groups = diagnose(&recording, &states, |_, _| true, Kind::TornBatch);
    assert_eq!(groups.len(), 1);
    assert!(groups[0].cause.sentence.starts_with("the store is stopped"));
    // Found by trying.
    states.pop();
    let model = recording.script.model();
    let scene = recording.scene(&model, PowerPromise::Ack);
    let kind = Kind::TornBatch;
    let failing = |state| Failing { state, profile: Profile::Strict, kind, operations: &[] };
    let failing: Vec<Failing<'_>> = states.iter().map(failing).collect();
    let mut tries = 0;
    let groups = group(&scene, &failing, &[], |_, _| {
        tries += 1;
        Some(true)
    });
    assert_eq!((groups.len(), tries), (1, 1));
    assert!(groups[0].cause.sentence.starts_with("the store is stopped"));
}

#[test]
fn what_a_sync_promised_is_said_of_the_sync_and_mended_before_it() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log");
        script.sync_all();
    });
    let mut writes = Vec::new();
    recording.put(|script| writes.push(script.write("log", 0, b"one")));
    recording.put(|script| writes.push(script.write("log", 3, b"two")));
    let first = recording.request(Request::Sync, |_| ());
    let mut states = recording.losses(EventNo(first.0 + 1), Profile::Strict);
    recording.put(|script| writes.push(script.write("log", 6, b"three")));
    let second = recording.request(Request::Close, |_| ());
    states.extend(recording.losses(EventNo(second.0 + 1), Profile::Strict));
    let fails = |model: &Model, state: &CrashState| loses(model, state, writes[0]);
    let groups = promising(PowerPromise::SyncOrClose, &recording, &states, fails, Kind::LostAck);
    let cause = &groups[0].cause;
    let promised = cause.promised.unwrap();
    assert_eq!((promised.answered, promised.barrier), (first, Some("sync")));
    let said = format!("promised by the acknowledgement of `sync` at event {}", first.0);
    assert!(cause.detail.contains(&said), "{}", cause.detail);
    // The last of each file before each promise, and not after each write.
    let fails = |model: &Model, state: &CrashState| {
        loses(model, state, writes[0]) || loses(model, state, writes[2])
    };
    let groups = promising(PowerPromise::SyncOrClose, &recording, &states, fails, Kind::LostAck);
    let remedy = groups[0].cause.counterfactual.as_ref().unwrap().to_string();
    let places = "after the last such call before each `sync` and `close` (2 of them)";
    assert!(remedy.contains(places), "{remedy}");
    // Nothing was promised where nothing is.
    let groups = promising(PowerPromise::None, &recording, &states, fails, Kind::Refused);
    assert_eq!(groups[0].cause.promised, None);
}

#[test]
fn a_rename_that_survives_its_bytes_is_told() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("db");
        script.sync_all();
    });
    let mut write = EventNo(0);
    let acked = recording.put(|script| {
        script.create("db.tmp");
        write = script.write("db.tmp", 0, b"new");
        script.rename("db.tmp", "db");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Ext4);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::Refused);
    let sentences: Vec<&str> = groups.iter().map(|group| group.cause.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        ["what call puts into db.tmp can be lost while the name db that call makes survives"]
    );
}

#[test]
fn no_sync_helps_against_a_power_cut_between_a_write_and_its_sync() {
    let mut recording = Recording::new();
    recording.request(Request::Open, |script| {
        script.create("log");
        script.fsync("");
    });
    let mut write = EventNo(0);
    recording.put(|script| {
        write = script.write("log", 0, &[1; 8192]);
        script.fsync("log");
    });
    let states = recording.losses(EventNo(write.0 + 1), Profile::Strict);
    let fails = |model: &Model, state: &CrashState| loses(model, state, write);
    let groups = diagnose(&recording, &states, fails, Kind::CorruptValue);
    assert!(!groups.is_empty());
    for group in &groups {
        let remedy = group.cause.counterfactual.as_ref().map(ToString::to_string);
        assert!(remedy.is_none_or(|remedy| remedy.starts_with("no sync")), "{groups:?}");
    }
}

#[test]
fn what_takes_less_along_is_to_blame_and_not_what_it_needs() {
    let mut recording = Recording::new();
    let mut write = EventNo(0);
    recording.request(Request::Open, |script| {
        script.create("z.log");
        script.create("a.old");
        script.sync_all();
    });
    let acked = recording.put(|script| {
        // On ext4 an append needs the names before it: a lost unlink takes the append along.
        script.unlink("a.old");
        write = script.write("z.log", 0, b"frame");
    });
    let states = recording.losses(EventNo(acked.0 + 1), Profile::Ext4);
    let model = recording.script.model();
    let both = states.into_iter().max_by_key(|state| state.loss().unwrap().count()).unwrap();
    let operations = [OpNo(1)];
    let kind = Kind::LostAck;
    let failing = [Failing { state: &both, profile: Profile::Ext4, kind, operations: &operations }];
    let scene = recording.scene(&model, PowerPromise::Ack);
    let groups = group(&scene, &failing, &[], |_, state| Some(loses(&model, state, write)));
    let lost: Vec<&str> = groups[0].cause.lost.iter().map(|site| site.file.as_str()).collect();
    assert_eq!(lost, ["z.log"], "{:?}", groups[0]);
}
