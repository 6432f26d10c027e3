//! The right cause, once, with a remedy that helps: for each flaw the calls that are named, how small its case is,
//! and the remedy, which is then made: the store without the flaw, asked the same, shows nothing of it.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use support::{Place, Ran};

/// What a flaw is told as.
struct Row {
    /// The canary.
    flaw: &'static str,
    /// The same store without it.
    mended: &'static str,
    fault: &'static str,
    /// The kind that leads, or shows.
    kind: &'static str,
    /// Which calls' effects have to be lost, or what comes before what.
    mechanism: &'static str,
    /// How the remedy begins; nothing where there is none.
    remedy: &'static str,
    /// At most so many requests, where the case has a smaller workload of its own, and lost effects.
    most: (u64, usize),
}

macro_rules! rows {
    ($($flaw:literal = $mended:literal, $fault:literal $kind:literal: $mechanism:literal, $remedy:literal,
       $most:expr;)+) => {
        &[$(Row {
            flaw: concat!("canary:", $flaw),
            mended: $mended,
            fault: $fault,
            kind: $kind,
            mechanism: $mechanism,
            remedy: $remedy,
            most: $most,
        },)+]
    };
}

const ROWS: &[Row] = rows! {
    "no-fsync" = "canary", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after each such pwrite64", (3, 1);
    "ack-before-fsync" = "canary", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after each such pwrite64", (3, 1);
    "fsync-wrong-file" = "canary", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after each such pwrite64", (3, 1);
    "sync-file-range" = "canary", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after each such pwrite64", (3, 1);
    "close-not-synced" = "canary:relaxed", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after the last such pwrite64 before each `sync` and `close`", (3, 1);
    "no-dir-fsync" = "canary", "power" "refused": "rename of snap-# (name)",
        "add fsync of the store's directory after each such rename", (3, 1);
    "rename-over-unsynced" = "canary:renamed", "power" "refused": "pwrite64 of head.tmp (bytes)",
        "add fsync of head.tmp before each rename of head", (2, 1);
    "rename-new-unsynced" = "canary", "power" "refused": "write of snap.tmp (bytes)",
        "add fsync of snap.tmp after each such write", (3, 1);
    "log-removed-early" = "canary", "power" "refused": "pwrite64 of head (bytes)",
        "add fsync of head after each such pwrite64", (3, 1);
    "msync-missing" = "canary:mapped", "power" "refused": "store of head (bytes)",
        "add msync of head after each such store", (3, 1);
    "shared-header" = "canary", "power" "refused": "pwrite64 of head (bytes)",
        "add fsync of head before each pwrite64 of head at offset 0", (74, 2);
    "recovery-in-place" = "canary", "power" "lost-ack": "ftruncate of log-# before pwrite64 of log-#",
        "write the new elsewhere and switch to it", (74, 2);
    "recovery-trusts-cache" = "canary", "power" "vanished": "pwrite64 of log-# (bytes)",
        "add fsync of log-# in recovery, before `open` is answered", (74, 1);
    "batch-without-mark" = "canary", "power" "torn-batch": "pwrite64 of log-# before pwrite64 of log-#",
        "", (3, 1);
    "ack-before-write" = "canary", "kill" "lost-ack": "an acknowledgement before pwrite64 of log-#",
        "acknowledge only after pwrite64 of log-#", (202, 0);
    "user-buffer" = "canary", "kill" "lost-ack": "an acknowledgement before pwrite64 of head",
        "acknowledge only after pwrite64 of head", (202, 0);
    "delete-not-logged" = "canary", "kill" "lost-ack": "an acknowledgement before pwrite64 of head", "", (202, 0);
    "stale-lock" = "canary", "kill" "refused": "openat of lock before unlink of lock", "", (202, 0);
    "close-cuts-back" = "canary", "kill" "not-writable": "pwrite64 of log-# before pwrite64 of head", "", (202, 0);
    "ghost-key" = "canary", "kill" "ghost-key": "pwrite64 of log-# before pwrite64 of head", "", (202, 0);
    "recovery-panics" = "canary", "kill" "recovery-crashed": "pwrite64 of log-# before pwrite64 of head", "",
        (202, 0);
    "trims-on-close" = "canary", "kill" "unstable": "pwrite64 of log-# before pwrite64 of log-#", "", (202, 0);
    "group-acks-late-writes" = "canary:group", "power" "lost-ack": "pwrite64 of log-# (bytes)",
        "add fsync of log-# after each such pwrite64", (202, 1);
    "relaxed-skips-bad-frames" = "canary:relaxed", "power" "hole": "pwrite64 of log-# (bytes)",
        "end recovery at the first record that is missing", (202, 4);
    "segment-reuse" = "canary:recycled", "power" "lost-ack": "an acknowledgement before the end", "", (202, 2);
    "no-checksum" = "canary", "media" "corrupt-value": "damage of log-#", "", (202, 0);
    "checksum-skips-length" = "canary", "media" "ghost-key": "damage of log-#", "", (202, 0);
    "skips-bad-frames" = "canary", "media" "hole": "damage of log-#", "", (202, 0);
    "silent-tail" = "canary", "media" "silent-loss": "damage of log-#", "", (202, 0);
    "fsync-error-ignored" = "canary", "io" "lost-ack": "fdatasync of log-# failed",
        "answer the write during which the call failed", (202, 4);
    "fsync-retried" = "canary", "io" "lost-ack": "fdatasync of log-# failed",
        "answer the write during which the call failed", (202, 4);
    "close-error-ignored" = "canary:relaxed", "io" "lost-ack": "fdatasync of log-# failed",
        "answer the close during which the call failed", (202, 40);
    "group-followers-believe" = "canary:group", "io" "lost-ack": "fdatasync of log-# failed",
        "answer the write during which the call failed", (202, 12);
    "short-write" = "canary", "io" "lost-ack": "pwrite64 of log-# was cut short",
        "answer the write during which the call failed", (202, 0);
    "half-frame" = "canary", "io" "lost-ack": "pwrite64 of log-# failed", "cut log-# back to where it ended",
        (202, 0);
    "failed-write-kept" = "canary", "io" "lost-ack": "pwrite64 of log-# failed", "", (202, 0);
    "read-error-is-end" = "canary", "io" "lost-ack": "read of log-# failed",
        "pass the error on: answer the open", (202, 0);
};

