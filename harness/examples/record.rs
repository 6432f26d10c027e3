//! Records a program by hand: `cargo run -p unplug-harness --example record -- DIR PROGRAM ARGS…` prints
//! the trace of what PROGRAM does to DIR, and whether replaying it gives DIR as it is afterwards.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use unplug_harness::driver::Target;
use unplug_harness::record::{RecordOptions, record_whole};
use unplug_harness::trace::text::text;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(root), argv) = (words.next(), words.collect::<Vec<_>>()) else {
        eprintln!("usage: record DIR PROGRAM ARGS…");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    let options = RecordOptions::new(&root).pinned();
    let whole =
        match record_whole(&Target::new(argv.join(" "), argv), &options, Duration::from_secs(60)) {
            Ok(whole) => whole,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(error.exit_code());
            }
        };
    let recording = whole.recording;
    print!("{}", text(&recording.trace));
    eprint!("{}", recording.stderr);
    eprintln!("{}; {} operations in {:?}", recording.exit, recording.operations, start.elapsed());
    match recording.differences(root.as_ref()) {
        Ok(differences) if differences.is_empty() => ExitCode::SUCCESS,
        Ok(differences) => {
            eprintln!("the recording is not true: {differences:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{root}: {error}");
            ExitCode::FAILURE
        }
    }
}
