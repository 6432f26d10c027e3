//! From what the user or a scenario names to a driver that can be started.

use unplug_harness::base::{HarnessError, Result};
use unplug_harness::driver::Target;
use unplug_harness::scenario::TargetText;

/// The target that `text` names.
pub fn resolve(text: &TargetText) -> Result<Target> {
    match text {
        TargetText::Engine(name) => {
            if !engines().contains(name) {
                return Err(unknown(name));
            }
            let exe = std::env::current_exe()
                .map_err(|error| HarnessError::machine("finding the unplug executable", error))?;
            let exe = exe.into_os_string().into_string().map_err(|path| {
                HarnessError::input(format!("{}: the path is not UTF-8", path.display()))
            })?;
            Ok(Target::new(name.clone(), [exe.as_str(), "driver", name]))
        }
        TargetText::Program(argv) => {
            if argv.first().is_none_or(String::is_empty) {
                return Err(HarnessError::input("expected a program after `--`"));
            }
            Ok(Target::new(argv.join(" "), argv.clone()))
        }
    }
}

fn unknown(name: &str) -> HarnessError {
    let known = engines();
    HarnessError::input(format!(
        "no engine `{}` in this build: expected one of {}",
        name.escape_default(),
        known.join(", ")
    ))
}

/// The engines of this build.
pub fn engines() -> Vec<String> {
    vec!["builtin".into()]
}
