//! What unplug does not see it does not judge: correct stores whose answers, paths or writes the recorder
//! cannot follow, that need a call which the recorder refuses, or a file system that has more than one in
//! memory, are never accused.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Place, Ran};
use unplug_harness::base::file_system;

/// The store of `harness/tests/programs/unseen.c`, compiled.
struct Program {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unseen");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/tests/programs/unseen.c");
        let cc = ["-O1".as_ref(), "-o".as_ref(), path.as_os_str(), source.as_os_str()];
        assert!(Command::new("cc").args(cc).status().unwrap().success());
        Self { _folder: folder, path }
    }

    fn torture(&self, mode: &str, faults: &str) -> (Ran, Place) {
        let place = Place::new();
        let some = ["--faults", faults, "--cases", "50", "--ops", "20", "--value-size", "1..900"];
        let rest = ["--reopen-every", "9", "--", self.path.to_str().unwrap(), mode];
        let ran = place.torture(&[&some[..], &rest].concat());
        assert!(place.processes().is_empty() && place.leftovers().is_empty(), "{mode}");
        (ran, place)
    }
}

/// Said loudly, and not through `eprintln!`, which a passed test keeps back.
fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

#[track_caller]
fn accuses_nobody(program: &Program, mode: &str, word: &str) {
    let (ran, place) = program.torture(mode, "kill,power,io");
    ran.exits(4).says("not visible").says(word);
    assert_eq!(place.report()["findings"], json!([]), "{mode}: {}", ran.stdout);
}

#[test]
fn answers_that_were_not_read_accuse_nobody() {
    let program = Program::new();
    for mode in ["vmsplice", "tee", "splice", "sendfile"] {
        accuses_nobody(&program, mode, mode);
    }
}

#[test]
fn writes_by_32_bit_code_accuse_nobody() {
    accuses_nobody(&Program::new(), "32bit", "32-bit");
}

#[test]
fn a_root_or_a_mount_of_the_program_s_own_accuses_nobody() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("chroot and mount need root");
    }
    let program = Program::new();
    accuses_nobody(&program, "chroot", "chroot");
    accuses_nobody(&program, "bind", "mount");
}

#[test]
fn live_kills_of_a_program_whose_answers_the_recorder_does_not_read_are_judged_all_the_same() {
    let (ran, place) = Program::new().torture("splice", "kill");
    ran.exits(4);
    assert!(place.report()["faults"]["kill"]["states"].as_u64() > Some(0), "{}", ran.stdout);
}

#[test]
fn a_store_that_opens_its_files_below_a_root_of_the_call_s_own_is_recorded_and_holds() {
    let program = Program::new();
    for mode in ["plain", "inroot", "beneath"] {
        let (ran, place) = program.torture(mode, "kill,power");
        ran.exits(0);
        assert!(place.report()["totals"]["recoveries"].as_u64() >= Some(50), "{mode}");
        assert_eq!(place.report()["blind"], json!([]), "{mode}");
    }
}

#[test]
fn a_program_that_fails_for_a_call_that_the_recorder_refuses_is_not_measured_and_the_call_is_named()
{
    let program = Program::new();
    for (mode, call) in
        [("uring", "io_uring_setup"), ("uring-err", "io_uring_setup"), ("aio", "io_setup")]
    {
        accuses_nobody(&program, mode, call);
    }
}

#[test]
fn a_program_that_memory_is_not_enough_for_stands_on_a_real_file_system_and_the_report_says_so() {
    let temp = std::env::temp_dir();
    let real = file_system::name(&temp);
    if !matches!(real.as_str(), "ext4" | "xfs") {
        return skipped("fallocate(ZERO_RANGE) needs ext4 or xfs below TMPDIR");
    }
    let program = Program::new();
    let (ran, place) = program.torture("zero", "kill,power");
    ran.exits(0).says(&format!("file system: {real}"));
    assert_eq!(place.report()["file_system"], Value::from(real), "{}", ran.stdout);
    assert!(place.report()["totals"]["recoveries"].as_u64() >= Some(50));
}

#[test]
fn a_program_that_runs_on_no_file_system_is_no_verdict() {
    let (ran, _) = Program::new().torture("never", "power");
    ran.exits(3).says("an empty store was opened and closed");
}
