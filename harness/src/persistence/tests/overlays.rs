//! What if: syncs added and taken away, names taken for durable.

use super::script::{STRICT, Script};
use crate::persistence::{AddedSync, Device, EffectNo, Model, Overlay};
use crate::trace::{EventKind, FileId, SyncScope, WriteSync};

fn with(script: &Script, overlay: &Overlay) -> Model {
    Model::with(&script.trace, overlay, Device::default())
}

#[test]
fn an_added_fsync_of_the_directory_makes_the_name_durable_from_there_on() {
    let mut script = Script::new();
    script.create("a");
    let write = script.write("a", 0, &[1; 10]);
    script.write("a", 10, &[1; 10]);
    let model = with(&script, &Overlay::with_fsync(write, FileId::ROOT));
    assert!(!model.is_durable(EffectNo(0), STRICT, write));
    assert!(model.is_durable(EffectNo(0), STRICT, script.end()));
    assert!(!model.is_durable(EffectNo(1), STRICT, script.end()));
    let sync = AddedSync { after: write, file: None, scope: SyncScope::Full };
    let model = with(&script, &Overlay { added_syncs: vec![sync], ..Overlay::default() });
    assert!(model.is_durable(EffectNo(1), STRICT, script.end()));
    assert!(model.changes_files(write));
}

#[test]
fn a_removed_sync_makes_nothing_durable() {
    let mut script = Script::new().with_file("a", &[0; 10]);
    script.write("a", 0, &[1; 10]);
    let sync = script.fsync("a");
    let carried = script.write_with("a", 0, &[2; 10], WriteSync::Data);
    script.event(EventKind::Warn("it returned".into()));
    assert!(script.model().is_durable(EffectNo(1), STRICT, script.end()));
    let mut overlay = Overlay::without(sync);
    assert!(with(&script, &overlay).is_durable(EffectNo(0), STRICT, script.end()));
    overlay.removed_syncs.insert(carried);
    assert!(!with(&script, &overlay).is_durable(EffectNo(0), STRICT, script.end()));
}

#[test]
fn the_databases_own_name_and_only_that_is_taken_for_durable() {
    let mut script = Script::new().with_file("x", &[1]);
    script.create("t");
    script.rename("t", "a");
    let unlink = script.unlink("x");
    script.create("later");
    let model = with(&script, &Overlay::names_before(unlink));
    let durable = |no| model.is_durable(EffectNo(no), STRICT, script.end());
    assert_eq!([0, 1, 2, 3].map(durable), [true, true, false, false]);
    // What is durable by decree is so as soon as it happened.
    assert!(model.is_durable(EffectNo(0), STRICT, crate::trace::EventNo(1)));
    // A state that ext4 would allow otherwise is still closed.
    let view = crate::persistence::View::at(&model, script.end());
    for profile in crate::persistence::Profile::ALL {
        let state = crate::persistence::CrashState::power(script.end(), view.losing_all(profile));
        assert_eq!(view.check(&state, profile), Ok(()));
    }
}
