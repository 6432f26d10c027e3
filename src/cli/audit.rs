//! `unplug audit`: which syncs of an engine matter, which are redundant, which are missing.

use std::process::ExitCode;

use unplug_harness::campaign::audit;
use unplug_harness::fault::audit::{Audit, Audited, Use};

use super::progress::Terminal;
use super::run::{RunCommand, said};
use super::{say, setting::Setting, target};

/// Audits and prints.
pub fn run(command: RunCommand) -> anyhow::Result<ExitCode> {
    let options = command.options()?;
    let text = command.text();
    let target = target::resolve(&text, options.threads)?;
    let setting = Setting::make()?;
    say::aside(&format!("unplug {} audits {}", env!("CARGO_PKG_VERSION"), target.name));
    say::aside(&said(&options));
    let observer = Terminal::new(None);
    let campaign = setting.campaign(&target, &text, &options, &observer);
    let audit = audit::audit(&campaign)?;
    observer.finish();
    say::whole(&render(&audit))?;
    let missing = audit.ordinary.findings.iter().any(|finding| {
        !finding.note && finding.grade().is_none_or(|grade| grade <= options.fail_on)
    });
    Ok(ExitCode::from(u8::from(missing)))
}

fn render(audit: &Audit) -> String {
    let mut out = String::new();
    for one in &audit.syncs {
        out.push_str(&format!(
            "{} of {} {} ({}, first at event {}): {}\n",
            one.site.call,
            file(one),
            one.site.during,
            calls(one.count),
            one.first.0,
            verdict(one)
        ));
    }
    let mut missing = 0;
    for finding in &audit.ordinary.findings {
        let Some(remedy) = &finding.cause.counterfactual else { continue };
        missing += 1;
        let grade = finding.grade().map_or("any file system", |grade| grade.name());
        out.push_str(&format!(
            "missing ({grade}): {remedy}\n  {}: {}\n",
            finding.kind, finding.sentence
        ));
    }
    if missing == 0 {
        out.push_str("missing: none in the states visited\n");
    }
    out
}

fn calls(count: u64) -> String {
    if count == 1 { "1 call".into() } else { format!("{count} calls") }
}

fn file(one: &Audited) -> &str {
    match one.site.file.as_str() {
        "" => "everything",
        "." => "the store's directory",
        file => file,
    }
}

fn verdict(one: &Audited) -> String {
    match &one.verdict {
        Use::Matters { kind, sentence, grade, failing } => {
            let grade = grade.map_or("any file system", |grade| grade.name());
            format!(
                "matters: without it {failing} states fail, from {grade} on: {kind}: {sentence}"
            )
        }
        Use::Redundant => {
            format!("redundant: none of the {} states that it forbids fails", one.states)
        }
        Use::NoEffect => "without effect: it forbids no state".into(),
    }
}
