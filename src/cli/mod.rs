//! The command line: one subcommand a file; the only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod confine;
mod doctor;
pub mod driver;
pub mod driver_check;
mod interrupt;
mod list;
mod progress;
mod replay;
mod report;
mod roots;
mod run;
mod say;
mod setting;
mod shrink;
mod store;
mod target;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nix::sys::signal::{SigHandler, Signal};
use unplug_harness::base::HarnessError;

/// Pulls the plug on a storage engine and says what was lost and which missing call lost it.
#[derive(Debug, Parser)]
#[command(name = "unplug", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Torture an engine or a program; without arguments the built-in store, all faults, ten seconds
    Run(Box<run::RunCommand>),
    /// Ask today's program about saved cases: still there, or fixed? Each must be as expected
    Replay(replay::ReplayCommand),
    /// Make a scenario smaller as long as it still fails
    Shrink(shrink::ShrinkCommand),
    /// Say which syncs of an engine matter, which are redundant, which are missing
    #[command(mut_arg("workload", hidden), mut_arg("check", hidden))]
    Audit(Box<run::RunCommand>),
    /// Render a finished run again
    Report(report::ReportCommand),
    /// List engines, profiles, faults or scenarios
    List(list::ListCommand),
    /// Use the built-in store by hand: put, get, scan, frames, verify, export and more
    Store(store::StoreCommand),
    /// Say whether this machine can do all of it, and what would be missed
    Doctor(doctor::DoctorCommand),
    /// Speak the driver protocol for a bundled engine
    Driver(driver::DriverCommand),
    /// Check that a driver keeps the protocol: order, flushing, large values, reopen
    DriverCheck(driver_check::DriverCheckCommand),
    /// Remove temporary folders once standard input ends
    #[command(hide = true)]
    Janitor(roots::JanitorCommand),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Children are waited for: whoever starts unplug and ignores theirs must not have them reaped unseen.
    // SAFETY: no handler, and no other thread yet.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    // A fault of unplug itself has its own exit code, also when it panics.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(cli.command)));
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            say::aside(&format!("unplug: {error:#}"));
            ExitCode::from(exit_code(&error))
        }
        Err(_) => ExitCode::from(70),
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(command) => run::run(*command),
        Command::Replay(command) => replay::run(command),
        Command::Shrink(command) => shrink::run(command),
        Command::Audit(command) => audit::run(*command),
        Command::Report(command) => report::run(command),
        Command::List(command) => list::run(command),
        Command::Store(command) => store::run(command),
        Command::Doctor(command) => doctor::run(command),
        Command::Driver(command) => driver::run(command),
        Command::DriverCheck(command) => driver_check::run(command),
        Command::Janitor(command) => roots::janitor(command),
    }
}

/// The exit code of an error: that of the harness error in it, else 70.
fn exit_code(error: &anyhow::Error) -> u8 {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<HarnessError>());
    known.map_or(70, HarnessError::exit_code)
}

/// True if progress may be drawn over itself.
fn on_a_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// An argument that this command shares with `run` and has no use for.
fn hidden(argument: clap::Arg) -> clap::Arg {
    argument.hide(true)
}
