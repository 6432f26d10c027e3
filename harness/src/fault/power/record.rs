//! Recordings: the workload from which everything is derived, and recoveries that are cut again. Each
//! in a directory of its own below the run's root, gone when the recording is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::{HarnessError, Result};
use crate::driver::{Capabilities, Driven, Plan, Target, Timeouts};
use crate::image::{Image, Workdir};
use crate::record::{OwnLines, RecordOptions, Recording, Stacks, record_workload};
use crate::recover::{REQUESTS, Recovery, of_driven, room_bytes};
use crate::trace::{Call, EventKind, EventNo, Trace};
use crate::workload::{Answer, History, Key, Mutation, Request, Value};

/// What is recorded, and where.
#[derive(Clone, Copy, Debug)]
pub struct Studio<'a> {
    /// The driver.
    pub target: &'a Target,
    /// What it said of itself.
    pub capabilities: &'a Capabilities,
    /// Directories go below this.
    pub root: &'a Path,
    /// How long answers may take.
    pub timeouts: Timeouts,
    /// How long they may take once the request was read, where that is less.
    pub brief: Option<Timeouts>,
    /// Which of several waiting threads goes next.
    pub seed: u64,
}

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What happened.
    pub trace: Trace,
    /// What was asked and promised.
    pub history: History,
    /// How it went.
    pub driven: Driven,
    /// What the recorder could not see past.
    pub blind: Vec<String>,
    /// Calls that the recorder answered in the kernel's place, by name.
    pub answered: BTreeMap<String, u64>,
    /// Files outside the directory.
    pub outside: Outside,
    /// True if what a kill leaves between two looks at a shared mapping is not known.
    pub coarse: bool,
    /// The directory as the program left it.
    pub left: Image,
    /// The end of the program's standard error.
    pub stderr: String,
}

/// Files outside the store's directory that a recording touched.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Written.
    pub written: BTreeSet<PathBuf>,
    /// Read.
    pub read: BTreeSet<PathBuf>,
}

impl Outside {
    /// What makes a loss unprovable: state of the store that lies outside its directory, so written by
    /// one run and read by a later one. A log or a cache that nothing reads again is no state.
    pub fn blind(&self, later: &Outside) -> Vec<String> {
        let both = self.written.intersection(&later.read);
        let text = "outside the store's directory";
        both.map(|path| format!("it wrote and read back {}, {text}", path.display())).collect()
    }
}

impl Studio<'_> {
    /// Records `requests` on a store that `image` holds; nothing for an empty directory.
    pub fn record(
        &self,
        image: Option<&Image>,
        requests: &[Request],
        threads: u32,
    ) -> Result<Recorded> {
        let folder = self.folder("record-")?;
        let dir = folder.path().join("store");
        let look = (Stacks::None, false);
        let (recording, driven) = self.recording(&dir, image, requests, threads, look)?;
        Ok(Recorded::new(recording, driven, Image::load(&dir)?))
    }

    /// The program's own source lines at one numbered call, from a recording of the same once more;
    /// none where that went otherwise or no line is known.
    pub fn source(
        &self,
        image: Option<&Image>,
        requests: &[Request],
        threads: u32,
        call: &Call,
    ) -> Result<OwnLines> {
        let folder = self.folder("source-")?;
        let dir = folder.path().join("store");
        let (recording, _) =
            self.recording(&dir, image, requests, threads, (Stacks::At(call.no), false))?;
        let same = |event: &crate::trace::Event| match &event.kind {
            EventKind::Call(other) => other.no == call.no && other.name == call.name,
            _ => false,
        };
        let Some(at) = recording.trace.events.iter().position(same) else {
            return Ok(OwnLines::default());
        };
        Ok(OwnLines::of(recording.source(EventNo(at as u32))))
    }

    /// The recovery of `image` with the calls that only look, and the stacks of all.
    pub fn looking(&self, image: &Image) -> Result<Recording> {
        let folder = self.folder("looking-")?;
        let dir = folder.path().join("store");
        let look = (Stacks::All, true);
        Ok(self.recording(&dir, Some(image), &self.recovering(), 1, look)?.0)
    }

    /// Records with these stacks, and with the calls that only look where `trace_reads`.
    fn recording(
        &self,
        dir: &Path,
        image: Option<&Image>,
        requests: &[Request],
        threads: u32,
        (stacks, trace_reads): (Stacks, bool),
    ) -> Result<(Recording, Driven)> {
        match image {
            Some(image) => drop(Workdir::new(dir)?.become_image(image)?),
            None => {
                std::fs::create_dir(dir).map_err(|error| HarnessError::at("making", dir, error))?
            }
        }
        let run_root = dir.parent().unwrap_or(self.root);
        let mut options = RecordOptions { stacks, trace_reads, ..self.options(dir, run_root) };
        options.room_bytes = image.map_or(options.room_bytes, room_bytes);
        let plan = Plan { dir, requests, threads, capabilities: Some(self.capabilities) };
        record_workload(self.target, &options, &plan)
    }

    /// A folder of its own below the root.
    pub(in crate::fault) fn folder(&self, prefix: &str) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(self.root)
            .map_err(|error| HarnessError::at("making a folder in", self.root, error))
    }

    pub(super) fn options(&self, dir: &Path, run_root: &Path) -> RecordOptions {
        let mut options = RecordOptions::new(dir).pinned();
        options.seed = self.seed;
        // A recorded program is slower: it is the control that says whether it hangs.
        options.timeouts = self.timeouts.recorded();
        options.brief = self.brief;
        options.run_root = Some(run_root.to_path_buf());
        options
    }

    /// Records the recovery of `image`, and a first write after it: what is promised then may rest on
    /// something that recovery found and that is not durable.
    pub fn recovery(&self, image: &Image) -> Result<(Recorded, Recovery)> {
        let recorded = self.record(Some(image), &self.recovering(), 1)?;
        let recovery = recorded.recovery();
        Ok((recorded, recovery))
    }

    /// What a recovery that is recorded is asked.
    pub(super) fn recovering(&self) -> Vec<Request> {
        let put = Mutation::Put(Key::from("unplug.after"), Value::from("written-after-recovery"));
        let sync = self.capabilities.sync.then_some(Request::Sync);
        let [open, dump, close] = REQUESTS;
        let write = [open, dump, Request::Write(put)].into_iter();
        write.chain(sync).chain([close]).collect()
    }
}

impl Recorded {
    /// What was recorded, and what the program left.
    pub(super) fn new(recording: Recording, driven: Driven, left: Image) -> Self {
        let outside = Outside { written: recording.outside_written, read: recording.outside_read };
        Self {
            history: recording.trace.history(),
            blind: recording.trace.blind.clone(),
            answered: recording.answered,
            coarse: recording.coarse,
            stderr: recording.stderr,
            trace: recording.trace,
            driven,
            outside,
            left,
        }
    }

    /// What a recorded recovery showed.
    pub(super) fn recovery(&self) -> Recovery {
        let answers = self.history.operations.iter();
        let answers: Vec<Answer> =
            answers.filter_map(|operation| Some(operation.answered.as_ref()?.1.clone())).collect();
        of_driven(&self.driven, &answers, warnings(&self.trace))
    }
}

/// The warnings before the answer to `dump`.
fn warnings(trace: &Trace) -> Vec<String> {
    let mut answers = 0;
    let mut warnings = Vec::new();
    for event in &trace.events {
        match &event.kind {
            EventKind::Warn(text) if answers < 2 => warnings.push(text.to_string()),
            EventKind::Reply { .. } => answers += 1,
            _ => {}
        }
    }
    warnings
}
