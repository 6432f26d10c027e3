//! The recorder with programs that speak the protocol: where requests and answers stand on the
//! timeline, and what planned kills and failures do.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{assert_true, calls, compile};
use unplug_harness::driver::{DriverFault, End, Plan as Workload, Target, drive};
use unplug_harness::record::{
    Plan, RecordOptions, Recorder, Recording, errors_of, record_whole, record_workload, shell,
};
use unplug_harness::trace::{Call, EventKind, FileOp};
use unplug_harness::workload::{Answer, Mutation, Request};

fn puts(count: u32) -> Vec<Request> {
    let put = |n| Request::Write(Mutation::Put(format!("k{n}").as_str().into(), "value".into()));
    let mut requests = vec![Request::Open];
    requests.extend((0..count).map(put));
    requests.push(Request::Close);
    requests
}

struct Bench {
    temp: tempfile::TempDir,
    driver: PathBuf,
    made: std::cell::Cell<u32>,
}

impl Bench {
    fn new(program: &str) -> Self {
        let temp = tempfile::tempdir().expect("a directory");
        let driver = compile(temp.path(), program, &[]);
        Self { temp, driver, made: std::cell::Cell::new(0) }
    }

    fn root(&self) -> PathBuf {
        self.made.set(self.made.get() + 1);
        let root = self.temp.path().join(format!("root{}", self.made.get()));
        std::fs::create_dir(&root).expect("made");
        root
    }

    fn target(&self, words: &[&str]) -> Target {
        let driver = self.driver.to_string_lossy().into_owned();
        Target::new("test", std::iter::once(driver.as_str()).chain(words.iter().copied()))
    }

    fn record(
        &self,
        words: &[&str],
        requests: &[Request],
        plan: &str,
    ) -> (Recording, End, PathBuf) {
        let root = self.root();
        let plan: Plan = plan.parse().expect("a plan");
        let options = RecordOptions::new(&root).pinned().with_plan(plan);
        let workload = Workload { dir: &root, requests, threads: 1, capabilities: None };
        let (recording, driven) =
            record_workload(&self.target(words), &options, &workload).expect("recorded");
        assert_true(&recording, &root);
        (recording, driven.end, root)
    }
}

/// What happened, without bytes.
fn shape(recording: &Recording) -> Vec<String> {
    let event = |kind: &EventKind| match kind {
        EventKind::Request { op, .. } => format!("request {}", op.0),
        EventKind::Reply { op, answer } => format!("reply {} {answer:?}", op.0),
        EventKind::Call(call) => format!("{} {} = {}", call.no, call.name, call.result),
        other => format!("{other:?}"),
    };
    recording.trace.events.iter().map(|e| format!("{} {}", e.thread, event(&e.kind))).collect()
}

fn last_call(recording: &Recording) -> Option<&Call> {
    recording.trace.events.iter().rev().find_map(|event| match &event.kind {
        EventKind::Call(call) => Some(call),
        _ => None,
    })
}

#[test]
fn a_single_threaded_driver_gives_the_same_timeline_every_time() {
    let bench = Bench::new("driver");
    let (first, end, _) = bench.record(&[], &puts(20), "");
    assert_eq!(end, End::Finished);
    assert!(first.clean);
    let shapes = shape(&first);
    for _ in 0..5 {
        assert_eq!(shape(&bench.record(&[], &puts(20), "").0), shapes);
    }
    // The work after each acknowledgement stands before the next request.
    for (index, line) in shapes.iter().enumerate().filter(|(_, line)| line.contains(" reply ")) {
        let mut next = shapes[index + 1..].iter();
        assert!((0..3).all(|_| next.next().is_some_and(|line| line.contains("write"))), "{line}");
        assert!(next.next().is_some_and(|line| !line.contains("write")), "{line}");
    }
    let history = first.trace.history();
    assert_eq!(history.operations.len(), 22);
    assert!(history.operations.iter().all(|op| matches!(&op.answered, Some((_, Answer::Ack)))));
}

