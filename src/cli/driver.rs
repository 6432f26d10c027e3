//! `unplug driver ENGINE`: a bundled engine speaks the protocol on standard input and output. This is
//! how bundled engines run under every fault; it prints nothing but the protocol.

use std::io;
use std::process::ExitCode;

use clap::Args;
use unplug_harness::base::HarnessError;
use unplug_harness::driver::serve;

use crate::engines;

/// Speak the driver protocol for a bundled engine.
#[derive(Args, Clone, Debug)]
pub struct DriverCommand {
    /// The engine's name, as `unplug list engines` prints it.
    pub engine: String,
    /// How many requests it may be given at once, where the engine takes several.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
}

/// Serves until the input ends.
pub fn run(command: DriverCommand) -> anyhow::Result<ExitCode> {
    let Some(entry) = engines::find(&command.engine) else {
        let names: Vec<&str> = engines::all().iter().map(|entry| entry.name).collect();
        let text =
            format!("no engine is called `{}`; there are {}", command.engine, names.join(", "));
        return Err(HarnessError::input(text).into());
    };
    let opener = (entry.opener)(command.threads);
    serve(&*opener, io::stdin(), io::stdout())?;
    Ok(ExitCode::SUCCESS)
}
