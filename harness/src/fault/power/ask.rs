//! What is asked about an image, and what comes of it: a failure, a candidate for nested crashes, two
//! opinions.

use std::rc::Rc;

use super::memory::RecoveryNo;
use super::shape::Shape;
use crate::image::Image;
use crate::oracle::{Loss, Violation};
use crate::persistence::ProfileSet;
use crate::recover::Recovery;
use crate::workload::Moment;

/// What is to be judged on an image.
#[derive(Clone, Debug)]
pub struct Ask<T> {
    /// When the crash struck.
    pub moment: Moment,
    /// What struck.
    pub loss: Loss,
    /// Who judges it: a number that [`super::bench::Bench::seat`] gave.
    pub court: u32,
    /// Under which profiles the state is legal; none where any file system does it.
    pub profiles: ProfileSet,
    /// False for a state that is visited for the crashes inside its recovery alone: another fault
    /// judges it.
    pub judged: bool,
    /// True if every crash that led to it is of the fault's own kind: only then does it count for the
    /// properties that the fault has judged.
    pub alone: bool,
    /// Candidates for nested crashes are kept apart by it.
    pub tag: u8,
    /// What sort of thing is volatile while recovery reads it: candidates are kept apart by it too.
    pub stage: u64,
    /// How the state came about.
    pub what: T,
}

impl<T> Ask<T> {
    /// True if recovery reads something that a power cut may still take.
    pub fn reads_volatile(&self) -> bool {
        self.loss == Loss::Kill && self.stage != 0
    }

    /// Under which profiles it is legal; nothing for any.
    pub fn under(&self) -> Option<ProfileSet> {
        (!self.profiles.is_empty()).then_some(self.profiles)
    }
}

/// A state that failed.
#[derive(Clone, Debug)]
pub struct Failure<T> {
    /// What was judged; more than one where a later visit of the same pair is legal under more
    /// profiles.
    pub asks: Vec<Ask<T>>,
    /// What the image recovered to.
    pub recovery: RecoveryNo,
    /// What was violated.
    pub violations: Vec<Violation>,
}

/// An image whose recovery writes, or reads what is still volatile: a candidate for nested crashes.
#[derive(Clone, Debug)]
pub struct Candidate<T> {
    /// The image.
    pub image: Image,
    /// What was judged on it first.
    pub ask: Ask<T>,
    /// What it recovered to.
    pub recovery: RecoveryNo,
}

/// What recoveries that do the same have in common: their asks' tag and stage, and the shape of what
/// they wrote.
pub type Like = (u8, u64, Rc<Shape>);

/// Two opinions about one image.
#[derive(Clone, Debug)]
pub struct Disagreement<T> {
    /// The image.
    pub image: Image,
    /// What was judged on it first.
    pub ask: Ask<T>,
    /// What the worker saw.
    pub first: Recovery,
    /// What a fresh process saw.
    pub second: Recovery,
}
