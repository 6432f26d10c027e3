//! The targets on stable Rust for as many inputs as take some seconds: no input panics. More of them:
//! `cargo run --release -p unplug-fuzz -- COUNT`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use unplug_fuzz::{TARGETS, corpus, mutations};

/// The target of this name, on its corpus and on so many mutations of it.
fn run(name: &str, count: usize) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let inputs = corpus(name).unwrap();
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| target(input));
    for input in mutations(&inputs, 1).take(count) {
        let done = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(done.is_ok(), "{name} panics: {}", input.escape_ascii());
    }
}

macro_rules! targets {
    ($($name:ident: $count:literal;)+) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $count);
        })+
    };
}

targets! {
    scenario: 20_000;
    trace: 5_000;
    driver_output: 20_000;
    capabilities: 50_000;
    workload: 20_000;
    store: 2_000;
    frames: 5_000;
    report: 3_000;
}

#[test]
fn each_target_is_run_here() {
    assert_eq!(TARGETS.len(), 8);
}
