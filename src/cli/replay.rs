//! `unplug replay`: each scenario must give its expected verdict.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use unplug_harness::base::{HarnessError, Result};
use unplug_harness::campaign::{Replayed, replay};
use unplug_harness::fault::Silent;
use unplug_harness::scenario::{Options, Scenario, folder};

use super::{run, say, setting::Setting, target};

/// What can be said to `unplug replay`.
#[derive(Debug, Args)]
pub struct ReplayCommand {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Replays all of them; exit 0 if each gave what it expects.
pub fn run(command: ReplayCommand) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in &command.paths {
        let found = folder::find(path)?;
        if found.is_empty() {
            return Err(
                HarnessError::input(format!("{}: no scenario in it", path.display())).into()
            );
        }
        files.extend(found);
    }
    // All are read before any is run: a mistake in the last must not cost the time of the first.
    let scenarios =
        files.iter().map(|path| folder::read(path)).collect::<Result<Vec<Scenario>>>()?;
    for (path, scenario) in files.iter().zip(&scenarios) {
        target::resolve(&scenario.target, scenario.options.threads)
            .map_err(|error| error.about(path))?;
    }
    let setting = Setting::make()?;
    let mut wrong = 0;
    for (path, scenario) in files.iter().zip(&scenarios) {
        if setting.is_interrupted() {
            return Err(HarnessError::Interrupted.into());
        }
        let replayed = one(scenario, &setting).map_err(|error| error.about(path))?;
        let word = if replayed.as_expected { "as expected" } else { "UNEXPECTED" };
        say::line(format_args!("{}: {word}: {}", path.display(), replayed.sentence))?;
        if !replayed.as_expected {
            wrong += 1;
            say::line(format_args!("  expected: {}", expected(scenario)))?;
            for line in replayed.evidence.lines().take(20) {
                say::line(format_args!("  | {line}"))?;
            }
        }
    }
    let all = files.len();
    say::line(format_args!("{} of {all} scenarios as expected", all - wrong))?;
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

/// Replays one.
fn one(scenario: &Scenario, setting: &Setting) -> Result<Replayed> {
    let target = target::resolve(&scenario.target, scenario.options.threads)?;
    let options = Options { workers: run::cores(), ..scenario.options.clone() };
    replay(&setting.campaign(&target, &scenario.target, &options, &Silent), scenario)
}

fn expected(scenario: &Scenario) -> String {
    match &scenario.expect.kind {
        Some(kind) => format!("{}, {kind}", scenario.expect.outcome),
        None => scenario.expect.outcome.to_string(),
    }
}
