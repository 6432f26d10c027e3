//! `refused`: a legal crash state is not opened: `refused`, or `err` to recovery's `open` or `dump`.
//! Before any `open` was ever acknowledged it is a note, `refused-unborn`: nothing had been promised
//! about such a store. A recovery that dies or hangs there is a note as well, under its own name.
//! Always judged; not where bytes were damaged or a call was made to fail.

use super::verdict::{Kind, Violation};
use crate::recover::Stage;

/// Said of what happens before any `open` was acknowledged.
pub(super) const UNBORN: &str = ", before it had ever been opened";

/// The violation; `born` says whether an `open` had been acknowledged.
pub(super) fn violation(born: bool, stage: Stage, text: &str, after: &str) -> Violation {
    let what = match stage {
        Stage::Open => "the store does not open",
        Stage::Dump => "the store opens and cannot be read",
        Stage::Close => "the store opens and cannot be closed",
    };
    let (kind, unborn) = match born {
        true => (Kind::Refused, ""),
        false => (Kind::RefusedUnborn, UNBORN),
    };
    let text: String = text.chars().take(200).collect();
    Violation {
        kind,
        sentence: format!("{what} {after}{unborn}: {text}"),
        keys: Vec::new(),
        operations: Vec::new(),
        note: !born,
    }
}
