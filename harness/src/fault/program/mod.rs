//! The whole-program form of the power fault, for programs that cannot speak the driver protocol. The
//! workload is a command that runs once under the recorder; each line that it prints is a promise made
//! at that moment. For every crash state the check, another command, runs on a copy of it with the
//! lines printed before the crash; exit 0 means that the state honours them.
//!
//! Exploration, images, grouping and scenarios are those of `power`; there is no oracle here: the check
//! is one. Not tried: crashes inside the check's own recovery.

mod check;
mod promises;
mod rejudge;
mod run;
mod today;

pub use rejudge::rejudge;
pub use run::{control, run};
pub use today::today;

use std::path::Path;
use std::time::Duration;

use crate::base::{HarnessError, Result};
use crate::driver::Target;

/// How long the workload may take in all.
const WORKLOAD_LIMIT: Duration = Duration::from_secs(300);

/// The check command of a target in this form.
fn check_of(target: &Target) -> Result<&str> {
    target
        .check
        .as_deref()
        .ok_or_else(|| HarnessError::input("the target has no check command: expected --check CMD"))
}

/// A command's text with the directory filled in.
fn filled(command: &str, dir: &Path) -> String {
    command.replace("{dir}", &dir.display().to_string())
}
