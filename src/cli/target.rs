//! From what the user or a scenario names to a driver that can be started.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
            let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
                return Err(HarnessError::input("expected a program after `--`"));
            };
            can_be_run(program)?;
            Ok(Target::new(argv.join(" "), argv.clone()))
        }
        TargetText::Whole { workload, check } => {
            if workload.trim().is_empty() || check.trim().is_empty() {
                return Err(HarnessError::input("workload, check: expected a command each"));
            }
            placeholders("workload", workload, &["dir"])?;
            placeholders("check", check, &["dir", "out"])?;
            if !workload.contains("{dir}") {
                return Err(HarnessError::input(
                    "workload: expected {dir}, the directory whose crash states are checked",
                ));
            }
            Ok(Target::whole(workload, check))
        }
    }
}

/// An error where no program of this name can be started.
fn can_be_run(program: &str) -> Result<()> {
    let told = program.escape_default();
    if !program.contains('/') {
        return match located_by_name(program) {
            Some(_) => Ok(()),
            None => Err(HarnessError::input(format!("{told}: no such program on PATH"))),
        };
    }
    let path = Path::new(program);
    match path.metadata() {
        Err(error) => Err(HarnessError::input(format!("{told}: {error}"))),
        Ok(meta) if meta.is_dir() => {
            Err(HarnessError::input(format!("{told}: a directory; expected a program")))
        }
        Ok(_) if !runs(path) => {
            Err(HarnessError::input(format!("{told}: not executable; `chmod +x` makes it so")))
        }
        Ok(_) => Ok(()),
    }
}

/// Names that are tried for the directory.
const MEANT_DIR: &[&str] = &["directory", "folder", "path", "store"];

/// An error where `command` has something in braces that seems to be meant as one of `known`. Anything else is the
/// shell's or the program's own.
fn placeholders(field: &str, command: &str, known: &[&str]) -> Result<()> {
    let mut rest = command;
    while let Some(at) = rest.find('{') {
        let variable = rest[..at].ends_with('$');
        rest = &rest[at + 1..];
        let Some((word, _)) = rest.split_once('}') else { break };
        let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if variable || !plain || known.contains(&word) {
            continue;
        }
        let near = |name: &&&str| strsim::osa_distance(&word.to_lowercase(), name) <= 1;
        let meant = match known.iter().find(near) {
            Some(name) => Some(*name),
            None if MEANT_DIR.contains(&word) => Some("dir"),
            None if word == "out" => {
                return Err(HarnessError::input(format!(
                    "{field}: {{out}}, the lines that were printed, is known to the check alone"
                )));
            }
            None => None,
        };
        if let Some(meant) = meant {
            return Err(HarnessError::input(format!(
                "{field}: {{{word}}} is not known; did you mean {{{meant}}}?"
            )));
        }
    }
    Ok(())
}

/// Where a program stands: as it is named, else next to the current folder, else on PATH by the last part
/// of its name; nothing where it is nowhere.
pub fn located(program: &str) -> Option<String> {
    let path = Path::new(program);
    let name = path.file_name()?.to_str()?;
    let on_path = || located_by_name(name);
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

fn located_by_name(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| runs(path))
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

/// The engines that are features of this crate.
const FEATURES: &[&str] =
    &["redb", "sqlite", "lmdb", "fjall", "sled", "sanakirja", "jammdb", "persy"];

fn unknown(name: &str) -> HarnessError {
    let told = name.escape_default();
    let family = name.split(':').next().unwrap_or_default();
    let mut text = format!("no engine `{told}` in this build");
    let known: Vec<&str> = crate::engines::all().iter().map(|entry| entry.name).collect();
    let names = known.iter().chain(FEATURES);
    let nearest = names
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    if FEATURES.contains(&family) && !known.contains(&family) {
        text.push_str(&format!(
            ": build it with `cargo build --release --features {family}` (or `engines` for all)"
        ));
    } else if let Some((_, near)) = nearest.filter(|(likeness, _)| *likeness > 0.85) {
        text.push_str(&format!("; did you mean `{near}`?"));
    }
    text.push_str("; `unplug list engines` names all of them, and a program is given after `--`");
    HarnessError::input(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(field: &str, command: &str, known: &[&str]) -> Option<String> {
        placeholders(field, command, known).err().map(|error| error.to_string())
    }

    #[test]
    fn a_placeholder_that_seems_to_be_meant_is_named_and_braces_of_the_shell_are_its_own() {
        let meant = |command| refused("workload", command, &["dir"]);
        for command in ["w {dri}", "w {di}", "w {Dir}", "w {directory}", "w {path}/x"] {
            let text = meant(command).unwrap();
            assert!(
                text.starts_with("workload: {") && text.ends_with("did you mean {dir}?"),
                "{text}"
            );
        }
        assert!(meant("w {dir} {out}").unwrap().contains("check alone"));
        for command in
            ["awk '{print}' {dir}/x", "echo ${dri} {a,b} {} {1..3} {", "f() { w {dir}; }"]
        {
            assert_eq!(meant(command), None, "{command}");
        }
        assert_eq!(refused("check", "c {dir} {out}", &["dir", "out"]), None);
        assert!(refused("check", "c {ouf}", &["dir", "out"]).is_some());
    }

    #[test]
    fn an_engine_that_is_misspelt_or_not_in_this_build_is_told_from_one_that_is_unknown() {
        let told = |name: &str| unknown(name).to_string();
        assert!(told("builtn").contains("did you mean `builtin`?"), "{}", told("builtn"));
        assert!(told("canary:no-fsnyc").contains("did you mean `canary:no-fsync`?"));
        assert!(!told("postgres").contains("did you mean"), "{}", told("postgres"));
        if crate::engines::find("sled").is_none() {
            assert!(told("sled").contains("--features sled"), "{}", told("sled"));
        }
    }
}
