//! How long a driver is waited for, and who looks into its silence before that time is over.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::target::Timeouts;

/// How it is known that an answer does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hang {
    /// It did not come within the time that it was given.
    Limit,
    /// The process computes and makes no system call.
    Burning,
    /// All its threads sleep, and nothing is left that could wake one of them.
    Asleep,
    /// The run's time was over before the user's limit was: nothing is proven.
    Cut {
        /// How long it was waited for.
        after: Duration,
        /// How long the user would have it waited for.
        of: Duration,
    },
}

/// What a look into a silent process shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No answer will come.
    Hangs(Hang),
    /// A later look may show more.
    Perhaps,
    /// It may answer yet, for all that can be seen.
    Nothing,
}

/// Looks into the silence of one driver and of all that it started.
pub trait Vigil: Debug + Send {
    /// Looks; called again and again while the driver is silent. A process that computes is judged by
    /// its processor time, which must be `limit` or more.
    fn look(&mut self, limit: Duration) -> Look;

    /// The driver answered, or is about to be ended: nothing that was seen counts any more.
    fn forget(&mut self);
}

/// How a silence is looked into. It counts from the moment at which the driver has read its request.
#[derive(Debug)]
pub struct Watching {
    /// A silence of this length is looked into.
    pub first: Timeouts,
    /// A process that computes may be known to hang by its processor time.
    pub judges_time: bool,
    /// After this moment the driver is waited for only as long as `first` says.
    pub until: Option<Instant>,
    /// After this many times the first limit it is not waited for either, where the end comes too soon for
    /// the whole limit and the looks show nothing.
    pub hopeless: u32,
    /// Who looks.
    pub vigil: Box<dyn Vigil>,
}
