//! Every renderer on one run with a finding, a note, and everything that can be missing.

use std::collections::BTreeSet;

use super::{Report, folder, html, junit, terminal};
use crate::campaign::Conclusion;
use crate::fault::{Cause, FaultOutcome, Finding, Lines};
use crate::image::Image;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName, Options, Profile, TargetText};

fn finding(kind: Kind, profile: Profile) -> Finding {
    let cause = Cause { sentence: "fsync of <log> never came".into(), ..Cause::default() };
    let mut image = Image::empty();
    assert!(image.put("log", b"torn"));
    Finding {
        id: Finding::stable_id(Some(FaultName::Power), kind, &cause),
        kind,
        fault: Some(FaultName::Power),
        profiles: BTreeSet::from([profile, Profile::Strict]),
        note: false,
        states: 312,
        sentence: "put <k1> & more is gone".into(),
        cause,
        lines: Lines {
            at: Some("src/x.rs:41".into()),
            before: None,
            recovery: vec![
                "read of log at src/x.rs:9".into(),
                "ftruncate of log at src/x.rs:12".into(),
            ],
        },
        case: Case::default(),
        trace: Some("1 write <log> 0 4096".into()),
        image: Some(image),
        evidence: "\u{1b}[31mpanicked\u{0}".into(),
        shows: Vec::new(),
        frequency: Some((3, 5)),
    }
}

fn conclusion() -> Conclusion {
    let target = TargetText::Program(vec!["./d".into()]);
    let mut conclusion = Conclusion::begin(&target, "./d", &Options::default());
    let mut outcome = FaultOutcome {
        findings: vec![finding(Kind::Hole, Profile::Strict), finding(Kind::LostAck, Profile::Xfs)],
        judged: BTreeSet::from([Kind::LostAck, Kind::Hole]),
        called_for: BTreeSet::from([Kind::LostAck, Kind::TornBatch]),
        notes: vec!["a note".into()],
        rollback_exempt: 2,
        ..FaultOutcome::default()
    };
    outcome.totals.recoveries = 40;
    outcome.totals.states = 90;
    outcome.totals.elapsed = std::time::Duration::from_secs(2);
    outcome.totals.skip("pairs: the budget was spent", 7);
    outcome.unmodelled.insert("vmsplice".into(), 3);
    conclusion.take(Some(FaultName::Power), outcome);
    conclusion.decide();
    conclusion
}

#[test]
fn report_json_has_the_fields_that_others_rely_on() {
    let report = serde_json::to_value(Report::of(&conclusion())).unwrap();
    let top = ["schema", "version", "outcome", "complete", "seed", "target", "options", "totals"];
    let top = top.iter().chain(&["faults", "findings", "not_judged", "unmodelled_calls"]);
    for field in top {
        assert!(report.get(field).is_some(), "{field}");
    }
    let totals = &report["faults"]["power"];
    for field in [
        "requests",
        "crash_points",
        "states",
        "distinct_images",
        "recoveries",
        "elapsed_s",
        "states_per_s",
        "recoveries_per_s",
        "skipped",
    ] {
        assert!(totals.get(field).is_some(), "{field}");
    }
    assert_eq!(totals["recoveries_per_s"], 20.0);
    let first = &report["findings"][0];
    assert_eq!((&first["kind"], &first["grade"]), (&"lost-ack".into(), &"xfs".into()));
    assert_eq!((&first["note"], &first["states"]), (&false.into(), &312.into()));
    for field in
        ["id", "fault", "profiles", "sentence", "cause", "source", "recovery", "scenario", "replay"]
    {
        assert!(first.get(field).is_some(), "{field}");
    }
    assert_eq!(report["findings"][1]["note"], true, "only strict shows it");
    assert_eq!(report["missed"], serde_json::json!(["torn-batch"]));
}

#[test]
fn the_terminal_says_finding_cause_frequency_replay_and_everything_not_done() {
    let report = Report::of(&conclusion());
    let text = terminal::render(&report, "reports/x");
    for said in [
        "VIOLATION lost-ack (power, fails on xfs, 312 cases): put <k1> & more is gone",
        "cause: fsync of <log> never came",
        "at: src/x.rs:41",
        "recovery: read of log at src/x.rs:9; ftruncate of log at src/x.rs:12",
        "fails in 3 of 5 fresh tries",
        "replay: unplug replay reports/x/power-lost-ack-",
        "note hole (power, fails on strict",
        "skipped: 7 pairs: the budget was spent",
        "not modelled: vmsplice (3 times)",
        "rollback: 2 damages",
        "called for but judged in no case: torn-batch",
    ] {
        assert!(text.contains(said), "no `{said}` in\n{text}");
    }
    assert!(text.trim_end().lines().last().unwrap().starts_with("violated: 1 finding, 1 note"));
}

#[test]
fn a_run_is_written_read_and_rendered_again_alike() {
    let out = tempfile::tempdir().unwrap();
    let run = folder::make(out.path(), "a b/c").unwrap();
    let twice = folder::make(out.path(), "a b/c").unwrap();
    assert_ne!(run, twice);
    let report = folder::write(&run, &conclusion()).unwrap();
    let page = std::fs::read_to_string(run.join("index.html")).unwrap();
    let read = folder::read(&run).unwrap();
    folder::render(&run, &read).unwrap();
    assert_eq!(std::fs::read_to_string(run.join("index.html")).unwrap(), page);
    let finding = &report.findings[0];
    let directory = run.join(finding.directory.as_ref().unwrap());
    assert_eq!(std::fs::read(directory.join("log")).unwrap(), b"torn");
    assert!(run.join(finding.trace.as_ref().unwrap()).exists());
    assert!(run.join(&finding.scenario).exists());
}

#[test]
fn the_page_escapes_what_came_from_outside_and_needs_no_network() {
    let report = Report::of(&conclusion());
    let page = html::render(&report, &|_| Some("<script>alert(1)</script>".into()));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(page.contains("put &lt;k1&gt; &amp; more is gone"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("src=\""));
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn junit_has_findings_as_failures_and_what_was_missed_as_errors() {
    let text = junit::render(&Report::of(&conclusion())).unwrap();
    assert!(text.contains("<failure message=\"put &lt;k1&gt; &amp; more is gone\""), "{text}");
    assert!(text.contains("<testcase name=\"hole\""));
    assert!(text.contains("vmsplice") && text.contains("<error"));
    assert!(!text.contains('\u{1b}'), "no control characters in XML");
}
