//! `unplug`: parse, run, exit code. Everything else is in [`unplug::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    unplug::cli::main()
}
