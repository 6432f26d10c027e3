//! What a recording gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::trace::Trace;

/// One recorded run.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What happened.
    pub trace: Trace,
    /// How the program ended, in words.
    pub exit: String,
    /// True if it ended by itself with status 0.
    pub clean: bool,
    /// True if it did not end in time after its input ended, and was killed for that.
    pub overdue: bool,
    /// How many operations were numbered: the coordinates of a plan are 1 to this.
    pub operations: u32,
    /// How many looks were numbered (with `trace_reads`).
    pub looks: u32,
    /// How many times the plan struck.
    pub struck: u32,
    /// How many processes of the program still ran when the first one ended: they were ended with it.
    pub cut_off: u32,
    /// Lines of a whole program that were printed in one write with a later one: what each promises is
    /// known only from that write on. Weakened promises.
    pub weakened: u32,
    /// Calls that the recorder answered and the kernel never saw, by name: a program that needs one of
    /// them fails here and nowhere else.
    pub answered: BTreeMap<String, u64>,
    /// A shared mapping is so large that stores into it were looked for only at syncs and answers: the
    /// states between them, as a kill would leave them, are not known.
    pub coarse: bool,
    /// The programs and libraries that the call stacks of the trace are in.
    pub modules: Vec<PathBuf>,
    /// The end of the program's standard error.
    pub stderr: String,
    /// Files outside the recorded directory that the run opened for writing: where a recovery reads
    /// one of them, a loss cannot be proved.
    pub outside_written: BTreeSet<PathBuf>,
    /// Files outside the recorded directory that the run opened for reading alone.
    pub outside_read: BTreeSet<PathBuf>,
}
