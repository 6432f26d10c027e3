//! `unplug replay` asked what its users ask: does today's build of the program still have this? For each
//! fault a store with a planted bug, its fix, a fix elsewhere, a refactoring, and a store that makes other
//! calls; then what a replay is given and how it ends.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Place, Ran};

/// A workload with several checkpoints and reopens in it.
const SMALL: [&str; 8] =
    ["--ops", "30", "--value-size", "1..300", "--checkpoint-every", "8", "--reopen-every", "13"];

/// The interpreter; nothing where there is none, said loudly.
fn python() -> Option<String> {
    let asked = ["-c", "import os, sys; print(os.path.realpath(sys.executable))"];
    match Command::new("python3").args(asked).output() {
        Ok(said) if said.status.success() => {
            Some(String::from_utf8(said.stdout).ok()?.trim().into())
        }
        _ => {
            // Not through `eprintln!`: what a passed test prints is kept back.
            let _ = writeln!(std::io::stderr(), "SKIPPED: python3 is not here");
            None
        }
    }
}

/// The store of tests/programs/kv.py with these bugs and, after a blank, in this style.
fn store<'a>(python: &'a str, variant: &'a str) -> Vec<&'a str> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/kv.py");
    ["--", python, program].into_iter().chain(variant.split(' ')).collect()
}

/// The scenario of the first finding of `place` whose kind and cause have these words.
fn scenario(place: &Place, words: [&str; 2]) -> PathBuf {
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let is_meant = |finding: &&serde_json::Value| {
        let text = format!("{} {}", finding["kind"], finding["cause"]["sentence"]);
        words.iter().all(|word| text.contains(word)) && finding["note"] == false
    };
    let found = findings.iter().find(is_meant);
    let found = found.unwrap_or_else(|| panic!("no finding of {words:?} in {findings:#?}"));
    place.only_run().join(found["scenario"].as_str().unwrap())
}

/// Runs the store with these bugs, and gives the scenario of the finding with these words.
fn found(place: &Place, variant: &str, run: [&str; 4], words: [&str; 2]) -> Option<PathBuf> {
    let python = python()?;
    place.torture(&[&SMALL[..], &run, &store(&python, variant)[..]].concat()).exits(1);
    Some(scenario(place, words))
}

fn replay(place: &Place, path: &Path, options: &[&str], variant: &str) -> Ran {
    let python = python().unwrap();
    let path = path.to_str().unwrap();
    let asked =
        [&["replay", "--cases", "150", path][..], options, &store(&python, variant)[..]].concat();
    place.run(&asked)
}

/// Each variant of the store gets its answer: `still fails` and `changed, violated` are what the scenario
/// expects, `fixed` and `changed, held` are what `--expect held` does.
fn table(place: &Place, path: &Path, rows: &[(&str, &str)]) {
    for (variant, answer) in rows {
        let fails = answer.contains("fails") || answer.contains("violated");
        let ran = replay(place, path, &[], variant);
        ran.exits(i32::from(!fails)).says(&format!(": {answer}"));
        if !fails {
            replay(place, path, &["--expect", "held"], variant).exits(0).says("as expected");
        } else if variant == &rows[0].0 {
            replay(place, path, &["--expect", "held"], variant).exits(1).says("UNEXPECTED");
        }
    }
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_kill_of_a_store_that_acknowledges_early_is_answered() {
    let place = Place::new();
    let run = ["--faults", "kill", "--cases", "80"];
    let words = ["lost-ack", "a write is acknowledged before pwrite64 of log"];
    let Some(path) = found(&place, "early,nocheck", run, words) else { return };
    table(
        &place,
        &path,
        &[
            ("early,nocheck", "still fails: lost-ack"),
            ("nocheck", "fixed"),
            ("early", "still fails: lost-ack"),
            ("early,nocheck refactored", "still fails: lost-ack"),
            ("nocheck refactored", "fixed"),
            ("early other", "changed, violated: lost-ack"),
            ("none other", "changed, held"),
        ],
    );
}

#[test]
fn a_live_process_that_was_killed_is_answered() {
    let place = Place::new();
    if python().is_none() {
        return;
    }
    // From a run that had no recorded kill to show the same.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/live-kill/scenario.json");
    table(
        &place,
        Path::new(path),
        &[
            ("early", "still fails: lost-ack"),
            ("none", "fixed"),
            ("early refactored", "still fails: lost-ack"),
            ("early other", "changed, violated: lost-ack"),
            ("none other", "changed, held"),
        ],
    );
}

#[test]
fn a_power_cut_that_takes_what_was_not_synced_is_answered() {
    let place = Place::new();
    let run = ["--faults", "power", "--cases", "100"];
    let words = ["lost-ack", "what pwrite64 puts into log"];
    let Some(path) = found(&place, "nosync,ignore", run, words) else { return };
    table(
        &place,
        &path,
        &[
            ("nosync,ignore", "still fails: lost-ack"),
            ("ignore", "fixed"),
            ("nosync", "still fails: lost-ack"),
            ("nosync,ignore refactored", "still fails: lost-ack"),
            ("nosync random", "still fails: lost-ack"),
            ("none random", "fixed"),
            ("nosync other", "changed, violated: lost-ack"),
            ("none other", "changed, held"),
        ],
    );
}

#[test]
fn a_rename_that_a_power_cut_takes_back_is_fixed_while_another_bug_is_still_there() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/inplace.py");
    let bugs = |bugs| ["--", &python, program, bugs];
    let run = ["--faults", "power", "--cases", "400"];
    place.torture(&[&SMALL[..], &run, &bugs("rename,header")].concat()).exits(1);
    let path = scenario(&place, ["lost-ack", "the name snap that rename makes"]);
    let path = path.to_str().unwrap();
    let asked = |variant| {
        let asked = [&["replay", path][..], &bugs(variant)].concat();
        place.run(&asked)
    };
    asked("rename,header").exits(0).says(": still fails: lost-ack");
    asked("header").exits(1).says(": fixed").says("fsync of .");
    asked("rename").exits(0).says(": still fails: lost-ack");
    asked("none").exits(1).says(": fixed");
}

