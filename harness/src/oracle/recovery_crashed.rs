//! `recovery-crashed`: death, a non-zero exit or output that is not the protocol before recovery's
//! `close` is answered. Always judged, whatever the bytes.

use super::verdict::{Kind, Violation};
use crate::driver::reason;
use crate::recover::Stage;

/// The violation.
pub(super) fn violation(stage: Stage, how: &str, stderr: &str, after: &str) -> Violation {
    let why = reason(stderr);
    let said = if why.is_empty() { why } else { format!(" ({why})") };
    Violation {
        kind: Kind::RecoveryCrashed,
        sentence: format!("recovery died {after}, during {}: {how}{said}", during(stage)),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    }
}

/// The request that was outstanding.
pub(super) fn during(stage: Stage) -> &'static str {
    match stage {
        Stage::Open => "open",
        Stage::Dump => "dump",
        Stage::Close => "close",
    }
}
