//! Programs that are not ours, from end to end: a statically linked driver in C, one in Go, and a driver
//! that starts a real server. A server that is not installed, and that this machine does
//! not let us install, is a test skipped loudly.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::Place;

const SMALL: [&str; 6] = ["--faults", "power", "--value-size", "1..900", "--reopen-every", "9"];

/// True if `program` is there; said loudly where it is not.
fn is_here(program: &str) -> bool {
    let there = found(program);
    if !there {
        // Not through `eprintln!`: what a passed test prints is kept back.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not here and not to be had");
    }
    there
}

fn found(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.is_ok_and(|found| found.status.success())
}

/// The same, or it could be installed as `package` by whoever runs this.
fn have(program: &str, package: &str) -> bool {
    if !found(program) && nix::unistd::geteuid().is_root() {
        let _ = Command::new("timeout")
            .args(["120", "apt-get", "install", "-y", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output();
    }
    is_here(program)
}

#[test]
fn a_statically_linked_driver_in_c_is_recorded_and_holds() {
    if !have("cc", "gcc") {
        return;
    }
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("append_log");
    let program = program.to_str().unwrap();
    let cc = ["-static", "-O2", "-Wall", "-o", program, "harness/drivers/append_log.c"];
    let root = env!("CARGO_MANIFEST_DIR");
    assert!(Command::new("cc").args(cc).current_dir(root).status().unwrap().success());
    let rest = ["--ops", "24", "--cases", "150", "--", program];
    let ran = place.torture(&[&SMALL[..], &rest].concat());
    ran.exits(0);
    assert_eq!(place.report()["totals"]["recoveries"], 150, "{}", ran.stdout);
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}

#[test]
fn what_a_process_does_with_later_stores_neither_accuses_a_program_nor_hides_its_mistake() {
    if !have("cc", "gcc") {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let honest = std::fs::read_to_string(root.join("harness/drivers/append_log.c")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let counting = honest.replace(
        "static int open_store(void) {",
        "static int stores;\nstatic int open_store(void) {\n    stores++;",
    );
    let sync = "fdatasync(log_fd)";
    let rewrite = "fsync(new_fd) || rename(beside, path)";
    let programs = [
        // Careless with its third store and those after it: no user's process has so many.
        (counting.replace(sync, &format!("(stores < 3 && {sync})")), 0),
        // Names that count, and a log that every recovery of a new process writes in place.
        (
            counting
                .replace("\"%s/log.new\", dir)", "\"%s/log.new%d\", dir, stores)")
                .replace(
                    rewrite,
                    "fsync(new_fd) || (stores == 1 ? in_place(new_fd) : rename(beside, path))",
                )
                .replace(
                    "O_WRONLY | O_CREAT | O_TRUNC | O_APPEND",
                    "O_RDWR | O_CREAT | O_TRUNC | O_APPEND",
                )
                .replace("static int stores;", IN_PLACE),
            1,
        ),
    ];
    for (nth, (text, code)) in programs.into_iter().enumerate() {
        let source = folder.path().join("driver.c");
        std::fs::write(&source, text).unwrap();
        let program = folder.path().join(format!("driver{nth}"));
        let cc = [source.as_os_str(), "-O2".as_ref(), "-o".as_ref(), program.as_os_str()];
        assert!(Command::new("cc").args(cc).status().unwrap().success());
        let place = Place::new();
        let some = ["--faults", "power", "--ops", "12", "--value-size", "1..900"];
        let rest = ["--reopen-every", "0", "--cases", "200", "--", program.to_str().unwrap()];
        place.torture(&[&some[..], &rest].concat()).exits(code);
    }
}

/// Copies a new log over the old one, byte by byte.
const IN_PLACE: &str = r#"
static int stores;
static int in_place(int new_fd) {
    static char bytes[1 << 20];
    ssize_t count = pread(new_fd, bytes, sizeof bytes, 0);
    int old_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int bad = count < 0 || old_fd < 0 || write(old_fd, bytes, (size_t)count) != count || fsync(old_fd);
    close(old_fd);
    return bad || rename(beside, path);
}
"#;

#[test]
fn a_driver_that_starts_a_real_redis_server_is_recorded_and_judged() {
    if !have("redis-server", "redis-server") || !have("python3", "python3") {
        return;
    }
    let place = Place::new();
    let driver = ["--", "python3", "harness/drivers/redis_driver.py"];
    let some = ["--ops", "12", "--cases", "40"];
    let ran = place.torture(&[&SMALL[..], &some, &driver].concat());
    let report = place.report();
    // A log without checksums: versions differ in what they make of a tail that arrived in part. But
    // what `appendfsync always` acknowledged must be there, and everything must have been seen.
    assert!(matches!(ran.code, Some(0 | 1)), "{}\n{}", ran.stdout, ran.stderr);
    assert!(report["totals"]["recoveries"].as_u64() >= Some(30), "{}", ran.stdout);
    assert!(report["unmodelled_calls"].as_object().is_some_and(|calls| calls.is_empty()));
    for finding in report["findings"].as_array().unwrap() {
        let lost = finding["kind"] == "lost-ack" && finding["note"] == false;
        assert!(!lost, "{}", ran.stdout);
    }
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}

/// A log whose length is kept in an extended attribute, and not in any byte.
const ATTRIBUTED: &str = r#"
import os, sys
LOG, END = "log", "user.end"
for line in sys.stdin:
    number, word, *rest = line.rstrip("\n").split(" ")
    reply = "ack " + number
    if word == "open":
        os.chdir(" ".join(rest))
        pairs, log = {}, os.open(LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        text = os.read(log, 1 << 24).decode()
        try:
            end = int(os.getxattr(LOG, END))
        except OSError:
            end = 0
        for pair in text[:end].splitlines():
            key, value = pair.split(" ", 1)
            pairs[key] = value
        reply += " durable=none kill=ack"
        if text and not end:
            reply = "refused " + number + " the log has no end"
    elif word == "put":
        os.write(log, (" ".join(rest) + "\n").encode())
        os.setxattr(LOG, END, str(os.stat(LOG).st_size).encode())
        pairs[rest[0]] = " ".join(rest[1:])
    elif word == "dump":
        for key in sorted(pairs):
            print("have", number, key, pairs[key])
    elif word == "close":
        os.close(log)
    print(reply, flush=True)
"#;

#[test]
fn what_a_store_keeps_where_no_image_has_it_is_not_measured_and_accuses_nobody() {
    if !have("python3", "python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let driver = folder.path().join("attributed.py");
    std::fs::write(&driver, ATTRIBUTED).unwrap();
    let driver = ["--ops", "12", "--cases", "40", "--", "python3", driver.to_str().unwrap()];
    for fault in ["kill", "power", "io"] {
        let place = Place::new();
        let ran =
            place.torture(&[&["--faults", fault, "--value-size", "1..900"], &driver[..]].concat());
        ran.exits(4);
        assert!(ran.stdout.contains("setxattr"), "{fault}: {}", ran.stdout);
        assert_eq!(place.report()["findings"], serde_json::json!([]), "{fault}");
    }
}

#[test]
fn a_driver_in_go_with_group_commit_holds_and_without_its_sync_is_found() {
    // Not installed by us: what distributions have is often too old for it (1.21).
    if !is_here("go") {
        return;
    }
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("group_commit");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([program.as_os_str(), "harness/drivers/group_commit.go".as_ref()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HOME", folder.path())
        .env("GOCACHE", folder.path().join("cache"))
        .env("GO111MODULE", "off")
        .env("GOTOOLCHAIN", "local")
        .status();
    assert!(built.unwrap().success());
    let program = program.to_str().unwrap();
    let some = ["--faults", "power,io", "--ops", "30", "--value-size", "1..900", "--cases", "150"];
    place.torture(&[&some[..], &["--", program]].concat()).exits(0);
    let ran = place.torture(&[&some[..], &["--", program, "nosync"]].concat());
    ran.exits(1);
    let own = "at: ";
    let line = ran.stdout.lines().find_map(|line| line.trim().strip_prefix(own)).expect("a line");
    assert!(line.contains("group_commit.go:") && line.ends_with("main.commit"), "{line}");
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}
