//! `unstable`: closing and opening again changes the contents. Judged on a second opening without any
//! fault between, whatever the first one showed. That the second opening must succeed at all is
//! judged with it, under the names that such failures have.

use super::recovery_crashed;
use super::recovery_hung;
use super::refused;
use super::verdict::{Kind, Verdict, Violation};
use crate::recover::{Recovered, Recovery};
use crate::workload::{Contents, Key};

const AFTER: &str = "when it is closed and opened again after recovery";

/// Compares what a store showed at its first and at its second opening.
pub fn reopened(first: &Recovered, second: &Recovery) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.judged.extend([Kind::Unstable, Kind::Refused]);
    verdict.violations.extend(match second {
        Recovery::Opened(second) => difference(&first.contents, &second.contents),
        other => failure(other),
    });
    verdict
}

/// The violation that a second opening is by itself, where it does not succeed.
pub(super) fn failure(second: &Recovery) -> Option<Violation> {
    match second {
        Recovery::Opened(_) => None,
        Recovery::Refused { stage, text, .. } => {
            Some(refused::violation(true, *stage, text, AFTER))
        }
        Recovery::Crashed { stage, how, stderr, .. } => {
            Some(recovery_crashed::violation(*stage, how, stderr, AFTER))
        }
        Recovery::Hung { stage, hang } => Some(recovery_hung::violation(*stage, *hang, AFTER)),
    }
}

/// The violation, if the contents differ.
pub(super) fn difference(first: &Contents, second: &Contents) -> Option<Violation> {
    let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
    let changed: Vec<Key> =
        keys.filter(|key| first.get(*key) != second.get(*key)).cloned().collect();
    let key = changed.first()?;
    let shown = |contents: &Contents| match contents.get(key) {
        Some(value) => super::sentence::value(key, value),
        None => "absent".into(),
    };
    let (before, now) = (shown(first), shown(second));
    let more = super::sentence::more(changed.len());
    let sentence =
        format!("key {} was {before} and is {now} {AFTER}{more}", super::sentence::name(key));
    let keys = changed.into_iter().take(super::sentence::LISTED).collect();
    Some(Violation { kind: Kind::Unstable, sentence, keys, operations: Vec::new(), note: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Hang;
    use crate::oracle::written::{contents, opened};
    use crate::recover::Stage;

    fn kinds(first: &str, second: &Recovery) -> Vec<Kind> {
        let first = Recovered { contents: contents(first), ..Recovered::default() };
        let verdict = reopened(&first, second);
        assert!(verdict.judged.contains(&Kind::Unstable));
        verdict.violations.iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn any_difference_between_two_openings_is_caught_and_none_is_invented() {
        assert_eq!(kinds("a=1 b=2", &opened("a=1 b=2")), []);
        assert_eq!(kinds("", &opened("")), []);
        for second in ["a=1", "a=1 b=3", "a=1 b=2 c=3", ""] {
            assert_eq!(kinds("a=1 b=2", &opened(second)), [Kind::Unstable], "{second}");
        }
    }

    #[test]
    fn a_store_that_cannot_be_opened_twice_is_caught() {
        let text = "locked".to_owned();
        let refused = Recovery::Refused { stage: Stage::Open, text, warnings: Vec::new() };
        assert_eq!(kinds("a=1", &refused), [Kind::Refused]);
        assert_eq!(
            kinds("a=1", &Recovery::Hung { stage: Stage::Close, hang: Hang::Limit }),
            [Kind::RecoveryHung]
        );
    }
}
