//! Whether a store is where its images are taken from: a copy of the directory that a clean close left
//! must show what the store itself shows there. Where it does not, something that counts is outside of
//! the directory, behind a mount of the program's own, or in attributes that no image has, and no fault
//! can be judged.

use std::path::Path;

use crate::base::{HarnessError, Result};
use crate::driver::{Capabilities, Plan, Target, Timeouts};
use crate::image::Image;
use crate::record::{RecordOptions, record_workload};
use crate::recover::{Recovery, Setup, Worker};
use crate::workload::{Contents, Request};

use super::super::unseen;

/// How often a copy is opened before it is believed to show something else.
const TRIES: usize = 2;

/// What is opened, and how.
pub struct Original<'a> {
    /// The driver.
    pub target: &'a Target,
    /// What it said of itself.
    pub capabilities: &'a Capabilities,
    /// How long answers may take.
    pub timeouts: Timeouts,
    /// Where copies go.
    pub root: &'a Path,
    /// What the store showed when it was opened again where it is.
    pub shown: &'a Contents,
}

impl Original<'_> {
    /// An error unless a copy shows the same. `requests` are what the store was asked: where the copy
    /// does not, they are recorded once, to name what was not seen.
    pub fn check(&self, copy: &Image, requests: &[Request]) -> Result<()> {
        let (target, capabilities) = (self.target.clone(), self.capabilities.clone());
        let setup = Setup::new(target, capabilities, self.timeouts, self.root);
        let mut why = String::new();
        for _ in 0..TRIES {
            why = match Worker::new(&setup)?.recover(copy)? {
                Recovery::Opened(other) if other.contents == *self.shown => return Ok(()),
                Recovery::Opened(other) => {
                    let (there, here) = (self.shown.len(), other.contents.len());
                    format!("there it shows {there} keys, and the copy {here} or other values")
                }
                other => other.words().lines().next().unwrap_or("it does not open").to_owned(),
            };
        }
        let hint = match self.hints(requests)? {
            hints if hints.is_empty() => String::new(),
            hints => format!(" ({})", hints.join("; ")),
        };
        Err(HarnessError::OutOfReach(format!(
            "a copy of the directory that a clean close left is not the store that was closed: \
             {why}{hint}"
        )))
    }

    /// What a recording does not see of the store.
    fn hints(&self, requests: &[Request]) -> Result<Vec<String>> {
        let folder = tempfile::Builder::new()
            .prefix("hint-")
            .tempdir_in(self.root)
            .map_err(|error| HarnessError::at("making a folder in", self.root, error))?;
        let dir = folder.path().join("store");
        std::fs::create_dir(&dir).map_err(|error| HarnessError::at("making", &dir, error))?;
        let mut options = RecordOptions::new(&dir).pinned();
        options.timeouts = self.timeouts.recorded();
        options.run_root = Some(folder.path().to_path_buf());
        let capabilities = Some(self.capabilities);
        let plan = Plan { dir: &dir, requests, threads: 1, capabilities };
        let (recording, _) = record_workload(self.target, &options, &plan)?;
        let mut hints = unseen::of(&recording.trace);
        hints.extend(recording.trace.unmodelled.into_keys());
        hints.sort();
        hints.dedup();
        let both = recording.outside_written.intersection(&recording.outside_read);
        hints.extend(both.map(|path| format!("it wrote and read back {}", path.display())));
        Ok(hints)
    }
}
