//! What is read from files is not trusted: where a saved case is asked of a program, neither unplug nor what it starts can
//! write anything but its own temporary folders from then on (Landlock, Linux 5.19).

use std::path::Path;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use unplug_harness::base::{HarnessError, Result};

/// What every program may write to: it is nobody's.
const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts"];

/// Gives up writing anywhere but below these folders, for this thread and all that it starts; false where the kernel cannot
/// see to that. Before the first thread is started and the first process.
pub fn confine(folders: &[&Path]) -> Result<bool> {
    let refused = |error: RulesetError| {
        HarnessError::machine("confining this process", std::io::Error::other(error))
    };
    // Before ABI 2 no file could be moved from one directory to another, whatever the rules are.
    let wanted = AccessFs::from_write(ABI::V2);
    let Ok(rules) = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(wanted)
        .map(|rules| rules.set_compatibility(CompatLevel::BestEffort))
    else {
        return Ok(false);
    };
    let all = AccessFs::from_write(ABI::V3);
    let rules = rules.handle_access(all).and_then(Ruleset::create).map_err(refused)?;
    let rules = folders.iter().try_fold(rules, |rules, folder| allow(rules, folder, all));
    let devices = DEVICES.iter().map(Path::new).filter(|device| device.exists());
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    let rules = devices.fold(rules, |rules, device| allow(rules?, device, write));
    let status = rules.and_then(RulesetCreated::restrict_self).map_err(refused)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: impl Into<landlock::BitFlags<AccessFs>>,
) -> std::result::Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(opened) => rules.add_rule(PathBeneath::new(opened, access)),
        // What is not there needs no rule.
        Err(_) => Ok(rules),
    }
}
