//! `recovery-crashed`: death, a non-zero exit or output that is not the protocol before recovery's
//! `close` is answered. Always judged, whatever the bytes.

use super::verdict::{Kind, Violation};
use crate::recover::Stage;

/// The violation.
pub(super) fn violation(stage: Stage, how: &str, stderr: &str, after: &str) -> Violation {
    // What Rust programs add about backtraces is no reason.
    let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let last = stderr.lines().rfind(says);
    let last: String = last.unwrap_or_default().trim().chars().take(160).collect();
    let said = if last.is_empty() { last } else { format!(" ({last})") };
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
