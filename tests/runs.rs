//! Whole runs through the command line: what a finding leaves and that it replays, the same seed twice,
//! an interrupt, and unplug itself killed.

#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, Ran, list};

/// A flawed store that damage shows at once, small enough for a test.
const FLAWED: [&str; 11] = [
    "canary:silent-tail",
    "--faults",
    "media",
    "--cases",
    "150",
    "--ops",
    "40",
    "--value-size",
    "1..600",
    "--checkpoint-every",
    "15",
];

#[test]
fn a_finding_leaves_a_report_and_a_scenario_that_replays() {
    let place = Place::new();
    place.torture(&FLAWED).exits(1).says("silent-loss").says("unplug replay ");
    let report = place.report();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["outcome"], "violated");
    assert_eq!(report["complete"], true);
    assert_eq!(report["findings"][0]["kind"], "silent-loss");
    assert_eq!(report["totals"]["recoveries"], 150);
    let run = place.only_run();
    let scenario = run.join(report["findings"][0]["scenario"].as_str().unwrap());
    let directory = run.join(report["findings"][0]["directory"].as_str().unwrap());
    assert!(!list(&directory).is_empty(), "the failing directory is kept");
    let junit = std::fs::read_to_string(run.join("junit.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("silent-loss"), "{junit}");
    let html = std::fs::read_to_string(run.join("index.html")).unwrap();
    assert!(html.contains("silent-loss") && !html.contains("http"), "one file, no network");

    let path = scenario.to_str().unwrap();
    place.run(&["replay", path]).exits(0).says("1 of 1 scenarios as expected");
    let text = std::fs::read_to_string(&scenario).unwrap();
    std::fs::write(&scenario, text.replace("canary:silent-tail", "canary")).unwrap();
    place.run(&["replay", path]).exits(1).says("UNEXPECTED: fixed");
    place.run(&["report", run.to_str().unwrap()]).exits(0).says("violated: 1 finding");
    assert!(place.leftovers().is_empty());
}

#[test]
fn the_same_seed_twice_gives_the_same_cases_and_the_same_report_but_for_times() {
    let reports: Vec<Value> = (0..2)
        .map(|_| {
            let place = Place::new();
            let seeded = [&FLAWED[..], &["--seed", "7"]].concat();
            place.torture(&seeded).exits(1);
            let mut report = place.report();
            without_times(&mut report);
            report
        })
        .collect();
    assert_eq!(reports[0], reports[1]);
    assert!(reports[0]["findings"][0]["states"].as_u64() > Some(0));
}

/// Times, what is made of them, and the folder's name.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["elapsed_s", "states_per_s", "recoveries_per_s", "replay", "first_failure"]
            {
                fields.remove(name);
            }
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[test]
fn an_interrupted_run_leaves_a_true_report_that_says_so() {
    let place = Place::new();
    let out = place.out();
    let run = ["run", "canary", "--budget", "300s", "--faults", "media", "--out"];
    let mut arguments = run.to_vec();
    arguments.push(out.to_str().unwrap());
    let child = place.unplug(&arguments).spawn().unwrap();
    wait_until("drivers run", || place.running().len() > 3);
    std::thread::sleep(Duration::from_millis(500));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.exits(130).says("incomplete");
    assert_eq!(place.report()["complete"], false);
    assert!(place.only_run().join("index.html").exists());
    wait_until("nothing is left", || place.processes().is_empty() && place.leftovers().is_empty());
}

#[test]
fn unplug_killed_in_mid_run_leaves_no_process_and_no_temporary_file() {
    for fault in ["kill", "media"] {
        let place = Place::new();
        let out = place.out();
        let run = ["run", "canary", "--budget", "300s", "--faults", fault, "--out"];
        let mut arguments = run.to_vec();
        arguments.push(out.to_str().unwrap());
        let mut child = place.unplug(&arguments).spawn().unwrap();
        wait_until("drivers run", || place.running().len() > 3);
        std::thread::sleep(Duration::from_millis(300));
        // Where crash states are materialised each driver has a folder of its own.
        let mut roots = place.roots();
        wait_until("a driver has its folder", || {
            roots.extend(place.roots());
            !roots.is_empty()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("nothing is left", || {
            place.processes().is_empty()
                && place.leftovers().is_empty()
                && roots.iter().all(|root| !root.exists())
        });
    }
}

#[track_caller]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
