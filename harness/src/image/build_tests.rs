//! Tests of the images of crash states.

use super::*;
use crate::persistence::Overlay;
use crate::persistence::tests::script::{STRICT, Script, What, effects};

fn bytes(script: &Script, state: &CrashState, path: &str) -> Option<Vec<u8>> {
    Builder::new(&script.model()).image(state).bytes(path)
}

#[test]
fn everything_nothing_and_a_kill_inside_a_write() {
    let mut script = Script::new();
    script.create("a");
    let write = script.write("a", 0, &[1; 5000]);
    let model = script.model();
    assert_eq!(effects(&model, write, What::All).len(), 3);
    let everything = CrashState::power(script.end(), Loss::default());
    assert_eq!(bytes(&script, &everything, "a").unwrap(), [1; 5000]);
    let view = View::at(&model, script.end());
    let nothing = CrashState::power(script.end(), view.losing_all(STRICT));
    assert_eq!(bytes(&script, &nothing, "a"), None);
    let kill = CrashState { point: write, crash: Crash::Kill { pages: 1 } };
    assert_eq!(bytes(&script, &kill, "a").unwrap(), [1; 4096]);
    let overlay = Overlay::with_fsync(write, script.id("a"));
    let model = Model::with(&script.trace, &overlay, Default::default());
    assert!(model.is_durable(EffectNo(2), STRICT, script.end()));
}