#[test]
fn a_process_that_waits_for_another_store_is_recorded_as_if_it_were_new() {
    let bench = Bench::new("driver");
    let (alone, _, _) = bench.record(&["reopen"], &puts(1), "");
    let root = bench.root();
    let options = RecordOptions::new(&root).pinned();
    let mut recorder = Recorder::new(&bench.target(&["reopen"]), &options).expect("made").keeping();
    let requests = puts(1);
    let plan = Workload { dir: &root, requests: &requests, threads: 1, capabilities: None };
    for round in 0..3 {
        let mut watcher = recorder.watcher();
        let driven = drive(&mut recorder, &mut watcher, &plan).expect("driven");
        assert_eq!(driven.end, End::Finished);
        let recording = recorder.take().expect("it waits");
        assert_true(&recording, &root);
        // The end of the program is no part of it.
        let mut whole = shape(&alone);
        assert!(whole.pop().is_some_and(|exit| exit.contains("Exit")));
        assert_eq!(shape(&recording), whole, "round {round}");
        assert_eq!(recording.operations, alone.operations);
        assert_eq!(recording.trace.blind, [""; 0]);
        // Whoever owns the directory makes it another.
        for file in ["log", "later"] {
            std::fs::remove_file(root.join(file)).expect("removed");
        }
        std::fs::write(root.join("log"), "of before").expect("written");
    }
    let last = recorder.into_recording().expect("recorded");
    assert!(last.clean, "it may end by itself: {}", last.exit);
}

#[test]
fn a_process_that_may_not_be_asked_again_or_is_not_at_rest_does_not_wait() {
    let bench = Bench::new("driver");
    let requests = puts(1);
    for (words, waits) in [
        (&[][..], false),
        (&["threaded"][..], false),
        (&["mapped"][..], false),
        (&["reopen"][..], true),
    ] {
        let root = bench.root();
        let options = RecordOptions::new(&root).pinned();
        let mut recorder = Recorder::new(&bench.target(words), &options).expect("made").keeping();
        let plan = Workload { dir: &root, requests: &requests, threads: 1, capabilities: None };
        let mut watcher = recorder.watcher();
        let driven = drive(&mut recorder, &mut watcher, &plan).expect("driven");
        assert_eq!(driven.end, End::Finished, "{words:?}");
        assert_eq!(recorder.take().is_some(), waits, "{words:?}");
        assert!(recorder.into_recording().expect("recorded").clean, "{words:?}");
    }
}

#[test]
fn a_kill_strikes_before_inside_or_after_any_operation_and_nothing_more_happens() {
    let bench = Bench::new("driver");
    let requests = puts(2);
    let (whole, _, _) = bench.record(&[], &requests, "");
    let shapes = shape(&whole);
    let end_of = |recording: &Recording| {
        let mut shape = shape(recording);
        let exit = shape.pop().expect("an exit");
        assert!(exit.contains("killed by SIGKILL"), "{exit}");
        shape
    };
    for n in 1..=whole.operations {
        let (before, end, _) = bench.record(&[], &requests, &format!("kill-before:{n}"));
        assert!(matches!(end, End::Failed(_)), "{end:?}");
        assert_eq!(before.struck, 1);
        let told = end_of(&before);
        assert_eq!(told, shapes[..told.len()], "before {n}");
        assert_eq!(last_call(&before).map_or(0, |call| call.no), n - 1);
        let (after, _, _) = bench.record(&[], &requests, &format!("kill-after:{n}"));
        let told = end_of(&after);
        assert_eq!(told, shapes[..told.len()], "after {n}");
        assert_eq!(last_call(&after).map(|call| call.no), Some(n));
    }
    assert_eq!(common::running(bench.temp.path(), "driver"), Vec::<String>::new());
}

