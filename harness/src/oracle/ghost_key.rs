//! `ghost-key`: a key that was never written. Always judged.

use super::case::Case;
use super::goals::Stranger;
use super::sentence::{LISTED, more, name, value};
use super::verdict::{Kind, Violation};

/// The violation, if there is one.
pub(super) fn judge(case: &Case<'_>) -> Option<Violation> {
    let ghosts = case.goals.strangers.iter().filter(|stranger| !stranger.key_was_written);
    let ghosts: Vec<&Stranger> = ghosts.collect();
    let first = ghosts.first()?;
    let sentence = format!(
        "key `{}` was never written and is there {}, with {}{}",
        name(&first.key),
        case.after,
        value(&first.key, &first.value),
        more(ghosts.len())
    );
    let keys = ghosts.iter().take(LISTED).map(|ghost| ghost.key.clone()).collect();
    Some(Violation { kind: Kind::GhostKey, sentence, keys, operations: Vec::new(), note: false })
}

#[cfg(test)]
mod tests {
    use crate::driver::Capabilities;
    use crate::oracle::{END, Judge, Kind, Loss};
    use crate::recover::{Recovered, Recovery};
    use crate::workload::{Contents, History, Key, Value};

    #[test]
    fn pages_of_bytes_for_a_key_are_told_by_their_beginning() {
        let judge = Judge::new(&History::default(), &Capabilities::default());
        let key = format!("a\n{}", "z".repeat(5000));
        let contents = Contents::from([(Key::from(key.as_str()), Value::from("v"))]);
        let shown = Recovery::Opened(Recovered { contents, ..Recovered::default() });
        let verdict = judge.at(END, Loss::Power, &shown);
        let [ghost] = verdict.violations.as_slice() else { panic!("{verdict:?}") };
        assert_eq!(ghost.kind, Kind::GhostKey);
        let start = format!("key `a\\n{}…` was never written", "z".repeat(78));
        assert!(ghost.sentence.starts_with(&start), "{}", ghost.sentence);
        assert_eq!(ghost.keys, [Key::from(key.as_str())], "whole in the report");
    }
}
