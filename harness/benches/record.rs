//! What a traced call costs: the recorder beside strace, on the same calls, pinned to one processor
//! and not. `cargo bench -p unplug-harness --bench record`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::path::Path;
use std::process::Command;

use unplug_harness::driver::Target;
use unplug_harness::record::{RecordOptions, record};

const COUNT: &str = "2000";
const ROUNDS: usize = 20;

fn main() {
    let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/hammer.c");
    let program = temp.path().join("hammer");
    let made = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(&source).status();
    assert!(made.is_ok_and(|status| status.success()), "a C compiler is needed");
    println!(
        "{:<12} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "ns a call", "untraced", "unplug", "strace", "unplug", "strace"
    );
    println!(
        "{:<12} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "", "pinned", "pinned", "unpinned", "unpinned"
    );
    for call in ["pwrite64", "fdatasync", "getppid"] {
        let root = temp.path().join(call);
        std::fs::create_dir(&root).expect("made");
        let plain = best(|| told(Command::new(&program).arg(&root).args([call, COUNT])));
        let ours = |pinned: bool| {
            let words = [program.as_os_str(), root.as_os_str(), call.as_ref(), COUNT.as_ref()];
            let target = Target::new("hammer", words.map(|word| word.to_string_lossy()));
            let options = RecordOptions::new(&root);
            let options = if pinned { options.pinned() } else { options };
            let (recording, ()) = record(&target, &options, |_, _| Ok(())).expect("recorded");
            recording.stderr.trim().parse().ok()
        };
        let strace = |pinned: bool| {
            let mut command = Command::new(if pinned { "taskset" } else { "strace" });
            if pinned {
                command.args(["-c", "0", "strace"]);
            }
            let calls = "trace=pwrite64,fdatasync,openat";
            command.args(["-f", "--seccomp-bpf", "-e", calls, "-o", "/dev/null"]);
            told(command.arg(&program).arg(&root).args([call, COUNT]))
        };
        let row = [
            best(|| ours(true)),
            best(|| strace(true)),
            best(|| ours(false)),
            best(|| strace(false)),
        ];
        print!("{call:<12} {plain:>10}");
        for cost in row {
            print!(" {cost:>10}");
        }
        println!();
    }
}

fn told(command: &mut Command) -> Option<u64> {
    let output = command.output().ok()?;
    String::from_utf8_lossy(&output.stderr).trim().parse().ok()
}

/// The best of several rounds: the machine's noise only ever adds.
fn best(mut run: impl FnMut() -> Option<u64>) -> String {
    let best = (0..ROUNDS).filter_map(|_| run()).min();
    best.map_or_else(|| "-".into(), |cost| cost.to_string())
}