#[test]
fn a_kill_inside_a_write_cuts_it_at_a_page_boundary_of_the_file() {
    let temp = tempfile::tempdir().expect("a directory");
    for call in
        ["os.write(f, b'x' * 9000)", "os.writev(f, [b'x' * 3000, b'x' * 3000, b'x' * 3000])"]
    {
        let script = format!(
            "import os, sys\nf = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n\
             os.pwrite(f, b'y' * 100, 0)\nos.lseek(f, 100, 0)\n{call}\n"
        );
        for (bytes, size) in
            [(10, 100), (3995, 100), (3996, 4096), (8000, 4096), (8500, 8192), (9000, 9100)]
        {
            let root = temp.path().join(format!("{}-{bytes}", call.len()));
            std::fs::create_dir(&root).expect("made");
            let file = root.join("file");
            let target =
                Target::new("python", ["python3", "-c", &script, &*file.to_string_lossy()]);
            let plan = format!("kill-inside:3:{bytes}").parse().expect("a plan");
            let options = RecordOptions::new(&root).pinned().with_plan(plan);
            let (recording, ()) =
                unplug_harness::record::record(&target, &options, |_, _| Ok(())).expect("recorded");
            assert!(recording.exit.contains("SIGKILL"), "{}", recording.exit);
            assert_eq!(std::fs::metadata(&file).expect("there").len(), size, "{call} {bytes}");
            assert_true(&recording, &root);
        }
    }
}

