//! Real programs that lose what they acknowledged, by their own code: libraries in Node.js, slow to start and
//! without `reopen`, and in Python. `.ci/run` installs them; a test whose library is missing is skipped loudly.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use support::Place;

/// A power cut alone, after few requests, in so few states that only a search for losses finds one.
const SMALL: [&str; 8] =
    ["--faults", "power", "--ops", "12", "--value-size", "1..900", "--cases", "4"];

/// Each driver, the program that runs it, and its library below the folder of the packages.
const DRIVERS: [[&str; 3]; 6] = [
    ["harness/drivers/lowdb.mjs", "node", "node_modules/lowdb"],
    ["harness/drivers/nedb.mjs", "node", "node_modules/@seald-io/nedb"],
    ["harness/drivers/write_file_atomic.mjs", "node", "node_modules/write-file-atomic"],
    ["harness/drivers/node_json_db.mjs", "node", "node_modules/node-json-db"],
    ["harness/drivers/sqlitedict_driver.py", "python3", "sqlitedict.py"],
    ["harness/drivers/diskcache_driver.py", "python3", "diskcache"],
];

#[test]
fn the_drivers_of_real_programs_keep_the_protocol() {
    for driver in DRIVERS {
        let Some(command) = command(driver) else { continue };
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let place = Place::new();
        let checked = place.run(&[&["driver-check", "--"][..], &command].concat());
        checked.exits(0).says("the driver keeps the protocol");
        assert!(place.processes().is_empty() && place.leftovers().is_empty());
    }
}

#[test]
fn lowdb_which_never_syncs_is_not_held() {
    // `writeFile(temp)`, `rename(temp, file)`, and no fsync of either.
    loses_what_it_acknowledged(DRIVERS[0]);
}

#[test]
fn diskcache_which_syncs_at_checkpoints_alone_is_not_held() {
    // SQLite in WAL mode with synchronous=NORMAL.
    loses_what_it_acknowledged(DRIVERS[5]);
}

/// Runs a driver and expects the confirmed loss of an acknowledged write under a profile of today.
#[track_caller]
fn loses_what_it_acknowledged(driver: [&str; 3]) {
    let Some(command) = command(driver) else { return };
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let place = Place::new();
    let ran = place.torture(&[&SMALL[..], &["--"], &command].concat());
    ran.exits(1);
    let report = place.report();
    assert_eq!(report["outcome"], "violated", "{}", ran.stdout);
    let findings = report["findings"].as_array().unwrap();
    let lost = findings.iter().any(|found| found["kind"] == "lost-ack" && found["note"] == false);
    assert!(lost, "{}", ran.stdout);
    assert!(report["unmodelled_calls"].as_object().is_some_and(|calls| calls.is_empty()));
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}

/// The command that runs a driver. Its packages are in the folder that UNPLUG_NODE_PACKAGES or
/// UNPLUG_PYTHON_PACKAGES names, or else in the one that `.ci/run` fills. Nothing, said loudly, where its
/// program or its library is missing.
fn command([driver, program, library]: [&str; 3]) -> Option<Vec<String>> {
    let (variable, usual) = match program {
        "node" => ("UNPLUG_NODE_PACKAGES", "target/packages/npm"),
        _ => ("UNPLUG_PYTHON_PACKAGES", "target/packages/pip"),
    };
    let usual = format!("{}/{usual}", env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var(variable).unwrap_or(usual);
    let runs = Command::new(program).arg("--version").output();
    if runs.is_ok_and(|ran| ran.status.success()) && Path::new(&folder).join(library).exists() {
        return Some(vec![program.to_owned(), driver.to_owned(), folder]);
    }
    // Not through `eprintln!`: what a passed test prints is kept back.
    let text = format!("SKIPPED: no {program} here, or no {library} in {folder} ({variable})\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
    None
}
