//! The power fault from end to end: a flaw is found, explained and replayed; the same seed sees the
//! same; a program that speaks no protocol is judged by a check of its own; an audit tells needed
//! syncs from needless ones.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use support::Place;

const SMALL: [&str; 8] =
    ["--ops", "24", "--value-size", "1..900", "--checkpoint-every", "10", "--reopen-every", "0"];

fn small<'a>(first: &[&'a str]) -> Vec<&'a str> {
    [first, &SMALL].concat()
}

/// A report without times and paths.
fn report(place: &Place) -> String {
    let text = std::fs::read_to_string(place.only_run().join("report.json")).unwrap();
    let varies = ["elapsed_s", "per_s", "replay", "\"out\""];
    text.lines().filter(|line| varies.iter().all(|word| !line.contains(word))).collect()
}

#[test]
fn a_missing_fsync_is_named_with_the_call_that_lacks_it_and_replays() {
    let place = Place::new();
    let arguments = small(&["canary:no-fsync", "--faults", "power", "--cases", "150"]);
    let ran = place.torture(&arguments);
    ran.exits(1);
    assert!(ran.stdout.contains("VIOLATION lost-ack"), "{}", ran.stdout);
    assert!(ran.stdout.contains("pwrite64") && ran.stdout.contains("add fsync"), "{}", ran.stdout);
    let replayed = place.run(&["replay", place.only_run().to_str().unwrap()]);
    replayed.exits(0);
}

#[test]
fn a_finding_is_shown_by_as_few_requests_as_do() {
    let place = Place::new();
    place.torture(&["canary:fsync-wrong-file", "--faults", "power", "--cases", "300"]).exits(1);
    let report = place.report();
    let finding = &report["findings"][0];
    assert_eq!(finding["kind"], "lost-ack", "{finding}");
    // Opened, one write, closed: of the whole workload no more is needed.
    assert_eq!(finding["cause"]["requests"], "3 of 218", "{finding}");
    let path = place.only_run().join(finding["scenario"].as_str().unwrap());
    place.run(&["replay", path.to_str().unwrap()]).exits(0);
    let scenario = std::fs::read_to_string(path).unwrap();
    let scenario: serde_json::Value = serde_json::from_str(&scenario).unwrap();
    assert_eq!(scenario["expect"]["kind"], "lost-ack");
}

#[test]
fn what_a_crash_inside_a_later_recovery_takes_too_is_no_finding_of_its_own() {
    let place = Place::new();
    place
        .torture(&small(&["canary:fsync-wrong-file", "--faults", "power", "--cases", "400"]))
        .exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let cause = |finding: &serde_json::Value| -> String {
        let sentence = finding["cause"]["sentence"].as_str().unwrap();
        sentence.split(" (").next().unwrap().to_owned()
    };
    let (kind, first) = (&findings[0]["kind"], cause(&findings[0]));
    assert!(!first.starts_with("inside"), "{first}");
    for finding in &findings[1..] {
        let echoes = ["inside recovery", "after a kill and a recovery"];
        let again = echoes.map(|when| format!("{when}: {first}"));
        assert!(finding["kind"] != *kind || !again.contains(&cause(finding)), "{finding}");
    }
}

#[test]
fn the_same_seed_sees_the_same_states_and_findings() {
    let reports = [(); 2].map(|()| {
        let place = Place::new();
        place.torture(&small(&["canary:no-checksum", "--faults", "power", "--cases", "120"]));
        report(&place)
    });
    assert_eq!(reports[0], reports[1]);
}

#[test]
fn a_program_without_the_protocol_is_judged_by_its_own_check() {
    // Both commands run where `unplug` was started.
    let check =
        "[ -f Cargo.toml ] && [ $(wc -l < {out}) -le $(cat {dir}/log 2>/dev/null | wc -l) ]";
    for (sync, status) in [("true", 1), ("sync {dir}/log {dir}", 0)] {
        let workload = format!(
            "[ -f Cargo.toml ] && for i in 1 2 3; do echo $i >> {{dir}}/log; {sync}; echo stored $i; done"
        );
        let place = Place::new();
        let ran = place.torture(&["--workload", &workload, "--check", check]);
        ran.exits(status);
        if status == 1 {
            place.run(&["replay", place.only_run().to_str().unwrap()]).exits(0);
        }
    }
}

#[test]
fn an_audit_says_what_the_sync_of_the_log_is_for() {
    let place = Place::new();
    let ran = place.run(&small(&["audit", "canary", "--cases", "60"]));
    ran.exits(0);
    let needed = ran.stdout.lines().any(|line| {
        line.contains("log-#") && line.contains("while writing") && line.contains("matters")
    });
    assert!(needed, "{}", ran.stdout);
}
