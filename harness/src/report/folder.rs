//! A run's folder: report.json, junit.xml, index.html, and for every finding its scenario, its trace
//! and the failing directory. Written also for an interrupted run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::files::publish;
use crate::base::{HarnessError, Result, limits, visible};
use crate::campaign::Conclusion;
use crate::image::Workdir;
use crate::scenario::{Expect, Outcome, Scenario, folder as scenarios};

use super::twin::Report;
use super::{html, junit};

/// Makes a new folder for a run below `out`, named after `name`; a number is added where it exists.
pub fn make(out: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(out).map_err(|error| {
        let out = out.display();
        HarnessError::input(format!("--out {out}: no folder for reports can be made: {error}"))
    })?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(80).collect();
    for number in 1..10_000 {
        let path = out.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(HarnessError::at("creating", &path, error)),
        }
    }
    Err(HarnessError::input(format!("{}: holds too many runs named {name}", out.display())))
}

/// Writes everything of a run into its folder and gives back what was reported.
pub fn write(folder: &Path, conclusion: &Conclusion) -> Result<Report> {
    let mut report = Report::of(conclusion);
    for (finding, twin) in conclusion.findings.iter().zip(&mut report.findings) {
        let own = folder.join(&finding.id);
        fs::create_dir_all(&own).map_err(|error| HarnessError::at("creating", &own, error))?;
        let scenario = Scenario {
            about: finding.sentence.clone(),
            target: conclusion.target.clone(),
            options: conclusion.options.clone(),
            case: Some(finding.case.clone()),
            recorded: None,
            expect: Expect { outcome: Outcome::Violated, kind: Some(finding.kind.to_string()) },
        };
        scenarios::write(&own, "scenario.json", &scenario)?;
        if let Some(trace) = &finding.trace {
            put(&own.join("trace.txt"), trace)?;
        }
        if let Some(image) = &finding.image {
            let path = own.join("directory");
            Workdir::new(&path)?.become_image(image)?;
            twin.directory = Some(format!("{}/directory", finding.id));
        }
    }
    let json = serde_json::to_string_pretty(&report).map_err(|error| {
        HarnessError::machine("printing report.json", std::io::Error::other(error))
    })?;
    store(&folder.join("report.json"), &format!("{json}\n"))?;
    render(folder, &report)?;
    Ok(report)
}

/// Reads a stored run.
pub fn read(folder: &Path) -> Result<Report> {
    let path = folder.join("report.json");
    let unreadable = |why: String| HarnessError::input(format!("{}: {why}", path.display()));
    let bytes = scenarios::below_folder(folder, "report.json", limits::SCENARIO_BYTES)
        .map_err(|error| error.about(folder))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("expected UTF-8 text".into()))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if report.schema != super::twin::SCHEMA {
        return Err(unreadable(format!(
            "schema {}: expected {}",
            report.schema,
            super::twin::SCHEMA
        )));
    }
    Ok(report)
}

/// Renders junit.xml and index.html from what was reported.
pub fn render(folder: &Path, report: &Report) -> Result<()> {
    let trace_of = |id: &str| {
        let known = report.findings.iter().find(|finding| finding.id == id)?;
        // A stored report is input as well: its paths stay below its folder.
        let bytes =
            scenarios::below_folder(folder, known.trace.as_deref()?, limits::SCENARIO_BYTES);
        String::from_utf8(bytes.ok()?).ok()
    };
    put(&folder.join("junit.xml"), &junit::render(report)?)?;
    put(&folder.join("index.html"), &html::render(report, &trace_of))
}

/// Writes what a person reads.
fn put(path: &Path, text: &str) -> Result<()> {
    store(path, &visible(text))
}

fn store(path: &Path, text: &str) -> Result<()> {
    publish(path, text.as_bytes())
}
