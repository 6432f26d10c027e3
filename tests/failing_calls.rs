//! What is said of a failing call: which call, how it failed, where it stands in the source, what would
//! have helped; and that it replays, what failed inside a recovery too.

#[allow(dead_code)]
mod support;

use std::path::Path;

use serde_json::Value;
use support::Place;

/// The worst finding of a run of this flawed store.
fn worst(place: &Place, flaw: &str) -> Value {
    place.torture(&[flaw, "--faults", "io", "--cases", "400"]).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let alarm = |finding: &&Value| finding["note"] == Value::Bool(false);
    findings.iter().find(alarm).unwrap_or_else(|| panic!("{report}")).clone()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// The source line that a finding names.
fn line(finding: &Value) -> String {
    let place = text(finding, "source").split(' ').next().unwrap();
    let (file, line) = place.rsplit_once(':').unwrap();
    let source = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    source.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap().to_owned()
}

fn replays(place: &Place, finding: &Value) {
    let scenario = place.only_run().join(text(finding, "scenario"));
    assert!(Path::new(&scenario).exists(), "{}", scenario.display());
    place.run(&["replay", scenario.to_str().unwrap()]).exits(0);
}

#[test]
fn a_sync_whose_error_was_ignored_is_named_with_its_source_line_and_what_would_help() {
    let place = Place::new();
    let finding = worst(&place, "canary:fsync-error-ignored");
    let cause = &finding["cause"];
    let sentence = text(cause, "sentence");
    assert!(sentence.starts_with("fdatasync of log-# failed"), "{cause}");
    assert!(sentence.contains(" EIO, "), "{cause}");
    assert!(text(cause, "counterfactual").contains("with `err`"), "{cause}");
    assert_eq!(text(cause, "error"), "EIO");
    assert!(line(&finding).contains("sync_data"), "{finding}");
    replays(&place, &finding);
}

#[test]
fn a_read_that_failed_inside_a_recovery_is_named_and_replays() {
    let place = Place::new();
    let finding = worst(&place, "canary:read-error-is-end");
    let cause = &finding["cause"];
    assert!(text(cause, "sentence").contains("while it recovered after a power cut"), "{cause}");
    assert!(
        text(cause, "counterfactual").starts_with("pass the error on: answer the open"),
        "{cause}"
    );
    assert!(line(&finding).contains("read"), "{finding}");
    replays(&place, &finding);
}

#[test]
fn what_a_failed_sync_covered_has_to_be_written_again() {
    let place = Place::new();
    place.torture(&["canary:fsync-retried", "--faults", "io", "--cases", "400"]).exits(1);
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let refused = findings.iter().find(|finding| finding["kind"] == "refused").expect("refused");
    let helps = text(&refused["cause"], "counterfactual");
    assert!(helps.starts_with("have on disk what this fdatasync covered"), "{helps}");
    assert!(helps.ends_with("it must be written again"), "{helps}");
}
