//! How many distinct images of a power cut are recovered and judged a second, through the driver, for
//! a workload of 200 requests: the store, redb, and SQLite (feature `sqlite`). What was answered from
//! memory stands beside it and is not in it. In the same run the crate `powercut`, which takes one
//! state at each acknowledgement, on the same store and the same requests, in one process.
//!
//!     cargo bench --bench power [--features sqlite] [-- ROUNDS]
#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use powercut::{Checker, CrashState, Scenario, ScratchDir, SyncJournal, Tier, Verdict, Violation};
use unplug::store::{Batch, Clock, Options, ReadError, Store};
use unplug_harness::workload::{Contents, Limits, Mix, Request, contents, generate};

/// The engines, each as `unplug run` names it, where this build has it.
const ENGINES: [(&str, bool); 3] =
    [("builtin", true), ("redb", cfg!(feature = "redb")), ("sqlite", cfg!(feature = "sqlite"))];

/// As many cases as a run without options has.
const CASES: &str = "16000";

/// One run's figures.
#[derive(Clone, Copy, Debug)]
struct Run {
    recoveries: u64,
    states: u64,
    from_memory: u64,
    elapsed: f64,
    /// On the processors, user and system, of everything that the run started.
    worked: f64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.recoveries as f64 / self.elapsed
    }
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3);
    let place = tempfile::tempdir().expect("a directory to write to");
    println!(
        "distinct images recovered and judged through the driver, 200 requests, median of {rounds}"
    );
    println!(
        "{:>10} {:>12} {:>10} {:>10} {:>14} {:>14}",
        "", "recoveries", "a second", "judged", "from memory", "CPU µs each"
    );
    for (engine, is_there) in ENGINES {
        if !is_there {
            println!("{engine:>10}   not in this build");
            continue;
        }
        let mut runs: Vec<Run> = (0..rounds.max(1)).map(|_| run(engine, place.path())).collect();
        runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let run = runs[runs.len() / 2];
        println!(
            "{engine:>10} {:>12} {:>10.0} {:>10} {:>14} {:>14.0}",
            run.recoveries,
            run.rate(),
            run.states,
            run.from_memory,
            run.worked / run.recoveries as f64 * 1e6
        );
    }
    let (states, elapsed) = peer();
    println!();
    println!(
        "powercut 0.1.1, the store in its own process, one state an acknowledgement: {states} states, \
         {:.0} a second",
        states as f64 / elapsed.as_secs_f64()
    );
}

/// `unplug run ENGINE --faults power`.
fn run(engine: &str, place: &Path) -> Run {
    let out = place.join(engine);
    let before = on_processors();
    let status = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["run", engine, "--faults", "power", "--cases", CASES, "--out"])
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("unplug starts");
    assert!(status.success(), "unplug run {engine}: {status}");
    let worked = (on_processors() - before).as_secs_f64();
    let report = std::fs::read_dir(&out)
        .expect("a report")
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("report.json")).ok())
        .next()
        .expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
    std::fs::remove_dir_all(&out).expect("removed");
    let power = &report["faults"]["power"];
    let count = |name: &str| power[name].as_u64().expect("a count");
    Run {
        recoveries: count("recoveries"),
        states: count("states"),
        from_memory: report["notes"].as_array().and_then(|notes| from_memory(notes)).unwrap_or(0),
        elapsed: power["elapsed_s"].as_f64().expect("a time"),
        worked,
    }
}

/// The number in the note "…, N of them answered from memory".
fn from_memory(notes: &[serde_json::Value]) -> Option<u64> {
    let note =
        notes.iter().filter_map(|note| note.as_str()).find(|note| note.contains("memory"))?;
    let words: Vec<&str> = note.split(' ').collect();
    let at = words.iter().position(|word| *word == "answered")?;
    words.get(at.checked_sub(3)?)?.parse().ok()
}

/// The processor time of every child that has ended.
fn on_processors() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what the children used");
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec() as u64, value.tv_usec() as u32 * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn options() -> Options {
    Options {
        segment_bytes: 32 << 10,
        checkpoint_bytes: Some(128 << 10),
        clock: Clock::fixed(0),
        ..Options::default()
    }
}

/// The store under `powercut`: what it says was synced is what the store has synced at its
/// acknowledgement, which is every file.
fn peer() -> (u64, Duration) {
    if Path::new("/dev/shm").is_dir() {
        // SAFETY: nothing else runs in this process.
        unsafe { std::env::set_var("TMPDIR", "/dev/shm") };
    }
    let limits =
        Limits { del: true, batch: true, sync: true, checkpoint: true, max_value: 200_000 };
    let workload = generate(&Mix::default(), &limits, 42);
    let scratch = ScratchDir::new("store").expect("a directory");
    let (store, _) = Store::open(scratch.path(), options()).expect("a new store");
    let mut promised = Contents::new();
    let (mut states, mut spent) = (0, Duration::ZERO);
    for request in &workload.requests {
        if request.mutations().is_empty() {
            continue;
        }
        let journal = SyncJournal::complete();
        let start = Instant::now();
        let acked = Scenario::new(scratch.path(), journal.clone())
            .label("acknowledged")
            .tier(Tier::PowerCut)
            .ack(|| {
                write(&store, request);
                for entry in std::fs::read_dir(scratch.path()).expect("the store") {
                    journal.sync_path(entry.expect("an entry").path()).expect("a sync");
                }
                journal.sync_dir(scratch.path()).expect("a sync");
                request.mutations().iter().for_each(|one| contents::apply(&mut promised, one));
                promised.clone()
            })
            .expect("a state");
        let report = acked.check(check);
        spent += start.elapsed();
        states += 1;
        assert_eq!(report.verdict(), Verdict::Survived, "{}", report.to_text());
    }
    (states, spent)
}

fn write(store: &Store, request: &Request) {
    let mut batch = Batch::default();
    for mutation in request.mutations() {
        let key = mutation.key().as_str().as_bytes();
        match mutation.value() {
            Some(value) => batch.put(key, value.as_str().as_bytes()),
            None => batch.del(key),
        };
    }
    store.apply(&batch).expect("room");
}

/// Opens what survived and compares every pair with what was acknowledged.
fn check(crash: &CrashState, promised: &Contents) -> Vec<Violation> {
    let mut checker = Checker::new();
    let (store, _) = Store::open(crash.dir(), options()).expect("recovery");
    let held = Cell::new(0);
    let mut pairs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let each = |key: &[u8], value: &[u8]| {
        held.set(held.get() + 1);
        pairs.insert(key.to_vec(), value.to_vec());
        Ok::<(), ReadError>(())
    };
    store.scan(b"", each).expect("a dump");
    for (key, value) in promised {
        let found = pairs.get(key.as_str().as_bytes()).map(Vec::as_slice);
        checker.survives(key.as_str(), Some(value.as_str().as_bytes()), found);
    }
    checker.survives("the number of pairs", promised.len(), held.get());
    checker.finish()
}