#[test]
fn every_operation_can_be_made_to_fail_in_every_way_that_it_really_can() {
    let bench = Bench::new("driver");
    let requests = puts(2);
    let (whole, _, _) = bench.record(&[], &requests, "");
    let mut tried = 0;
    let numbered: Vec<(u32, String)> = whole
        .trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Call(call) if call.no > 0 => Some((call.no, call.name.to_string())),
            _ => None,
        })
        .collect();
    for (no, name) in numbered {
        for errno in errors_of(&name) {
            let plan =
                format!("fail:{no}:{}:once", unplug_harness::record::plan::errno_name(*errno));
            let (failed, _, _) = bench.record(&["careless"], &requests, &plan);
            let call = failed.trace.events.iter().find_map(|event| match &event.kind {
                EventKind::Call(call) if call.no == no => Some(call),
                _ => None,
            });
            let call = call.expect("the call is in the trace");
            assert_eq!((call.result, call.injected), (-i64::from(*errno), true), "{plan}");
            let sync = matches!(&*name, "fsync" | "fdatasync");
            assert_eq!(matches!(call.op, FileOp::FailedSync { .. }), sync, "{plan}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn a_disk_that_stays_broken_fails_every_later_sync_and_room_comes_back() {
    let bench = Bench::new("driver");
    let count = |recording: &Recording| {
        let failed = |event: &&unplug_harness::trace::Event| matches!(&event.kind, EventKind::Call(call) if call.injected);
        recording.trace.events.iter().filter(failed).count() as u32
    };
    // Two opens and three later writes, then for each put a write, a sync and three later writes.
    let (broken, end, _) = bench.record(&[], &puts(3), "fail:7:EIO:from-then-on");
    assert_eq!(count(&broken), 2, "the sync and the write after it");
    assert!(matches!(end, End::Failed(_)), "the driver gives up: {end:?}");
    let (full, _, _) = bench.record(&[], &puts(3), "fail:6:ENOSPC:until:8");
    assert_eq!(count(&full), 2);
    assert_eq!(full.struck, 2);
}

#[test]
fn a_write_cut_short_moves_that_many_bytes_and_says_so() {
    let bench = Bench::new("driver");
    let (whole, end, root) = bench.record(&[], &puts(1), "short:6:3");
    assert_eq!(end, End::Finished);
    let short = whole.trace.events.iter().find_map(|event| match &event.kind {
        EventKind::Call(call) if call.injected => Some(call.clone()),
        _ => None,
    });
    let short = short.expect("a short call");
    assert_eq!((short.no, short.result), (6, 3));
    assert_eq!(std::fs::read(root.join("log")).expect("read").len(), 3);
    assert!(shape(&whole).iter().any(|line| line.contains("Err(\"failed\")")));
}

#[test]
fn reads_have_numbers_of_their_own_and_can_fail_or_be_short() {
    let temp = tempfile::tempdir().expect("a directory");
    let script = "import os, sys\n\
        f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\nos.write(f, b'0123456789')\n\
        print(os.pread(f, 4, 0), file=sys.stderr)\n\
        try: print(os.pread(f, 4, 2), file=sys.stderr)\n\
        except OSError as e: print(e.errno, file=sys.stderr)\n\
        try: os.close(f)\n\
        except OSError as e: print('close', e.errno, file=sys.stderr)\n";
    let run = |name: &str, plan: &str, reads: bool| {
        let root = temp.path().join(name);
        std::fs::create_dir(&root).expect("made");
        let file = root.join("file").to_string_lossy().into_owned();
        let target = Target::new("python", ["python3", "-c", script, &file]);
        let mut options = RecordOptions::new(&root).with_plan(plan.parse().expect("a plan"));
        options.trace_reads = reads;
        let (recording, ()) =
            unplug_harness::record::record(&target, &options, |_, _| Ok(())).expect("recorded");
        assert_true(&recording, &root);
        recording
    };
    let plain = run("plain", "", false);
    let with = run("with", "", true);
    assert_eq!((plain.operations, plain.looks), (2, 0));
    assert_eq!((with.operations, with.looks), (2, 3), "{:?}", calls(&with.trace));
    let failed = run("failed", "fail:r2:EIO:once,short:r1:2,fail:r3:EIO:once", true);
    assert_eq!(failed.stderr, "b'01'\n5\nclose 5\n");
}

#[test]
fn a_disk_that_stays_broken_fails_the_close_of_a_file_and_never_that_of_a_directory() {
    let temp = tempfile::tempdir().expect("a directory");
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let script = "import os, sys\n\
        f = os.open(sys.argv[1] + '/file', os.O_RDWR | os.O_CREAT)\nos.write(f, b'0123456789')\n\
        d = os.open(sys.argv[1], os.O_RDONLY)\n\
        def tried(what):\n\
        \x20try: what()\n\
        \x20except OSError as e: return e.errno\n\
        print(tried(lambda: os.pread(f, 4, 0)), tried(lambda: os.close(d)),\
        tried(lambda: os.close(f)), file=sys.stderr)\n";
    let target = Target::new("python", ["python3", "-c", script, &root.to_string_lossy()]);
    let plan = "fail:r1:EIO:from-then-on".parse().expect("a plan");
    let mut options = RecordOptions::new(&root).with_plan(plan);
    options.trace_reads = true;
    let (recording, ()) =
        unplug_harness::record::record(&target, &options, |_, _| Ok(())).expect("recorded");
    assert_eq!(recording.stderr, "5 None 5\n");
    assert_true(&recording, &root);
}

#[test]
fn a_whole_programs_lines_are_promises_on_the_timeline() {
    let temp = tempfile::tempdir().expect("a directory");
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let dir = root.display();
    let command = format!(
        "echo a > {dir}/a; echo one; echo b > {dir}/b; printf 'two\\nthree\\n'; mv {dir}/a {dir}/c; echo four"
    );
    let options = RecordOptions::new(&root).pinned();
    let whole =
        record_whole(&shell(&command), &options, Duration::from_secs(10)).expect("recorded");
    assert!(!whole.hung && whole.recording.clean);
    assert_true(&whole.recording, &root);
    let shape: Vec<String> = shape(&whole.recording)
        .into_iter()
        .map(|line| line.split_once(' ').expect("a thread").1.to_string())
        .filter(|line| !line.contains("Exit"))
        .collect();
    let expected = [
        "1 openat = 3",
        "2 write = 2",
        "Line(\"one\")",
        "3 openat = 3",
        "4 write = 2",
        "Line(\"two\")",
        "Line(\"three\")",
        "5 renameat2 = 0",
        "Line(\"four\")",
    ];
    assert_eq!(shape, expected);
    assert_eq!(whole.recording.weakened, 1);
    let sleeper = record_whole(&shell("echo x; sleep 100"), &options, Duration::from_millis(200));
    assert!(sleeper.expect("recorded").hung);
}

#[test]
fn nothing_is_left_when_the_talk_fails_or_panics() {
    let bench = Bench::new("driver");
    let root = bench.root();
    let options = RecordOptions::new(&root);
    let run = |panics: bool| {
        unplug_harness::record::record(&bench.target(&[]), &options, |_, _| {
            assert!(!panics, "as planned");
            Err::<(), _>(unplug_harness::base::HarnessError::Interrupted)
        })
        .is_err()
    };
    assert!(run(false));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(true)));
    assert!(caught.is_err());
    assert_eq!(common::running(bench.temp.path(), "driver"), Vec::<String>::new());
}

