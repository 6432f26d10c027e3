//! The result as plain text, for standard output: each finding as a sentence with one command that
//! replays it, then the numbers, then the outcome line with everything that was not judged or visited.

use std::fmt::Write as _;

use crate::scenario::{Outcome, TargetText};

use super::twin::{CoverageTwin, FindingTwin, Report, SymptomTwin, TotalsTwin, quoted};

/// How many findings are told in full: the first are the plainest. Of the others one line and the command;
/// the report's page has them whole.
const IN_FULL: usize = 6;

/// The text; `folder` is the run's, as the user will type it.
pub fn render(report: &Report, folder: &str) -> String {
    let mut text = String::new();
    for (nth, finding) in report.findings.iter().enumerate() {
        if nth == IN_FULL {
            let _ = writeln!(text, "in brief, the rest: often echoes of those above");
        }
        text.push_str(&one(finding, folder, nth < IN_FULL));
        if nth < IN_FULL {
            text.push('\n');
        }
    }
    if report.findings.len() > IN_FULL {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", numbers("total", &report.totals));
    for (fault, totals) in &report.faults {
        let _ = writeln!(text, "{}", numbers(fault, totals));
    }
    for (fault, totals) in &report.faults {
        let _ = writeln!(text, "{}", coverage(fault, totals));
    }
    if !report.file_system.is_empty() {
        let _ = writeln!(text, "file system: {}", report.file_system);
    }
    for (reason, count) in &report.totals.skipped {
        let _ = writeln!(text, "skipped: {count} {reason}");
    }
    if report.rollback_exempt > 0 {
        let _ = writeln!(
            text,
            "rollback: {} damages left an earlier legal state, as far as is known; no store can notice those",
            report.rollback_exempt
        );
    }
    if report.undecided > 0 {
        let _ = writeln!(
            text,
            "undecided: {} cases with too many equal short values; they count as held",
            report.undecided
        );
    }
    for warning in report.control_warnings.iter().take(3) {
        let _ = writeln!(
            text,
            "the driver warns without any fault, so its warnings are no evidence: {warning}"
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for (call, count) in &report.unmodelled_calls {
        let _ = writeln!(text, "not modelled: {call} ({count} times)");
    }
    for blind in &report.blind {
        let _ = writeln!(text, "not visible: {blind}");
    }
    if let Some(broken) = &report.broken {
        let _ = writeln!(text, "{broken}");
        // What a driver has to say, and when, is checked there point by point.
        let program = report.outcome == Outcome::SetupFailed.name();
        if let (true, TargetText::Program(argv)) = (program, &report.target.start) {
            let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
            let _ = writeln!(text, "help: unplug driver-check -- {}", words.join(" "));
        }
    }
    let _ = writeln!(text, "report: {folder}/index.html");
    text.push_str(&outcome_line(report));
    text.push('\n');
    text
}

/// The last line: the outcome, and each property that was judged in no case.
pub fn outcome_line(report: &Report) -> String {
    let alarms = || report.findings.iter().filter(|finding| !finding.note);
    let unconfirmed = alarms().filter(|finding| finding.frequency == Some([0, 0])).count();
    let violations = alarms().count() - unconfirmed;
    let notes = report.findings.len() - violations - unconfirmed;
    let mut line = report.outcome.clone();
    if violations > 0 {
        let _ = write!(line, ": {violations} finding{}", plural(violations));
    }
    if unconfirmed > 0 {
        let _ = write!(line, ", {unconfirmed} unconfirmed");
    }
    if notes > 0 {
        let _ = write!(line, ", {notes} note{}", plural(notes));
    }
    if !report.complete {
        line.push_str(", incomplete (interrupted)");
    }
    if ["held", "not-measured"].contains(&&*report.outcome) && !report.faults.is_empty() {
        let shares = report
            .faults
            .iter()
            .map(|(fault, totals)| format!("{fault} {}", percent(totals.coverage.groups)));
        let _ = write!(line, "; groups visited: {}", shares.collect::<Vec<_>>().join(", "));
        // A store may be safe until its recovery is cut short.
        for (fault, totals) in &report.faults {
            let again = totals.coverage.again;
            if again[0] < again[1] {
                let _ = write!(line, "; {} inside {}", again_of(fault), part_of(again));
            }
        }
    }
    if !report.missed.is_empty() {
        let _ = write!(line, "; called for but judged in no case: {}", report.missed.join(", "));
    }
    let rest: Vec<&str> = report
        .not_judged
        .iter()
        .filter(|kind| !report.missed.contains(kind))
        .map(String::as_str)
        .collect();
    if !rest.is_empty() && report.outcome != Outcome::SetupFailed.name() {
        let _ = write!(line, "; judged in no case: {}", rest.join(", "));
    }
    line
}

fn one(finding: &FindingTwin, folder: &str, in_full: bool) -> String {
    let mut text = String::new();
    // Where the user stands, and not in the run's folder.
    let replay = format!("unplug replay {}", quoted(&format!("{folder}/{}", finding.scenario)));
    let head = match finding.frequency {
        _ if finding.note => "note",
        Some([0, 0]) => "UNCONFIRMED",
        _ => "VIOLATION",
    };
    let _ = write!(text, "{head} {} ({}", finding.kind, finding.fault);
    if let Some(grade) = &finding.grade {
        let _ = write!(text, ", fails on {grade}");
    }
    let _ = writeln!(
        text,
        ", {} case{}): {}",
        finding.states,
        plural(finding.states as usize),
        finding.sentence
    );
    if !in_full {
        let _ = writeln!(text, "  replay: {replay}");
        return text;
    }
    if !finding.cause.sentence.is_empty() {
        let _ = writeln!(text, "  cause: {}", finding.cause.sentence);
    }
    if let Some(counterfactual) = &finding.cause.counterfactual {
        let _ = writeln!(text, "  what would help: {counterfactual}");
    }
    if !finding.shows.is_empty() {
        let _ = writeln!(text, "  shows also as: {}", symptoms(finding));
    }
    if let Some(source) = &finding.source {
        let _ = writeln!(text, "  at: {source}");
    }
    if let Some(behind) = &finding.behind {
        let _ = writeln!(text, "  before: {behind}");
    }
    if !finding.recovery.is_empty() {
        let _ = writeln!(text, "  recovery: {}", finding.recovery.join("; "));
    }
    if finding.frequency == Some([0, 0]) {
        let _ = writeln!(text, "  unconfirmed: the time was over before it could be tried again");
    }
    if let Some([failed, of]) = finding.frequency
        && failed < of
    {
        let _ = writeln!(text, "  fails in {failed} of {of} fresh tries");
    }
    let _ = writeln!(text, "  replay: {replay}");
    text
}

/// The other kinds and faults that show a finding's flaw, on one line.
pub(super) fn symptoms(finding: &FindingTwin) -> String {
    let one = |symptom: &SymptomTwin| {
        let SymptomTwin { kind, fault, states, .. } = symptom;
        format!("{kind} ({fault}, {states} case{})", plural(*states as usize))
    };
    finding.shows.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn numbers(name: &str, totals: &TotalsTwin) -> String {
    format!(
        "{name}: {} recoveries of distinct images, {} states judged, {} crash points, {} requests, {:.1} s ({:.0} recoveries/s)",
        totals.recoveries,
        totals.states,
        totals.crash_points,
        totals.requests,
        totals.elapsed_s,
        totals.recoveries_per_s
    )
}

/// How much of what a fault could visit it did.
fn coverage(fault: &str, totals: &TotalsTwin) -> String {
    let CoverageTwin { lossy, groups, points, targets, again } = &totals.coverage;
    let what = match fault {
        "kill" => "kills",
        "media" => "damages",
        "io" => "failing calls",
        _ => "states that lose something",
    };
    let mut line = format!("coverage: {fault}: {lossy} {what}");
    let struck = match fault {
        "media" => "damages of small files",
        "io" => "planned failures",
        _ => "effects",
    };
    for (name, part) in [("groups", groups), ("crash points", points), (struck, targets)] {
        if part[1] > 0 {
            let _ = write!(line, ", {} of {} {name} ({})", part[0], part[1], percent(*part));
        }
    }
    if again[1] > 0 {
        let _ = write!(line, ", {} inside {}", again_of(fault), part_of(*again));
    }
    line
}

/// What strikes a second time.
fn again_of(fault: &str) -> &'static str {
    if fault == "kill" { "kills" } else { "power cuts" }
}

/// `4 of 9 sorts of recoveries (44%)`.
fn part_of(part: [u64; 2]) -> String {
    format!("{} of {} sorts of recoveries ({})", part[0], part[1], percent(part))
}

/// A share in whole percent; never 100% of what was not visited whole.
fn percent([seen, all]: [u64; 2]) -> String {
    match all {
        0 => "100%".into(),
        _ => format!("{}%", seen * 100 / all),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
