//! `recovery-hung`: no answer in time. That it was confirmed at three times the limit is the business
//! of whoever ran it. Always judged, whatever the bytes.

use super::recovery_crashed::during;
use super::verdict::{Kind, Violation};
use crate::recover::Stage;

/// The violation.
pub(super) fn violation(stage: Stage, after: &str) -> Violation {
    Violation {
        kind: Kind::RecoveryHung,
        sentence: format!("recovery does not answer {} in time {after}", during(stage)),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    }
}