#[test]
fn a_program_that_fills_its_directory_is_stopped_before_the_disk_is_full() {
    let temp = tempfile::tempdir().expect("a directory");
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let script = "read -r number word dir; while :; do head -c 1000000 /dev/zero >>$dir/all; done";
    let mut options = RecordOptions::new(&root).pinned();
    options.room_bytes = 20 << 20;
    let requests = [Request::Open];
    let workload = Workload { dir: &root, requests: &requests, threads: 1, capabilities: None };
    let target = Target::new("grows", ["sh", "-c", script]);
    let (_, driven) = record_workload(&target, &options, &workload).expect("recorded");
    let End::Failed(DriverFault::TookRoom { taken_bytes, limit_bytes }) = driven.end else {
        panic!("{:?}", driven.end);
    };
    assert!(limit_bytes == 20 << 20 && taken_bytes > limit_bytes && taken_bytes < 1 << 30);
}

#[test]
fn several_recordings_run_at_once() {
    let bench = Bench::new("driver");
    let roots: Vec<PathBuf> = (0..4).map(|_| bench.root()).collect();
    let target = bench.target(&[]);
    let one = |root: &Path| {
        let requests = puts(10);
        let workload = Workload { dir: root, requests: &requests, threads: 1, capabilities: None };
        let (recording, driven) =
            record_workload(&target, &RecordOptions::new(root), &workload).expect("recorded");
        assert_eq!(driven.end, End::Finished);
        assert_true(&recording, root);
        shape(&recording)
    };
    let shapes: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = roots.iter().map(|root| scope.spawn(|| one(root))).collect();
        running.into_iter().map(|thread| thread.join().expect("done")).collect()
    });
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_call_stack_of_a_call_leads_to_the_line_that_made_it() {
    let bench = Bench::new("driver");
    for flags in [&[][..], &["-static"][..]] {
        let driver = compile(bench.temp.path(), "driver", flags);
        let root = bench.root();
        let mut options = RecordOptions::new(&root);
        options.stacks = unplug_harness::record::Stacks::All;
        let requests = puts(2);
        let workload = Workload { dir: &root, requests: &requests, threads: 1, capabilities: None };
        let target = Target::new("test", [driver.to_string_lossy()]);
        let (recording, _) = record_workload(&target, &options, &workload).expect("recorded");
        let sync = recording.trace.events.iter().position(
            |event| matches!(&event.kind, EventKind::Call(call) if &*call.name == "fsync"),
        );
        let sync = unplug_harness::trace::EventNo(sync.expect("a sync") as u32);
        let lines = recording.source(sync);
        let own = lines.iter().find(|line| line.is_own()).unwrap_or_else(|| panic!("{lines:?}"));
        let file = own.file.as_deref().expect("a file");
        assert!(file.ends_with("tests/programs/driver.c"), "{own}");
        let source = std::fs::read_to_string(file).expect("read");
        let line = source.lines().nth(own.line.expect("a line") as usize - 1).expect("there");
        assert!(line.contains("fsync(log)"), "{own}: {line}");
        assert_eq!(own.function.as_deref(), Some("main"));
    }
}
