//! junit.xml: one suite a fault, one case a property; findings are failures, properties judged in no
//! case are skipped, so that a CI system shows all of it.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::base::{HarnessError, Result};
use crate::oracle::Kind;

use super::twin::{FindingTwin, Report, SymptomTwin};

/// The file's text.
pub fn render(report: &Report) -> Result<String> {
    let mut junit = Junit::new(format!("unplug {}", report.target.name));
    let mut suites: Vec<&str> = report.faults.keys().map(String::as_str).collect();
    suites.insert(0, "none");
    for fault in suites {
        let mut suite = TestSuite::new(format!("{}.{fault}", report.target.name));
        for kind in Kind::ALL {
            let is_this = |of: &str, name: &str| of == fault && name == kind.name();
            let of_kind: Vec<_> = report
                .findings
                .iter()
                .filter(|finding| {
                    is_this(&finding.fault, &finding.kind)
                        || finding.shows.iter().any(|one| is_this(&one.fault, &one.kind))
                })
                .collect();
            // The control judges a few properties; the others belong to the faults.
            if of_kind.is_empty() && (fault == "none" || kind == Kind::RefusedUnborn) {
                continue;
            }
            let is_violation = |finding: &&&FindingTwin| {
                let alarm = |one: &SymptomTwin| !one.note && is_this(&one.fault, &one.kind);
                !finding.note
                    && (is_this(&finding.fault, &finding.kind) || finding.shows.iter().any(alarm))
            };
            let violations: Vec<_> = of_kind.iter().filter(is_violation).collect();
            let mut status = if let Some(first) = violations.first() {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(first.sentence.clone()).set_type(kind.name());
                let text = violations
                    .iter()
                    .map(|each| {
                        format!("{}\n{}\n{}\n", each.sentence, each.cause.sentence, each.replay)
                    })
                    .collect::<String>();
                status.set_description(text);
                status
            } else if report.judged.iter().any(|name| name == kind.name()) {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::skipped();
                status.set_message("judged in no case");
                status
            };
            if report.outcome == "not-measured"
                && report.missed.iter().any(|name| name == kind.name())
            {
                status = TestCaseStatus::non_success(NonSuccessKind::Error);
                status.set_message("called for and judged in no case: not measured");
            }
            let mut case = TestCase::new(kind.name(), status);
            case.set_classname(format!("{}.{fault}", report.target.name));
            let notes: Vec<_> = of_kind.iter().filter(|finding| !is_violation(finding)).collect();
            if !notes.is_empty() {
                let text = notes.iter().map(|note| format!("note: {}\n", note.sentence));
                case.set_system_out(text.collect::<String>());
            }
            suite.add_test_case(case);
        }
        if fault == "none" {
            suite.add_test_case(control(report));
        }
        junit.add_test_suite(suite);
    }
    junit
        .to_string()
        .map_err(|error| HarnessError::machine("writing junit.xml", std::io::Error::other(error)))
}

fn control(report: &Report) -> TestCase {
    let unseen = || {
        let calls =
            report.unmodelled_calls.keys().map(|call| format!("call {call} is not modelled"));
        calls.chain(report.blind.iter().cloned()).collect::<Vec<_>>().join("; ")
    };
    let status = match &report.broken {
        Some(why) => Some(why.clone()),
        None if !unseen().is_empty() => Some(unseen()),
        None => None,
    };
    let status = match status {
        Some(why) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(why).set_type(report.outcome.as_str());
            status
        }
        None => TestCaseStatus::success(),
    };
    TestCase::new("control", status)
}
