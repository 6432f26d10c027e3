//! `unplug list`: what there is to name on the command line.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use unplug_harness::campaign;
use unplug_harness::scenario::{FaultName, Profile, folder};

use super::say;

/// What can be said to `unplug list`.
#[derive(Debug, Args)]
pub struct ListCommand {
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Engines,
    Profiles,
    Faults,
    Scenarios,
}

/// Prints one a line.
pub fn run(command: ListCommand) -> anyhow::Result<ExitCode> {
    match command.what {
        What::Engines => {
            for entry in crate::engines::all() {
                say::line(format_args!("{}: {}", entry.name, entry.about))?;
            }
        }
        What::Profiles => {
            for profile in Profile::ALL {
                say::line(format_args!("{profile}: {}", about_profile(profile)))?;
            }
        }
        What::Faults => {
            for fault in FaultName::ALL {
                let here = campaign::available().contains(&fault);
                let absent = if here { "" } else { " (not in this build)" };
                say::line(format_args!("{fault}: {}{absent}", about_fault(fault)))?;
            }
        }
        What::Scenarios => {
            for path in folder::find(Path::new("scenarios"))? {
                say::line(format_args!("{}", path.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about_profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Ext4 => "ext4 with data=ordered and delayed allocation, as observed",
        Profile::Xfs => "xfs, as observed",
        Profile::Btrfs => "btrfs, as observed",
        Profile::Strict => "only what POSIX and the manual pages promise",
    }
}

fn about_fault(fault: FaultName) -> &'static str {
    match fault {
        FaultName::Kill => "the process is killed; the page cache stays",
        FaultName::Power => "the power is cut; what is not durable may be lost, reordered or torn",
        FaultName::Media => "bytes are damaged at rest",
        FaultName::Io => "a call fails, once or from then on",
    }
}
