//! A kill, then recovery, as one trace.

use super::script::{STRICT, Script};
use crate::persistence::{EffectKind, EffectNo, Model, after_kill};
use crate::trace::{EventKind, EventNo};
use crate::workload::{Answer, OpNo, Request};

#[test]
fn what_was_not_synced_before_the_kill_is_volatile_during_recovery() {
    let mut script = Script::new().with_dir("d").with_file("d/a", &[0; 4096]);
    script.event(EventKind::Request { op: OpNo(0), request: Request::Open });
    script.write("d/a", 0, &[1; 10]);
    script.rename("d/a", "d/b");
    script.create("never");
    let point = EventNo(3);
    // The recovery found d/b and knows it by another identity.
    let mut recovery = Script::new().with_file("x", &[]).with_dir("d").with_file("d/b", &[1; 4096]);
    recovery.event(EventKind::Request { op: OpNo(0), request: Request::Open });
    recovery.create("d/c");
    recovery.fsync("d/b");
    recovery.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
    let joined = after_kill(&script.trace, point, 0, &recovery.trace);
    assert_eq!((joined.offset, joined.first_op), (3, OpNo(1)));
    let model = Model::new(&joined.trace);
    let kinds: Vec<&str> = model.effects().iter().map(|effect| effect.kind.word()).collect();
    assert_eq!(kinds, ["data", "rename", "link"]);
    let EffectKind::Link { at, file, .. } = &model.effects()[2].kind else { panic!() };
    assert_eq!(at.dir, script.id("d"));
    assert!(file.0 >= 3, "a new file has a new identity: {file:?}");
    let end = model.last_point();
    assert!(model.is_durable(EffectNo(0), STRICT, end), "recovery synced what the run had written");
    assert!(!model.is_durable(EffectNo(0), STRICT, EventNo(5)));
    assert!(!model.is_durable(EffectNo(1), STRICT, end));
    let EventKind::Reply { op, .. } = &joined.trace.events[6].kind else { panic!() };
    assert_eq!(*op, OpNo(1));
}

#[test]
fn a_write_that_the_kill_cut_short_is_as_long_as_it_was() {
    let mut script = Script::new().with_file("a", &[]);
    let write = script.write("a", 100, &[1; 9000]);
    let recovery = Script::new();
    for (pages, bytes) in [(0, None), (1, Some(3996)), (2, Some(8092)), (9, Some(9000))] {
        let joined = after_kill(&script.trace, write, pages, &recovery.trace);
        let written = joined.trace.events.first().map(|event| match &event.kind {
            EventKind::Call(call) => call.result,
            _ => panic!(),
        });
        assert_eq!(written, bytes);
    }
}