/// The options of the flaw's scenario.
fn options(row: &Row) -> Vec<String> {
    let name = row.flaw.trim_start_matches("canary:");
    let file = format!("scenarios/canaries/{name}-{}.json", row.fault);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let scenario: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let options = scenario["options"].as_object().unwrap();
    let mut words = vec!["--faults".to_owned(), row.fault.to_owned()];
    for (name, value) in options.iter().filter(|(name, _)| *name != "faults") {
        let (name, value) = match name.as_str() {
            "value_bytes" => ("value-size".to_owned(), format!("{}..{}", value[0], value[1])),
            "profiles" => {
                let all = value.as_array().unwrap().iter().filter_map(Value::as_str);
                ("profile".to_owned(), all.collect::<Vec<_>>().join(","))
            }
            other => (other.replace('_', "-"), value.to_string().trim_matches('"').to_owned()),
        };
        words.extend([format!("--{name}"), value]);
    }
    words
}

fn run(place: &Place, engine: &str, options: &[String]) -> Ran {
    let mut words = vec![engine];
    words.extend(options.iter().map(String::as_str));
    place.torture(&words)
}

/// True if a finding or one of its symptoms is of this kind.
fn shows(finding: &Value, kind: &str) -> bool {
    let symptoms = finding["shows"].as_array().into_iter().flatten();
    finding["kind"] == kind || symptoms.into_iter().any(|one| one["kind"] == kind)
}

/// How many effects a crash state lost: `30 lost 17 19-21`.
fn lost(state: &str) -> usize {
    let words = state.split_whitespace().skip(1).filter(|word| word.starts_with(char::is_numeric));
    let count = |word: &str| match word.split_once('-') {
        Some((from, to)) => to.parse::<usize>().unwrap() + 1 - from.parse::<usize>().unwrap(),
        None => 1,
    };
    words.map(|word| count(word.split(':').next().unwrap_or(word))).sum()
}

/// What is wrong with what a flaw is told as; nothing if all is right.
fn wrong(row: &Row) -> Option<String> {
    let options = options(row);
    let place = Place::new();
    run(&place, row.flaw, &options).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let meant = |finding: &&Value| {
        finding["note"] == false
            && finding["cause"]["mechanism"] == row.mechanism
            && shows(finding, row.kind)
    };
    let found: Vec<&Value> = findings.iter().filter(meant).collect();
    let Some(finding) = found.first() else {
        let causes = findings.iter().map(|one| &one["cause"]["mechanism"]);
        return Some(format!(
            "no {} by {}: {:?}",
            row.kind,
            row.mechanism,
            causes.collect::<Vec<_>>()
        ));
    };
    let cause = &finding["cause"];
    let remedy = cause["counterfactual"].as_str().unwrap_or_default();
    if !remedy.starts_with(row.remedy) || remedy.is_empty() != row.remedy.is_empty() {
        return Some(format!("its remedy is `{remedy}`, and not `{}`", row.remedy));
    }
    let requests = cause["requests"].as_str().and_then(|text| text.split(' ').next()?.parse().ok());
    if requests.is_some_and(|requests: u64| requests > row.most.0) {
        return Some(format!("{} requests: {cause}", cause["requests"]));
    }
    let state = cause["state"].as_str().unwrap_or_default();
    if lost(state) > row.most.1 {
        return Some(format!("{} lost effects: {state}", lost(state)));
    }
    // What recovery made of it is told by its first reading of the log.
    let reads = finding["recovery"][0].as_str().unwrap_or_default();
    let of_recovery = matches!(row.kind, "ghost-key" | "hole") && row.fault != "media";
    let replayed = reads.starts_with("read of log-# at ") && reads.contains("replay.rs:");
    if of_recovery && !replayed {
        return Some(format!("its recovery is told as {}", finding["recovery"]));
    }
    let place = Place::new();
    run(&place, row.mended, &options).exits(0);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let same = |one: &&Value| one["cause"]["mechanism"] == row.mechanism && one["kind"] == row.kind;
    findings.iter().find(same).map(|one| format!("mended it is there all the same: {one}"))
}