#[test]
fn damage_that_is_believed_is_answered() {
    let place = Place::new();
    let run = ["--faults", "media", "--cases", "150"];
    let Some(path) = found(&place, "nocheck,ignore", run, ["corrupt-value", "log"]) else { return };
    table(
        &place,
        &path,
        &[
            ("nocheck,ignore", "still fails: corrupt-value"),
            ("ignore", "fixed"),
            ("nocheck", "still fails: corrupt-value"),
            ("nocheck,ignore refactored", "still fails: corrupt-value"),
            ("nocheck,early", "changed, violated: corrupt-value"),
            ("nocheck other", "changed, violated: corrupt-value"),
            ("none other", "changed, held"),
        ],
    );
}

#[test]
fn a_failed_sync_that_is_ignored_is_answered() {
    let place = Place::new();
    let run = ["--faults", "io", "--cases", "100"];
    let Some(path) = found(&place, "ignore,nocheck", run, ["lost-ack", "sync of log"]) else {
        return;
    };
    let python = python().unwrap();
    let cases = |variant| {
        let path = path.to_str().unwrap();
        place.run(&[&["replay", "--cases", "12", path][..], &store(&python, variant)[..]].concat())
    };
    cases("ignore,nocheck").exits(0).says(": still fails: lost-ack");
    cases("nocheck").exits(1).says(": fixed");
    cases("ignore").exits(0).says(": still fails: lost-ack");
    cases("ignore,nocheck refactored").exits(0).says(": still fails: lost-ack");
    cases("ignore random").exits(0).says(": still fails: lost-ack");
    cases("none other").exits(1).says(": changed, held");
    table(&place, &path, &[("ignore other", "changed, violated: lost-ack")]);
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_crash_inside_recovery_is_cut_again_in_todays_recovery() {
    let place = Place::new();
    let some = ["--ops", "60", "--value-size", "1..3000", "--checkpoint-every", "20"];
    let engine = ["canary:recovery-in-place", "--faults", "power", "--cases", "600"];
    place.torture(&[&engine[..], &some].concat()).exits(1);
    let report = place.report();
    let path = place.only_run().join(report["findings"][0]["scenario"].as_str().unwrap());
    let path = path.to_str().unwrap();
    assert!(std::fs::read_to_string(path).unwrap().contains("\"nested\""));
    place.run(&["replay", path]).exits(0).says("still fails");
    let unplug = env!("CARGO_BIN_EXE_unplug");
    let mended = ["replay", path, "--", unplug, "driver", "canary"];
    place.run(&mended).exits(1).says("UNEXPECTED").says("were cut again");
    place.run(&[&mended[..2], &["--expect", "held"], &mended[2..]].concat()).exits(0);
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_recovery_that_makes_other_calls_now_is_cut_again_all_the_same() {
    let place = Place::new();
    let Some(python) = python() else { return };
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/rewrites.py");
    let run = ["--faults", "power", "--cases", "300", "--", &python, program, "inplace"];
    place.torture(&[&SMALL[..], &run].concat()).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let mut paths =
        findings.iter().map(|one| place.only_run().join(one["scenario"].as_str().unwrap()));
    let path = paths.find(|path| is_nested(path));
    let path = path.unwrap_or_else(|| panic!("no crash inside recovery: {findings:#?}"));
    let asked = ["replay", path.to_str().unwrap(), "--expect", "held", "--", &python, program];
    place.run(&[&asked[..], &["inplace"]].concat()).exits(1).says("UNEXPECTED: still fails");
    let ran = place.run(&[&asked[..], &["none"]].concat());
    ran.exits(0).says("were cut again");
    assert!(!ran.stdout.contains("from 0 crash states"), "{}", ran.stdout);
}

/// True if a scenario is of a crash inside recovery.
fn is_nested(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    let scenario: serde_json::Value = serde_json::from_str(&text).unwrap();
    scenario["case"]["strike"]["nested"].as_array().is_some_and(|nested| !nested.is_empty())
}

/// A folder with one scenario of a power cut of the store with the bug `nosync`.
fn nosync(place: &Place) -> Option<PathBuf> {
    let run = ["--faults", "power", "--cases", "60"];
    found(place, "nosync", run, ["lost-ack", "pwrite64 puts into log"])
}

#[test]
fn a_folder_of_regressions_is_red_for_the_bug_and_green_for_its_fix() {
    let place = Place::new();
    let Some(path) = nosync(&place) else { return };
    let folder = path.parent().unwrap();
    let held = ["--expect", "held"];
    replay(&place, folder, &held, "nosync").exits(1).says("UNEXPECTED: still fails: lost-ack");
    replay(&place, folder, &held, "none").exits(0).says("as expected: fixed");
    // A file may expect it itself.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"outcome\": \"violated\"", "\"outcome\": \"held\""))
        .unwrap();
    replay(&place, folder, &[], "nosync").exits(1).says("expected: held");
    replay(&place, folder, &[], "none").exits(0).says("as expected: fixed");
    replay(&place, folder, &["--expect", "violated"], "nosync").exits(0);
}

#[test]
fn the_recording_alone_is_judged_only_where_somebody_asks_for_it() {
    let place = Place::new();
    let Some(path) = nosync(&place) else { return };
    replay(&place, &path, &["--recorded"], "none").exits(0).says("the recording was judged");
    let text = std::fs::read_to_string(&path).unwrap();
    let why = "\"recorded\": \"nobody has that version\",\n  \"expect\"";
    std::fs::write(&path, text.replace("\"expect\"", why)).unwrap();
    replay(&place, &path, &[], "none").exits(0).says("was judged: nobody has that version");
}

#[test]
fn a_program_that_cannot_be_asked_is_never_fixed() {
    let place = Place::new();
    let Some(path) = nosync(&place) else { return };
    let path = path.to_str().unwrap();
    let nowhere = ["replay", "--expect", "held", path, "--", "./no-such-driver"];
    place.run(&nowhere).exits(2).says("no program ./no-such-driver: give it after `--`");
    place.run(&["replay", "--expect", "held", path, "--", "false"]).exits(4).says("NOT MEASURED");
    let silent = ["replay", "--expect", "held", path, "--", "sh", "-c", "echo hello; cat"];
    place.run(&silent).exits(4).says("NOT MEASURED");
    let ran = place.run(&["replay", path, "--"]);
    ran.exits(2).says("nothing after `--`");
}

#[test]
fn a_report_folder_replays_elsewhere_by_its_own_command() {
    let place = Place::new();
    let Some(path) = nosync(&place) else { return };
    let command = place.report()["findings"][0]["replay"].as_str().unwrap().to_owned();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(words[1].starts_with("power-"), "{command}");
    // The folder, with another one beside it that has the program, as on another machine.
    let elsewhere = tempfile::tempdir().unwrap();
    let run = elsewhere.path().join("run");
    std::fs::rename(place.only_run(), &run).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/kv.py");
    let python = python().unwrap();
    let script = format!("#!/bin/sh\nexec {python} {} \"$@\"\n", program.display());
    let driver = run.join("kv");
    std::fs::write(&driver, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&driver, mode).unwrap();
    let here = |more: &[&str]| {
        let asked = [&words[..], more].concat();
        Ran::of(place.unplug(&asked).current_dir(&run).output().unwrap())
    };
    here(&["--", "./kv", "nosync"]).exits(0).says("still fails");
    here(&["--", "./kv", "none"]).exits(1).says("fixed");
    // A program of the same name next to the current folder is found, and which one is said.
    let scenario = run.join(path.strip_prefix(path.ancestors().nth(2).unwrap()).unwrap());
    let text = std::fs::read_to_string(&scenario).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["target"] = serde_json::json!({"program": ["./build/release/kv", "nosync"]});
    std::fs::write(&scenario, json.to_string()).unwrap();
    here(&[]).exits(0).says("./kv is asked").says("still fails");
}

#[test]
fn what_is_replayed_writes_to_its_own_folders_alone() {
    let place = Place::new();
    let Some(path) =
        found(&place, "nosync", ["--faults", "power", "--cases", "150"], ["lost-ack", "write"])
    else {
        return;
    };
    let python = python().unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/kv.py");
    let (stray, path) = (place.out().with_file_name("stray"), path.to_str().unwrap());
    let script = format!(
        "(echo x >{}) 2>/dev/null; echo y >$TMPDIR/own || exit 9; exec {python} {program} nosync",
        stray.display()
    );
    let asked = ["replay", "--cases", "20", path];
    let driver = ["--", "sh", "-c", &script];
    place.run(&[&asked[..], &driver].concat()).exits(0).says("still fails");
    assert!(!stray.exists(), "it wrote outside");
    let script = script.replace("echo y >$TMPDIR/own || exit 9; ", "");
    let driver = ["--unconfined", "--", "sh", "-c", &script];
    place.run(&[&asked[..], &driver].concat()).exits(0).says("still fails");
    assert!(stray.exists(), "confined though nobody asked");
}
