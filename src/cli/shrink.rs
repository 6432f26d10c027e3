//! `unplug shrink`: a smaller scenario that still fails alike.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use unplug_harness::base::HarnessError;
use unplug_harness::campaign::replay;
use unplug_harness::fault::Silent;
use unplug_harness::oracle::Kind;
use unplug_harness::scenario::{Options, Outcome, folder};

use super::{run, say, setting::Setting, target};

/// What can be said to `unplug shrink`.
#[derive(Debug, Args)]
pub struct ShrinkCommand {
    /// A scenario of one failing case
    #[arg(value_name = "SCENARIO")]
    path: PathBuf,
    /// The folder for the smaller one; beside the scenario by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Shrinks it into a new folder.
pub fn run(command: ShrinkCommand) -> anyhow::Result<ExitCode> {
    let bad = |text: &str| HarnessError::input(format!("{}: {text}", command.path.display()));
    let mut scenario = folder::read(&command.path)?;
    let Some(mut case) = scenario.case.take() else {
        return Err(bad("case: missing: expected a scenario of one case").into());
    };
    if scenario.expect.outcome != Outcome::Violated {
        return Err(bad("expect.outcome: expected `violated`").into());
    }
    let mut target = target::resolve(&scenario.target, scenario.options.threads)?;
    let options = Options { workers: run::cores(), ..scenario.options.clone() };
    let out = command.out.unwrap_or_else(|| command.path.with_extension("smaller"));
    std::fs::create_dir_all(&out).map_err(|error| HarnessError::at("creating", &out, error))?;
    let setting = Setting::confined(&[&out])?;
    setting.give_temporary(&mut target);
    let campaign = setting.campaign(&target, &scenario.target, &options, &Silent);
    let first = replay::judge(&campaign, &case)?.verdict;
    let wanted = match scenario.expect.kind.as_deref() {
        Some(name) => Some(Kind::parse(name).ok_or_else(|| bad("expect.kind: unknown"))?),
        None => first.worst().map(|violation| violation.kind),
    };
    let shown = wanted.filter(|kind| first.violations.iter().any(|found| found.kind == *kind));
    let Some(kind) = shown else {
        say::line(format_args!(
            "{}: does not fail as it says; nothing to shrink",
            command.path.display()
        ))?;
        return Ok(ExitCode::from(1));
    };
    let before = size(&case);
    let tries = replay::shrink(&campaign, &mut case, kind)?;
    let after = size(&case);
    scenario.case = Some(case);
    scenario.expect.kind = Some(kind.to_string());
    let path = folder::write(&out, "scenario.json", &scenario)?;
    say::line(format_args!(
        "{kind}: {before} to {after} bytes of scenario in {tries} tries: {}",
        path.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn size(case: &unplug_harness::scenario::Case) -> usize {
    let files: usize = case.files.values().map(|bytes| bytes.len()).sum();
    files + format!("{:?}", case.strike).len()
}