#[test]
fn each_flaw_is_told_by_its_calls_and_gone_once_it_is_mended() {
    let next = Mutex::new(ROWS.iter());
    let mut all: Vec<String> = std::thread::scope(|scope| {
        let one = || {
            let mut wrongs = Vec::new();
            loop {
                let row = next.lock().unwrap().next();
                let Some(row) = row else { break wrongs };
                wrongs.extend(wrong(row).map(|text| format!("{}: {text}", row.flaw)));
            }
        };
        let threads = [scope.spawn(one), scope.spawn(one)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Drivers in Python: the bug, the switch that mends it, the fault, and how the remedy begins.
const PROGRAMS: [(&str, &str, &str, &str, &str); 9] = [
    ("kv.py", "nosync", "none", "power", "add fsync of log after each such pwrite64"),
    ("kv.py", "early", "none", "kill", "acknowledge only after pwrite64 of log"),
    (
        "inplace.py",
        "rename",
        "none",
        "power",
        "add fsync of the store's directory after each such rename",
    ),
    (
        "inplace.py",
        "header",
        "none",
        "power",
        "add fsync of wal after each such pwrite64 in a checkpoint",
    ),
    (
        "named.py",
        "recreate",
        "none",
        "power",
        "leave out unlink of all: make the new one under another name",
    ),
    (
        "named.py",
        "link",
        "linked",
        "power",
        "leave out unlink of current: make the new one under another name",
    ),
    ("segments.py", "last", "none", "power", "add fsync of #.seg before each openat of #.seg"),
    ("appends.py", "drops", "none", "kill,power", "end recovery at what is torn and keep all"),
    ("appends.py", "blind", "none", "power", "no sync, for power may be cut before it returns"),
];

/// Python without a shim before it; nothing where it is not here.
fn python() -> Option<String> {
    let asked = ["-c", "import os, sys; print(os.path.realpath(sys.executable))"];
    let Ok(asked) = Command::new("python3").args(asked).output() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: python3 is not here");
        return None;
    };
    Some(String::from_utf8(asked.stdout).unwrap().trim().to_owned())
}

#[test]
fn two_flaws_of_one_torn_record_are_two_findings() {
    let Some(python) = python() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/appends.py");
    let place = Place::new();
    let options = ["--faults", "kill,power", "--cases", "1500", "--ops", "120"];
    let start = ["--", &*python, path.to_str().unwrap(), "both"];
    place.torture(&[&options[..], &start].concat()).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let told = |one: &Value| {
        let remedy = one["cause"]["counterfactual"].as_str().unwrap_or_default();
        let remedy: Vec<&str> = remedy.split(' ').take(4).collect();
        format!("{}: {}", one["kind"].as_str().unwrap(), remedy.join(" "))
    };
    let told: Vec<String> = findings.iter().map(told).collect();
    assert_eq!(told, ["lost-ack: end recovery at what", "corrupt-value: no sync, for power"]);
}

#[test]
fn a_remedy_that_is_made_in_a_program_cures_it() {
    let Some(python) = python() else { return };
    let next = Mutex::new(PROGRAMS.iter());
    let one = || {
        loop {
            let row = next.lock().unwrap().next();
            let Some((program, bug, mended, fault, remedy)) = row else { break };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
            let start = ["--", &*python, path.to_str().unwrap()];
            let options = ["--faults", fault, "--cases", "400", "--ops", "120"];
            let place = Place::new();
            place.torture(&[&options[..], &start, &[bug]].concat()).exits(1);
            let report = place.report();
            let findings = report["findings"].as_array().unwrap();
            let told = |one: &&Value| {
                let told = one["cause"]["counterfactual"].as_str();
                one["note"] == false && told.is_some_and(|told| told.starts_with(remedy))
            };
            assert!(findings.iter().any(|one| told(&one)), "{program} {bug}: {findings:#?}");
            let place = Place::new();
            place.torture(&[&options[..], &start, &[mended]].concat()).exits(0);
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(one), scope.spawn(one)];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
