//! What the recorder cannot see past is said, what it can is seen all the same.

mod common;

use common::{assert_true, compile, run};
use unplug_harness::record::{RecordOptions, Recording};

struct Blind {
    temp: tempfile::TempDir,
    program: std::path::PathBuf,
}

impl Blind {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a directory");
        let program = compile(temp.path(), "blind", &[]);
        Self { temp, program }
    }

    fn root(&self, what: &str) -> std::path::PathBuf {
        self.temp.path().join(format!("root-{what}"))
    }

    fn run(&self, what: &str) -> Recording {
        let root = self.root(what);
        std::fs::create_dir(&root).expect("made");
        let options = RecordOptions::new(&root).pinned();
        let words = [self.program.as_os_str(), root.as_os_str(), what.as_ref()];
        let recording = run(&words, &options);
        if what != "32bit" && what != "madvise" {
            assert_true(&recording, &root);
        }
        recording
    }
}

#[test]
fn unmodelled_calls_on_recorded_files_are_counted_by_name() {
    let blind = Blind::new();
    for (what, name) in
        [("xattr", "fsetxattr"), ("madvise", "madvise"), ("collapse", "fallocate collapse range")]
    {
        let recording = blind.run(what);
        if recording.exit.contains("77") {
            continue;
        }
        assert!(recording.clean, "{what}: {} {}", recording.exit, recording.stderr);
        let counted: Vec<_> = recording.trace.unmodelled.iter().collect();
        assert_eq!(counted, [(&name.to_string(), &1)], "{what}");
    }
}

#[test]
fn blind_spots_are_named() {
    let blind = Blind::new();
    for (what, word) in
        [("seccomp", "seccomp"), ("ptrace", "ptrace"), ("32bit", "32-bit"), ("moved-in", "outside")]
    {
        let recording = blind.run(what);
        assert!(recording.clean, "{what}: {} {}", recording.exit, recording.stderr);
        assert_eq!(recording.trace.blind.len(), 1, "{what}: {:?}", recording.trace.blind);
        assert!(recording.trace.blind[0].contains(word), "{what}: {:?}", recording.trace.blind);
    }
}

#[test]
fn what_bypasses_the_recorder_shows_as_a_difference() {
    let blind = Blind::new();
    let recording = blind.run("32bit");
    let differences = recording.differences(&blind.root("32bit")).expect("compared");
    assert_eq!(differences, ["file is not as in the trace"]);
}

#[test]
fn other_ways_are_no_blind_spots() {
    let blind = Blind::new();
    for what in ["uring", "untraced", "affinity", "outside", "killed", "stopped"] {
        let recording = blind.run(what);
        assert_eq!(
            recording.clean,
            what != "killed",
            "{what}: {} {}",
            recording.exit,
            recording.stderr
        );
        assert_eq!(recording.trace.blind, Vec::<String>::new(), "{what}");
        assert!(recording.trace.unmodelled.is_empty(), "{what}");
        match what {
            "affinity" => {
                let processors = std::thread::available_parallelism().expect("known").get();
                assert_eq!(recording.stderr, processors.to_string());
            }
            "outside" => {
                let outside: Vec<_> = recording.outside_written.iter().collect();
                assert_eq!(outside, [&blind.temp.path().join("outside")]);
            }
            _ => {}
        }
    }
}

/// A driver that never reads its standard input directly, but through poll on a non-blocking
/// descriptor, is driven all the same.
#[test]
fn a_driver_that_waits_in_poll_is_driven_without_waiting_long() {
    use unplug_harness::driver::{End, Plan, Target};
    use unplug_harness::record::record_workload;
    use unplug_harness::workload::{Mutation, Request};
    let script = "import os, select, sys\n\
        os.set_blocking(0, False)\n\
        rest, log = b'', None\n\
        while True:\n\
        \x20   select.select([0], [], [])\n\
        \x20   piece = os.read(0, 65536)\n\
        \x20   if not piece: break\n\
        \x20   rest += piece\n\
        \x20   *lines, rest = rest.split(b'\\n')\n\
        \x20   for line in lines:\n\
        \x20       words = line.split()\n\
        \x20       if words[1] == b'open': log = os.open(words[2] + b'/log', os.O_CREAT | os.O_WRONLY)\n\
        \x20       else: os.write(log, line)\n\
        \x20       os.write(1, b'ack ' + words[0] + b'\\n')\n\
        \x20       os.write(log, b'after')\n";
    let temp = tempfile::tempdir().expect("a directory");
    let mut requests = vec![Request::Open];
    requests.extend((0..30).map(|_| Request::Write(Mutation::Put("k".into(), "v".into()))));
    requests.push(Request::Close);
    let target = Target::new("poll", ["python3", "-c", script]);
    let plan = Plan { dir: temp.path(), requests: &requests, threads: 1, capabilities: None };
    let start = std::time::Instant::now();
    let options = RecordOptions::new(temp.path());
    let (recording, driven) = record_workload(&target, &options, &plan).expect("recorded");
    assert_eq!(driven.end, End::Finished, "{}", recording.stderr);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert_true(&recording, temp.path());
}
