//! From what the user or a scenario names to a driver that can be started.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use unplug_harness::base::{HarnessError, Result};
use unplug_harness::driver::Target;
use unplug_harness::scenario::TargetText;

/// The target that `text` names, which may be given `threads` requests at once.
pub fn resolve(text: &TargetText, threads: u32) -> Result<Target> {
    match text {
        TargetText::Engine(name) => {
            if crate::engines::find(name).is_none() {
                return Err(unknown(name));
            }
            let exe = std::env::current_exe()
                .map_err(|error| HarnessError::machine("finding the unplug executable", error))?;
            let exe = exe.into_os_string().into_string().map_err(|path| {
                HarnessError::input(format!("{}: the path is not UTF-8", path.display()))
            })?;
            let threads = threads.to_string();
            let mut target =
                Target::new(name.clone(), [&exe, "driver", name, "--threads", &threads]);
            // An engine that panics says why in one line; unwinding a thousand of them takes minutes.
            target.env.push(("RUST_BACKTRACE".into(), "0".into()));
            target.bundled = true;
            Ok(target)
        }
        TargetText::Program(argv) => {
            if argv.first().is_none_or(String::is_empty) {
                return Err(HarnessError::input("expected a program after `--`"));
            }
            Ok(Target::new(argv.join(" "), argv.clone()))
        }
        TargetText::Whole { workload, check } => {
            if workload.trim().is_empty() || check.trim().is_empty() {
                return Err(HarnessError::input("workload, check: expected a command each"));
            }
            Ok(Target::whole(workload, check))
        }
    }
}

/// Where a program stands: as it is named, else next to the current folder, else on PATH by the last part
/// of its name; nothing where it is nowhere.
pub fn located(program: &str) -> Option<String> {
    let path = Path::new(program);
    let name = path.file_name()?.to_str()?;
    let on_path = || {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| runs(path))
    };
    if program.contains('/') && runs(path) {
        return Some(program.to_owned());
    }
    let here = || Some(Path::new(".").join(name)).filter(|path| runs(path));
    if program.contains('/') {
        return here().or_else(on_path)?.to_str().map(str::to_owned);
    }
    // The system finds it by its name.
    if on_path().is_some() { Some(program.to_owned()) } else { here()?.to_str().map(str::to_owned) }
}

fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How many requests `text` is given at once where nobody says. What a program declares is tried,
/// up to four, because a race of two commits shows only then. A bundled engine declares what it is
/// told to: one, so that its runs repeat exactly, but for those that are about sharing a sync.
pub fn threads_by_default(text: &TargetText) -> u32 {
    match text {
        TargetText::Engine(name) if !name.contains("group") => 1,
        TargetText::Whole { .. } => 1,
        _ => 4,
    }
}

fn unknown(name: &str) -> HarnessError {
    let known: Vec<&str> = crate::engines::all().iter().map(|entry| entry.name).collect();
    HarnessError::input(format!(
        "no engine `{}` in this build: expected one of {}",
        name.escape_default(),
        known.join(", ")
    ))
}
