//! What to record and how.

use std::path::PathBuf;

use super::plan::Plan;
use super::stack::Stacks;
use crate::base::limits::IMAGE_BYTES;
use crate::driver::Timeouts;

/// How a recording is made. Start from [`RecordOptions::new`].
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// The directory that is recorded. It must exist; what it holds is the trace's initial tree.
    pub root: PathBuf,
    /// What strikes.
    pub plan: Plan,
    /// Decides which of several waiting threads goes next.
    pub seed: u64,
    /// How long answers may take.
    pub timeouts: Timeouts,
    /// How long they may take once the request was read, where that is less.
    pub brief: Option<Timeouts>,
    /// The processor on which tracer and program run together; nothing: wherever they like, at
    /// several times the cost.
    pub cpu: Option<usize>,
    /// Reads, closes and listings are traced and numbered too (with numbers of their own), so that
    /// failures can be planned for them.
    pub trace_reads: bool,
    /// At which calls the call stack is taken.
    pub stacks: Stacks,
    /// Where each process gets a private folder, named by UNPLUG_RUN; none where there is none.
    pub run_root: Option<PathBuf>,
    /// The most bytes that the directory may take on disk: a program that takes more is stopped.
    pub room_bytes: u64,
    /// The program's working directory; this process's where there is none.
    pub cwd: Option<PathBuf>,
}

impl RecordOptions {
    /// Records `root`, nothing strikes, default limits, not pinned.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            plan: Plan::none(),
            seed: 0,
            timeouts: Timeouts::default(),
            brief: None,
            cpu: None,
            trace_reads: false,
            stacks: Stacks::None,
            run_root: None,
            room_bytes: IMAGE_BYTES,
            cwd: None,
        }
    }

    /// The same, pinned to the processor on which the caller runs now.
    pub fn pinned(mut self) -> Self {
        // SAFETY: takes nothing and returns a number.
        self.cpu = usize::try_from(unsafe { libc::sched_getcpu() }).ok();
        self
    }

    /// The same with a plan.
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }
}
