//! `ghost-key`: a key that was never written. Always judged.

use super::case::Case;
use super::goals::Stranger;
use super::sentence::{LISTED, more, printable, value};
use super::verdict::{Kind, Violation};

/// The violation, if there is one.
pub(super) fn judge(case: &Case<'_>) -> Option<Violation> {
    let ghosts = case.goals.strangers.iter().filter(|stranger| !stranger.key_was_written);
    let ghosts: Vec<&Stranger> = ghosts.collect();
    let first = ghosts.first()?;
    let sentence = format!(
        "key `{}` was never written and is there {}, with {}{}",
        printable(first.key.as_str()),
        case.after,
        value(&first.key, &first.value),
        more(ghosts.len())
    );
    let keys = ghosts.iter().take(LISTED).map(|ghost| ghost.key.clone()).collect();
    Some(Violation { kind: Kind::GhostKey, sentence, keys, operations: Vec::new(), note: false })
}
