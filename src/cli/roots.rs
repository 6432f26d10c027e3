//! The temporary roots of a run and who removes them: a janitor process, once this process is gone, however that ends. It
//! is told of a folder before there is one.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use unplug_harness::base::{HarnessError, Result};
use unplug_harness::image::remove;

/// Below this much room a memory file system is not used.
const ROOM_BYTES: u64 = 512 << 20;

/// The temporary folders of one run. Dropping them removes them.
#[derive(Debug)]
pub struct Roots {
    run: PathBuf,
    image: PathBuf,
    /// Its end removes them.
    _janitor: Janitor,
}

impl Roots {
    /// Starts the janitor, and makes them.
    pub fn make() -> Result<Self> {
        let mut janitor = Janitor::start()?;
        let temporary = std::env::temp_dir();
        let run = janitor.folder(&temporary)?;
        let image = janitor.folder(&memory().unwrap_or(temporary))?;
        Ok(Self { run, image, _janitor: janitor })
    }

    /// The one on a real file system.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The one in memory, where there is such a file system.
    pub fn image(&self) -> &Path {
        &self.image
    }
}

/// The janitor, as the one who started it knows it.
#[derive(Debug)]
struct Janitor {
    process: Child,
    /// Nothing once it is to begin.
    orders: Option<ChildStdin>,
}

impl Janitor {
    fn start() -> Result<Self> {
        let exe = std::env::current_exe()
            .map_err(|error| HarnessError::machine("finding the unplug executable", error))?;
        let mut command = Command::new(exe);
        // Not by the name of the run: `pkill unplug` must leave it to its work.
        command.arg0("janitor").arg("janitor").stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // A signal to the run's process group, or the end of its terminal, is not meant for the janitor, not even before
        // it has come to its first instruction.
        // SAFETY: `setsid` is async-signal-safe.
        unsafe { command.pre_exec(|| Ok(nix::unistd::setsid().map(drop)?)) };
        let mut process = command
            .spawn()
            .map_err(|error| HarnessError::machine("starting the janitor", error))?;
        let orders = process.stdin.take();
        Ok(Self { process, orders })
    }

    /// A new folder, of which it knows.
    fn folder(&mut self, below: &Path) -> Result<PathBuf> {
        let made = tempfile::Builder::new().prefix(PREFIX).make_in(below, |path| {
            self.tell(ADDED, path)?;
            let made = std::fs::DirBuilder::new().mode(0o700).create(path);
            if let Err(error) = &made
                && error.kind() == ErrorKind::AlreadyExists
            {
                // It is another's.
                self.tell(WITHDRAWN, path)?;
            }
            made
        });
        let kept =
            made.and_then(|made| made.into_temp_path().keep().map_err(|not_kept| not_kept.error));
        kept.map_err(|error| HarnessError::at("making a folder in", below, error))
    }

    fn tell(&mut self, what: u8, path: &Path) -> std::io::Result<()> {
        let order = [&[what], path.as_os_str().as_bytes(), &[0]].concat();
        self.orders.as_mut().map_or(Ok(()), |orders| orders.write_all(&order))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

/// How the folders' names begin.
const PREFIX: &str = "unplug-";
/// An order is one of these, a path, and a zero byte.
const ADDED: u8 = b'+';
const WITHDRAWN: u8 = b'-';

/// A memory file system that can be written to and has room.
pub fn memory() -> Option<PathBuf> {
    let path = PathBuf::from("/dev/shm");
    let stat = nix::sys::statvfs::statvfs(&path).ok()?;
    let room = stat.blocks_available() as u64 * stat.fragment_size() as u64;
    let writable = nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK).is_ok();
    (writable && room >= ROOM_BYTES).then_some(path)
}

/// `unplug janitor`: removes the folders that it was told of once standard input ends.
#[derive(Debug, clap::Args)]
pub struct JanitorCommand {}

/// Waits for the end of standard input; then removes, until nothing writes there any more.
pub fn janitor(_: JanitorCommand) -> anyhow::Result<ExitCode> {
    nix::sys::prctl::set_name(c"janitor").ok();
    let mut orders = Vec::new();
    std::io::stdin().read_to_end(&mut orders)?;
    let folders = folders(&orders);
    for _ in 0..100 {
        for folder in &folders {
            let _ = remove(folder);
        }
        if folders.iter().all(|folder| folder.symlink_metadata().is_err()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(ExitCode::SUCCESS)
}

/// The folders of these orders. Nothing but what [`Janitor::folder`] makes is ever removed.
fn folders(orders: &[u8]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    // What is not whole was never made.
    let whole = orders.split_inclusive(|byte| *byte == 0).filter_map(|one| one.strip_suffix(&[0]));
    for order in whole {
        let Some((what, path)) = order.split_first() else { continue };
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        let ours = |name: &std::ffi::OsStr| name.as_bytes().starts_with(PREFIX.as_bytes());
        match *what {
            ADDED if path.file_name().is_some_and(ours) => drop(folders.insert(path)),
            _ => drop(folders.remove(&path)),
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_janitor_removes_what_it_was_told_of_and_was_made_for_it_alone() {
        let orders = b"+/tmp/unplug-a\0+/tmp/unplug-b\0-/tmp/unplug-a\0+/home\0+/tmp/unplug-c";
        assert_eq!(folders(orders), BTreeSet::from([PathBuf::from("/tmp/unplug-b")]));
        assert!(folders(b"").is_empty() && folders(b"\0\0+\0").is_empty());
    }
}
