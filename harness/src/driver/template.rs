//! A driver that was started only to be forked: it never reads a request. It lies below a keeper like every
//! other, so that nothing of it or of its forks stays behind. Who forks it is not known here.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::keeper::{self, Standard};
use super::process::{DriverProcess, RUN_VARIABLE, pidfd, pipe};
use super::session::Session;
use super::target::{Target, Timeouts};
use crate::base::{HarnessError, Result};

/// The driver. Dropping it ends it with all its forks.
#[derive(Debug)]
pub struct Template {
    keeper: libc::pid_t,
    driver: libc::pid_t,
    /// Numbers of forks go to the keeper here; its end tells the keeper to end everything.
    control: Option<std::fs::File>,
    report: OwnedFd,
    /// Its standard input is never written to, and stays open.
    _stdin: OwnedFd,
    stdout: OwnedFd,
    _stderr: OwnedFd,
    run_folder: TempDir,
}

/// The pipes of one fork.
#[derive(Debug)]
pub struct Pipes {
    /// The fork's own ends: standard input, output and error.
    pub theirs: [OwnedFd; 3],
    to: OwnedFd,
    from: OwnedFd,
    errors: OwnedFd,
}

impl Pipes {
    /// New ones.
    pub fn new() -> Result<Self> {
        let ((stdin, to), (from, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
        Ok(Self { theirs: [stdin, stdout, stderr], to, from, errors })
    }
}

impl Template {
    /// Starts `target` with a private folder below `root`; nothing where its process cannot be found.
    pub fn start(target: &Target, root: &Path) -> Result<Option<Self>> {
        let run_folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(root)
            .map_err(|error| HarnessError::at("making a private folder in", root, error))?;
        let machine = |error| HarnessError::machine(format!("starting {}", target.name), error);
        let ((hold, control), (report, reports)) = (pipe()?, pipe()?);
        let Pipes { theirs: [stdin, stdout, stderr], to, from, errors } = Pipes::new()?;
        let standard = Standard { stdin, stdout, stderr };
        let argv: Vec<_> = target.argv.iter().map(Into::into).collect();
        let mut env: Vec<_> =
            target.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        env.push((RUN_VARIABLE.into(), run_folder.path().into()));
        let started = keeper::start(&argv, &env, &standard, &hold, Some(&reports));
        let keeper = started.map_err(machine)?;
        let mut template = Self {
            keeper,
            driver: 0,
            control: Some(control.into()),
            report,
            _stdin: to,
            stdout: from,
            _stderr: errors,
            run_folder,
        };
        let Some(driver) = keeper::driver_below(keeper) else { return Ok(None) };
        template.driver = driver;
        Ok(Some(template))
    }

    /// Its process.
    pub fn driver(&self) -> libc::pid_t {
        self.driver
    }

    /// True if it has printed something.
    pub fn has_spoken(&self) -> bool {
        let mut unread: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int to a valid place.
        let asked =
            unsafe { libc::ioctl(self.stdout.as_raw_fd(), libc::FIONREAD, &raw mut unread) };
        asked != 0 || unread > 0
    }

    /// Its private folder, which its forks share: one of them lives at a time, and finds it empty.
    pub fn empty_run_folder(&self) -> Result<()> {
        let path = self.run_folder.path();
        let failed = |error| HarnessError::at("emptying", path, error);
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry: PathBuf = entry.map_err(failed)?.path();
            let is_folder = entry.symlink_metadata().is_ok_and(|meta| meta.is_dir());
            match is_folder {
                true => std::fs::remove_dir_all(&entry).map_err(failed)?,
                false => std::fs::remove_file(&entry).map_err(failed)?,
            }
        }
        Ok(())
    }

    /// A session with `fork`, a process that was forked from this one, is a child of its keeper, and has been
    /// given the other ends of `pipes`. It has not run yet. Nothing where the keeper is gone.
    #[expect(clippy::host_endian_bytes, reason = "read by our own child")]
    pub fn adopt(
        &mut self,
        fork: libc::pid_t,
        pipes: Pipes,
        timeouts: Timeouts,
    ) -> Result<Option<(DriverProcess, Session)>> {
        let machine = |error| HarnessError::machine("watching a fork", error);
        let Pipes { theirs, to, from, errors } = pipes;
        drop(theirs);
        let death = pidfd(fork).map_err(machine)?;
        let watch = death.try_clone().map_err(machine)?;
        let report = self.report.try_clone().map_err(machine)?;
        let told = self.control.as_mut().map(|control| control.write_all(&fork.to_ne_bytes()));
        if !matches!(told, Some(Ok(()))) {
            return Ok(None);
        }
        let process = DriverProcess::forked((self.keeper, self.driver), death, report, errors);
        let session = Session::new(to, from, Some(watch), timeouts).map_err(machine)?;
        Ok(Some((process, session)))
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.control = None;
        keeper::reap(self.keeper);
    }
}
