//! What the end-to-end tests share: running the `unplug` executable in a folder of its own, and
//! looking for what it may have left behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder for one test: reports and temporary files go below it, nothing else is touched.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A new one.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    /// `unplug` with these arguments, not started yet. Every process that it starts inherits TMPDIR,
    /// by which [`Place::processes`] knows them.
    pub fn unplug(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
        command
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.unplug(arguments).output().unwrap())
    }

    /// Runs `unplug run` with reports in this place.
    pub fn torture(&self, arguments: &[&str]) -> Ran {
        let out = self.out();
        let mut all = vec!["run", "--out", out.to_str().unwrap()];
        all.extend(arguments);
        self.run(&all)
    }

    /// Where reports go.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// The folder of the only run.
    pub fn only_run(&self) -> PathBuf {
        let mut runs = list(&self.out());
        assert_eq!(runs.len(), 1, "one run: {runs:?}");
        runs.remove(0)
    }

    /// report.json of the only run.
    pub fn report(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.only_run().join("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Temporary files that are still there.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        in_the_end(|| list(&self.folder.path().join("tmp")))
    }

    /// Processes that were started below this place and still run.
    pub fn processes(&self) -> Vec<String> {
        in_the_end(|| self.running())
    }

    /// The same, right now.
    pub fn running(&self) -> Vec<String> {
        let line = |process: &Path| {
            let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        };
        self.environs().iter().map(|(process, _)| line(process)).collect()
    }

    /// The temporary folders in which drivers that were started below this place have theirs.
    pub fn roots(&self) -> BTreeSet<PathBuf> {
        let is_root = |path: &&Path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("unplug-"))
        };
        let root = |environ: &String| {
            let own = environ.split('\0').find_map(|entry| entry.strip_prefix("UNPLUG_RUN="))?;
            Path::new(own).ancestors().find(is_root).map(Path::to_path_buf)
        };
        self.environs().iter().filter_map(|(_, environ)| root(environ)).collect()
    }

    /// The processes that were started below this place, by their folders in /proc, with their environments.
    fn environs(&self) -> Vec<(PathBuf, String)> {
        let mark = format!("TMPDIR={}", self.folder.path().join("tmp").display());
        let environ = |process: PathBuf| {
            let environ = std::fs::read(process.join("environ")).unwrap_or_default();
            let environ = String::from_utf8_lossy(&environ).into_owned();
            // What is replayed has a folder of its own in there.
            let ours = environ.split('\0').any(|entry| entry.starts_with(&mark));
            ours.then_some((process, environ))
        };
        list(Path::new("/proc")).into_iter().filter_map(environ).collect()
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed besides.
    pub stderr: String,
}

impl Ran {
    /// From what a command left.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test with everything that was printed, unless it exited so.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard output or standard error has this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let said = format!("{}\n{}", self.stdout, self.stderr);
        assert!(said.contains(text), "no `{text}` in:\n{said}");
        self
    }
}

/// What is left when there is nothing left any more, or after a patient while: what was told to end takes
/// a moment on a busy machine.
fn in_the_end<T>(look: impl Fn() -> Vec<T>) -> Vec<T> {
    for _ in 0..200 {
        let left = look();
        if left.is_empty() {
            return left;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    look()
}

/// What is in a folder, sorted; nothing if there is none.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}
