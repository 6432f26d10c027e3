//! The faults: each composes the rooms below into cases, judges them, and can judge one saved case
//! again. One fault a file; the campaign knows them only by the trait [`Fault`] and the table [`find`],
//! so that a fault that is not there is simply absent and never claimed.

pub mod asked;
pub mod audit;
pub mod budget;
pub mod context;
pub mod control;
pub mod finding;
pub mod in_use;
pub mod io;
pub mod kill;
pub mod media;
pub mod observer;
pub mod outcome;
pub mod power;
pub mod program;
pub mod reason;
pub mod recordings;
pub mod second;
pub mod stored;
pub mod today;
pub mod unseen;

pub use budget::Budget;
pub use context::{Context, Control, Timing};
pub use finding::{Cause, Finding, LATER, Lines, NONE_HELPS, ONLY_DELETES, Symptom};
pub use observer::{Observer, Progress, Silent};
pub use outcome::{FaultOutcome, FirstFailure, Rejudged, Totals};
pub use reason::reason;
pub use recordings::Recordings;

use crate::base::Result;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName};
use today::Today;

/// One way in which a store is made to fail. A fault never confirms, shrinks or diagnoses its own
/// findings: the campaign does, through `rejudge`.
pub trait Fault: Sync {
    /// Its name.
    fn name(&self) -> FaultName;

    /// Visits cases until `ctx.budget` is spent or all are visited. Failing cases of the same kind and
    /// the same cause are one finding. Violations are data in the outcome; an `Err` means that the
    /// harness or the machine failed. The budget is also spent once the run is interrupted: what is
    /// known by then is returned as usual.
    fn run(&self, ctx: &Context<'_>) -> Result<FaultOutcome>;

    /// Judges one saved case again from nothing, in fresh processes and directories. `case` was read
    /// from a file or made by `run`; files that it names are in `case.files`.
    fn rejudge(&self, ctx: &Context<'_>, case: &Case) -> Result<Rejudged>;

    /// Asks today's program about one saved case that showed `kind`: records its requests again, finds its
    /// state there, and judges that and the states around it.
    fn today(&self, ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today>;

    /// Smaller cases that might fail alike, boldest first; the campaign tries them in turn through
    /// `rejudge`, takes the first that still shows the kind and asks again. Pure: no process, no clock.
    fn smaller(&self, _case: &Case) -> Vec<Case> {
        Vec::new()
    }
}

/// The fault of this name, if this build has it.
pub fn find(name: FaultName) -> Option<&'static dyn Fault> {
    match name {
        FaultName::Kill => Some(&kill::Kill),
        FaultName::Media => Some(&media::Media),
        FaultName::Power => Some(&power::Power),
        FaultName::Io => Some(&io::Io),
    }
}
