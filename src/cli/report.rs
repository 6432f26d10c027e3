//! `unplug report`: renders a finished run again from its report.json.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use unplug_harness::report::{folder, terminal};

use super::say;

/// What can be said to `unplug report`.
#[derive(Debug, Args)]
pub struct ReportCommand {
    /// The folder of a run
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Renders junit.xml and index.html anew and prints the result.
pub fn run(command: ReportCommand) -> anyhow::Result<ExitCode> {
    let report = folder::read(&command.run)?;
    folder::render(&command.run, &report)?;
    say::whole(&terminal::render(&report, &command.run.display().to_string()))?;
    Ok(ExitCode::SUCCESS)
}
