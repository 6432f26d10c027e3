//! How many distinct images a second are recovered of a program that is slow: one that takes 0.2 s of
//! processor time to start and is forked, the same where it cannot be forked, and one that sleeps 0.25 s in
//! each `close`. One flawless log in Python, under the power fault, for a budget of time.
//!
//!     cargo bench --bench slow [-- SECONDS]
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::{Command, Stdio};

/// A log that is synced before each answer. `START` runs before it reads anything, `CLOSE` at each close.
const STORE: &str = r#"
import os, sys, threading, time, zlib
START
fd, table = None, {}
for line in sys.stdin:
    n, word, *w = line.rstrip("\n").split(" ")
    out, more = [], ""
    if word == "open":
        log, table, good = w[0] + "/log", {}, 0
        fd = os.open(log, os.O_RDWR | os.O_CREAT, 0o644)
        for record in open(log, errors="replace").read().split("\n")[:-1]:
            k, *v = record.split(" ")
            if len(v) != 2 or v[1] != str(zlib.crc32(v[0].encode())):
                break
            table[k], good = v[0], good + len(record) + 1
        os.ftruncate(fd, good)
        os.lseek(fd, good, os.SEEK_SET)
        os.fsync(fd)
        d = os.open(w[0], os.O_RDONLY); os.fsync(d); os.close(d)
        more = " durable=ackREOPEN"
    elif word == "put":
        data = f"{w[0]} {w[1]} {zlib.crc32(w[1].encode())}\n".encode()
        while data:
            data = data[os.write(fd, data[:1 + len(data) // 4]):]
        os.fsync(fd)
        table[w[0]] = w[1]
    elif word == "dump":
        out = [f"have {n} {k} {v}\n" for k, v in table.items()]
    elif word == "close":
        os.close(fd)
        CLOSE
    sys.stdout.write("".join(out) + f"ack {n}{more}\n")
    sys.stdout.flush()
"#;

const BURNS: &str = "while time.process_time() < 0.2: pass";

/// What it is called, and its START, CLOSE and REOPEN.
const PROGRAMS: [(&str, [&str; 3]); 3] = [
    ("slow start, forked", [BURNS, "pass", ""]),
    ("slow start, never forked", [BURNS, "pass", ""]),
    ("sleeps in close", ["", "time.sleep(0.25)", " reopen"]),
];
/// A program that has started a thread is never forked.
const THREAD: &str = "t = threading.Thread(target=int); t.start(); t.join()";

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20u64);
    let place = tempfile::tempdir().expect("a directory to write to");
    println!("a flawless log in Python under the power fault, --budget {seconds}s");
    println!("{:>26} {:>12} {:>10} {:>22}", "", "recoveries", "a second", "against never forked");
    let mut rates = Vec::new();
    for (name, [start, close, reopen]) in PROGRAMS {
        let start = match name.contains("never") {
            true => format!("{start}\n{THREAD}"),
            false => start.to_owned(),
        };
        let text = STORE.replace("START", &start).replace("CLOSE", close).replace("REOPEN", reopen);
        let (recoveries, elapsed) = run(&text, seconds, place.path());
        rates.push((name, recoveries, recoveries as f64 / elapsed));
    }
    let never = rates[1].2;
    for (name, recoveries, rate) in rates {
        println!("{name:>26} {recoveries:>12} {rate:>10.1} {:>22.1}", rate / never);
    }
}

/// Distinct images recovered, and seconds.
fn run(program: &str, seconds: u64, place: &Path) -> (u64, f64) {
    let (store, out) = (place.join("store.py"), place.join("out"));
    std::fs::write(&store, program).expect("written");
    let status = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["run", "--faults", "power", "--budget", &format!("{seconds}s"), "--out"])
        .arg(&out)
        .args(["--", "python3"])
        .arg(&store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("unplug starts");
    assert!(status.success(), "{status}");
    let folder = std::fs::read_dir(&out).expect("a report").next().expect("a report");
    let text = std::fs::read(folder.expect("a report").path().join("report.json")).expect("read");
    let report: serde_json::Value = serde_json::from_slice(&text).expect("a report");
    std::fs::remove_dir_all(&out).expect("removed");
    let power = &report["faults"]["power"];
    (power["recoveries"].as_u64().expect("a count"), power["elapsed_s"].as_f64().expect("a time"))
}
