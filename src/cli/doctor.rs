//! `unplug doctor`: whether this machine can do all of it, and what would be missed.

use std::process::ExitCode;

use clap::Args;
use unplug_harness::campaign;
use unplug_harness::scenario::FaultName;

use super::{roots, run};

/// What can be said to `unplug doctor`.
#[derive(Debug, Args)]
pub struct DoctorCommand {}

/// Prints one line a check; exit 4 if something could not be measured here.
pub fn run(_: DoctorCommand) -> anyhow::Result<ExitCode> {
    let mut good = true;
    let mut say = |ok: bool, name: &str, text: String| {
        println!("{} {name}: {text}", if ok { "ok     " } else { "MISSING" });
        good &= ok;
    };
    say(true, "cores", run::cores().to_string());
    match roots::memory() {
        Some(path) => say(true, "memory file system", path.display().to_string()),
        None => say(
            true,
            "memory file system",
            "none with room: crash states go to the disk, slower".into(),
        ),
    }
    let temporary = std::env::temp_dir();
    let writable = tempfile::tempdir_in(&temporary).is_ok();
    say(writable, "temporary folder", temporary.display().to_string());
    match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) => say(soft >= 256, "open files", format!("{soft} (256 are enough)")),
        Err(errno) => say(false, "open files", errno.to_string()),
    }
    for fault in FaultName::ALL {
        let here = campaign::available().contains(&fault);
        say(
            here,
            &format!("fault {fault}"),
            if here { "built in" } else { "not in this build" }.into(),
        );
    }
    Ok(ExitCode::from(if good { 0 } else { 4 }))
}
