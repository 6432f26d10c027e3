//! The targets on stable Rust, without coverage: `cargo run --release -p unplug-fuzz -- COUNT [TARGET]`. An input that
//! panics is written to the current folder, and the exit code is 1.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use unplug_fuzz::{TARGETS, corpus, mutations};

/// An input that takes longer is a defect.
const SLOW: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count: Option<usize> = arguments.next().and_then(|word| word.parse().ok());
    let (Some(count), only) = (count, arguments.next()) else {
        eprintln!("usage: unplug-fuzz COUNT [TARGET]");
        return ExitCode::from(2);
    };
    let seed = std::env::var("UNPLUG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| wanted(name)) {
        let inputs = match corpus(name) {
            Ok(inputs) if !inputs.is_empty() => inputs,
            other => {
                eprintln!("{name}: no corpus: {other:?}");
                return ExitCode::from(2);
            }
        };
        let started = Instant::now();
        for input in mutations(&inputs, seed).take(count) {
            let begun = Instant::now();
            let panicked = catch_unwind(|| target(&input)).is_err();
            if panicked || begun.elapsed() > SLOW {
                let path = format!("{name}-{:08x}.input", crc32fast::hash(&input));
                let kept = std::fs::write(&path, &input);
                eprintln!("{name}: {path} panics or takes long ({kept:?})");
                return ExitCode::FAILURE;
            }
        }
        let rate = count as f64 / started.elapsed().as_secs_f64();
        println!("{name}: {count} inputs, {rate:.0} a second");
    }
    ExitCode::SUCCESS
}
