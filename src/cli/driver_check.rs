//! `unplug driver-check -- CMD`: a fixed conversation with a driver, point by point, for whoever
//! writes one. Exit code 0 if every point holds, 1 if one does not.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use unplug_harness::driver::{Target, Timeouts, check};

use super::roots::Roots;
use super::say;

/// Check that a driver keeps the protocol: order, flushing, large values, reopen.
#[derive(Args, Clone, Debug)]
pub struct DriverCheckCommand {
    /// How long each answer may take, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// The driver and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub program: Vec<String>,
}

/// Checks, and prints each point.
pub fn run(command: DriverCheckCommand) -> anyhow::Result<ExitCode> {
    let roots = Roots::make()?;
    let limit = Duration::from_secs(command.timeout);
    let target = Target::new(command.program.join(" "), command.program.clone());
    let timeouts = Timeouts { open: limit, op: limit };
    let checked = check::check(&target, timeouts, roots.run())?;
    for point in &checked.points {
        match &point.wrong {
            None => say::line(format_args!("ok      {}", point.name))?,
            Some(wrong) => say::line(format_args!("FAILED  {}: {wrong}", point.name))?,
        }
    }
    if let Some(caps) = &checked.capabilities {
        say::line(format_args!("it says: {}", caps.words().join(" ")))?;
    }
    let (verdict, code) = match checked.holds() {
        true => ("the driver keeps the protocol", ExitCode::SUCCESS),
        false => ("the driver does not keep the protocol", ExitCode::FAILURE),
    };
    say::line(format_args!("{verdict}"))?;
    Ok(code)
}
