//! The recorder on real programs: the replayed trace is the directory that the program left.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use common::{assert_true, calls, compile, run};
use unplug_harness::record::RecordOptions;
use unplug_harness::trace::{EventKind, FileOp};

#[test]
fn a_program_that_uses_each_modelled_call_once_is_recorded_true() {
    let temp = tempfile::tempdir().expect("a directory");
    for flags in [&[][..], &["-static"][..]] {
        let program = compile(temp.path(), "calls", flags);
        let root = temp.path().join(format!("root{}", flags.len()));
        std::fs::create_dir(&root).expect("made");
        let recording = run(&[program.as_os_str(), root.as_os_str()], &RecordOptions::new(&root));
        assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
        assert_eq!(recording.trace.blind, Vec::<String>::new());
        assert!(recording.trace.unmodelled.is_empty(), "{:?}", recording.trace.unmodelled);
        assert_true(&recording, &root);
        let seen: BTreeSet<String> = calls(&recording.trace).into_iter().collect();
        for name in "write pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range openat \
            openat2 truncate ftruncate fallocate mkdir mkdirat rmdir unlink unlinkat rename renameat \
            renameat2 link linkat symlink symlinkat fsync fdatasync msync sync syncfs \
            sync_file_range bind store"
            .split_whitespace()
        {
            assert!(seen.contains(name), "{name} was not seen");
        }
    }
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_that_names_it() {
    let temp = tempfile::tempdir().expect("a directory");
    let target = unplug_harness::driver::Target::new("x", ["/no/such/program"]);
    let options = RecordOptions::new(temp.path());
    let error = unplug_harness::record::record(&target, &options, |_, _| Ok(())).expect_err("none");
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn python_with_sqlite_is_recorded_true() {
    let script = "import sqlite3, sys\n\
        for mode in ('wal', 'delete', 'truncate', 'persist'):\n\
        \x20   db = sqlite3.connect(sys.argv[1] + '/' + mode + '.db')\n\
        \x20   db.execute('pragma journal_mode=' + mode)\n\
        \x20   db.execute('create table t(k, v)')\n\
        \x20   for i in range(20):\n\
        \x20       db.execute('insert into t values(?, ?)', (i, 'x' * 1000))\n\
        \x20       db.commit()\n\
        \x20   if mode != 'wal': db.close()\n";
    let temp = tempfile::tempdir().expect("a directory");
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let words = ["python3", "-c", script].map(OsStr::new);
    let argv: Vec<&OsStr> = words.into_iter().chain([root.as_os_str()]).collect();
    let recording = run(&argv, &RecordOptions::new(&root));
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    assert_eq!(recording.trace.blind, Vec::<String>::new());
    assert_true(&recording, &root);
}

#[test]
fn threads_that_write_at_once_are_recorded_in_the_order_of_effect() {
    let temp = tempfile::tempdir().expect("a directory");
    let program = compile(temp.path(), "threads", &[]);
    for seed in 0..4 {
        let root = temp.path().join(format!("root{seed}"));
        std::fs::create_dir(&root).expect("made");
        let mut options = RecordOptions::new(&root);
        options.seed = seed;
        if seed % 2 == 0 {
            options = options.pinned();
        }
        let recording = run(&[program.as_os_str(), root.as_os_str()], &options);
        assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
        assert_eq!(recording.trace.blind, Vec::<String>::new());
        assert_true(&recording, &root);
        let threads: BTreeSet<u32> =
            recording.trace.events.iter().map(|event| event.thread).collect();
        assert!(threads.len() >= 9, "{threads:?}");
    }
}

#[test]
fn forks_vforks_and_execs_are_followed_and_a_daemon_ends_with_the_program() {
    let temp = tempfile::tempdir().expect("a directory");
    let program = compile(temp.path(), "forks", &[]);
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let recording = run(&[program.as_os_str(), root.as_os_str()], &RecordOptions::new(&root));
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    assert_eq!(recording.trace.blind, Vec::<String>::new());
    assert_true(&recording, &root);
    let text = |name: &str| std::fs::read_to_string(root.join(name)).expect(name);
    assert_eq!(text("exec"), "from a thread".repeat(5));
    assert_eq!(text("vforked"), "vvvvv");
    assert_eq!(text("grandchild"), "!!!!!");
    assert_eq!(text("daemon"), "alive");
    let name = program.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(common::running(temp.path(), &name), Vec::<String>::new());
}

#[test]
fn stores_into_a_large_sparse_mapping_are_found_between_the_calls() {
    let temp = tempfile::tempdir().expect("a directory");
    let program = compile(temp.path(), "mapper", &[]);
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let start = std::time::Instant::now();
    let recording = run(&[program.as_os_str(), root.as_os_str()], &RecordOptions::new(&root));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    assert_eq!(recording.trace.blind, Vec::<String>::new());
    let calls = calls(&recording.trace);
    // Page and header of each round stand before the msync that makes them durable.
    let round = ["store", "msync", "store", "msync", "write"];
    let rounds = calls.windows(5).filter(|window| *window == round).count();
    assert_eq!(rounds, 50, "{calls:?}");
    assert_eq!(calls.last().map(String::as_str), Some("store"), "found at the exit");
    assert_eq!(recording.differences(&root).expect("compared"), Vec::<String>::new());
}

#[test]
fn a_call_that_blocks_on_another_process_does_not_keep_the_token() {
    let temp = tempfile::tempdir().expect("a directory");
    let program = compile(temp.path(), "lease", &[]);
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let recording = run(&[program.as_os_str(), root.as_os_str()], &RecordOptions::new(&root));
    if recording.exit.contains("77") {
        return; // no leases on this file system
    }
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    assert_true(&recording, &root);
}

/// Each storing thread stores a number on one page and then on the next: at no event may the trace
/// know the second store without the first.
#[test]
fn stores_of_running_threads_are_seen_in_an_order_that_was() {
    use unplug_harness::trace::sparse::Sparse;
    use unplug_harness::trace::{EventKind, FileOp, Via};
    let temp = tempfile::tempdir().expect("a directory");
    let program = compile(temp.path(), "mapthreads", &[]);
    for pinned in [true, false] {
        let root = temp.path().join(format!("root-{pinned}"));
        std::fs::create_dir(&root).expect("made");
        let options = RecordOptions::new(&root);
        let options = if pinned { options.pinned() } else { options };
        let recording = run(&[program.as_os_str(), root.as_os_str()], &options);
        assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
        assert_true(&recording, &root);
        let mut map = Sparse::default();
        let mut stores = 0;
        let number = |map: &Sparse, at: u64| {
            map.read(at, 4).iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
        };
        for (index, event) in recording.trace.events.iter().enumerate() {
            let EventKind::Call(call) = &event.kind else { continue };
            if let FileOp::Write { offset, bytes, via: Via::Mapping, .. } = &call.op {
                map.write(*offset, bytes);
                stores += 1;
                continue;
            }
            for thread in 0..2 {
                let (first, second) =
                    (number(&map, thread * 8 * 4096), number(&map, thread * 8 * 4096 + 4096));
                assert!(first == second || first == second + 1, "{index}: {first} {second}");
            }
        }
        assert!(stores > 20, "{stores}");
    }
}

#[test]
fn a_static_go_program_is_recorded_true() {
    let temp = tempfile::tempdir().expect("a directory");
    let program = temp.path().join("gopher");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/gopher.go");
    let made = std::process::Command::new("go")
        .arg("build")
        .arg("-o")
        .args([&program, &source])
        .env("CGO_ENABLED", "0")
        .env("HOME", temp.path())
        .env("GOCACHE", temp.path().join("cache"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        // Loudly: the harness prints the output of a test only when asked to, so this goes to the
        // terminal itself where there is one.
        let _ = std::fs::write("/dev/tty", "skipped: there is no Go compiler\n");
        return;
    }
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    let options = RecordOptions::new(&root).pinned();
    let recording = run(&[program.as_os_str(), root.as_os_str()], &options);
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    assert_eq!(recording.trace.blind, Vec::<String>::new());
    assert_true(&recording, &root);
}

/// What was stored before a sync that failed is clean and lost; a program that stores the same bytes again
/// before it syncs again is not accused, though no comparison can see that it did.
#[test]
fn after_a_failed_sync_what_is_mapped_may_have_been_stored_again() {
    let script = "import mmap, os, sys\n\
        f = os.open(sys.argv[1] + '/map', os.O_RDWR | os.O_CREAT)\nos.ftruncate(f, 8192)\n\
        m = mmap.mmap(f, 8192)\nm[0:3] = b'abc'\n\
        try: m.flush()\n\
        except OSError: pass\n\
        os.ftruncate(f, 8192)\nm[0:3] = b'abc'\nm.flush()\n";
    let temp = tempfile::tempdir().expect("a directory");
    let record = |name: &str, plan: &str| {
        let root = temp.path().join(name);
        std::fs::create_dir(&root).expect("made");
        let options = RecordOptions::new(&root).with_plan(plan.parse().expect("a plan"));
        let argv = ["python3", "-c", script].map(std::ffi::OsStr::new);
        let recording = run(&[&argv[..], &[root.as_os_str()]].concat(), &options);
        assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
        calls(&recording.trace)
    };
    let before = ["openat", "ftruncate", "store", "msync", "ftruncate"];
    assert_eq!(record("plain", ""), [&before[..], &["msync"]].concat());
    assert_eq!(record("failed", "fail:3:EIO:once"), [&before[..], &["store", "msync"]].concat());
}

#[test]
fn a_failed_sync_is_told_to_each_descriptor_that_was_open_then() {
    let script = "import os, sys\n\
        path = sys.argv[1] + '/f'\n\
        a = os.open(path, os.O_CREAT | os.O_RDWR)\n\
        b, same = os.open(path, os.O_RDWR), os.dup(a)\n\
        def fails(fd):\n\
        \x20   try: os.fsync(fd)\n\
        \x20   except OSError as error: return error.errno == 5\n\
        \x20   return False\n\
        os.write(a, b'x')\n\
        told = [fails(a), fails(same), fails(b), fails(b)]\n\
        os.close(b)\n\
        told.append(fails(os.open(path, os.O_RDWR)))\n\
        sys.exit(told != [True, False, True, False, False])\n";
    let temp = tempfile::tempdir().expect("a directory");
    let root = temp.path().join("root");
    std::fs::create_dir(&root).expect("made");
    // Of what it calls these are numbered: openat, openat, write, fsync.
    let options = RecordOptions::new(&root).with_plan("fail:4:EIO:once".parse().expect("a plan"));
    let argv = ["python3", "-c", script].map(OsStr::new);
    let argv: Vec<&OsStr> = argv.into_iter().chain([root.as_os_str()]).collect();
    let recording = run(&argv, &options);
    assert!(recording.clean, "{}: {}", recording.exit, recording.stderr);
    let synced: Vec<bool> = recording
        .trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Call(call) => match call.op {
                FileOp::Sync { .. } => Some(true),
                FileOp::FailedSync { .. } => Some(false),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(synced, [false, true, true, true, true], "what tells of a failure did its work");
    assert_eq!(recording.struck, 1);
}
