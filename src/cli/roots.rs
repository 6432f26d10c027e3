//! The temporary roots of a run and who removes them: this process when it ends in its own way, and a
//! janitor process when it is killed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use unplug_harness::base::{HarnessError, Result};

/// Below this much room a memory file system is not used.
const ROOM_BYTES: u64 = 512 << 20;

/// The temporary folders of one run. Dropping them removes them.
#[derive(Debug)]
pub struct Roots {
    run: TempDir,
    image: TempDir,
    janitor: Option<Child>,
}

impl Roots {
    /// Makes them, and starts the janitor.
    pub fn make() -> Result<Self> {
        let folder = |below: &Path| {
            tempfile::Builder::new()
                .prefix("unplug-")
                .tempdir_in(below)
                .map_err(|error| HarnessError::at("making a folder in", below, error))
        };
        let run = folder(&std::env::temp_dir())?;
        let image = match memory() {
            Some(memory) => folder(&memory)?,
            None => folder(&std::env::temp_dir())?,
        };
        let mut roots = Self { run, image, janitor: None };
        roots.janitor = Some(roots.start_janitor()?);
        Ok(roots)
    }

    /// The one on a real file system.
    pub fn run(&self) -> &Path {
        self.run.path()
    }

    /// The one in memory, where there is such a file system.
    pub fn image(&self) -> &Path {
        self.image.path()
    }

    fn start_janitor(&self) -> Result<Child> {
        let exe = std::env::current_exe()
            .map_err(|error| HarnessError::machine("finding the unplug executable", error))?;
        Command::new(exe)
            // Not by the name of the run: `pkill unplug` must leave it to its work.
            .arg0("janitor")
            .arg("janitor")
            .args([self.run(), self.image()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| HarnessError::machine("starting the janitor", error))
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

/// A memory file system that can be written to and has room.
pub fn memory() -> Option<PathBuf> {
    let path = PathBuf::from("/dev/shm");
    let stat = nix::sys::statvfs::statvfs(&path).ok()?;
    let room = stat.blocks_available() as u64 * stat.fragment_size() as u64;
    let writable = nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK).is_ok();
    (writable && room >= ROOM_BYTES).then_some(path)
}

/// `unplug janitor DIR…`: removes the folders once standard input ends.
#[derive(Debug, clap::Args)]
pub struct JanitorCommand {
    folders: Vec<PathBuf>,
}

/// Waits for the end of standard input; then removes, until nothing writes there any more.
pub fn janitor(command: JanitorCommand) -> anyhow::Result<ExitCode> {
    // Signals meant for the run must not end the janitor before its work.
    nix::unistd::setsid().ok();
    nix::sys::prctl::set_name(c"janitor").ok();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    for _ in 0..100 {
        for folder in command.folders.iter().filter(|folder| ours(folder)) {
            let _ = std::fs::remove_dir_all(folder);
        }
        if command.folders.iter().all(|folder| !folder.exists()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(ExitCode::SUCCESS)
}

/// Nothing but what [`Roots::make`] made is ever removed.
fn ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("unplug-"))
}
