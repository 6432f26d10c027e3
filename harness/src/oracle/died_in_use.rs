//! `died-in-use`: recovery opened the store and answered its `dump`, and an ordinary request then killed
//! it: the process died, hung, or printed what is not the protocol, with no fault in between. Judged where
//! recovered stores are used: live cycles of kills, and a sample of images.
//!
//! An `err` is no death: a store may say that it takes no more writes.

use super::verdict::{Kind, Verdict, Violation};
use crate::recover::Used;

/// Judges the use of a recovered store.
pub fn used(used: &Used) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.judged.insert(Kind::DiedInUse);
    let Used::Died { request, nth, how } = used else { return verdict };
    verdict.violations.push(Violation {
        kind: Kind::DiedInUse,
        sentence: format!(
            "recovery opened the store and showed its contents, and `{request}` (request {nth} after \
             that) killed it: {}",
            reason(how)
        ),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    });
    verdict
}

/// How it died and its last words, on one line.
fn reason(how: &str) -> String {
    let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let mut lines = how.lines().filter(says);
    let first = lines.next().unwrap_or_default().trim();
    let all = match lines.next_back() {
        Some(last) => format!("{first} ({})", last.trim()),
        None => first.to_owned(),
    };
    all.chars().take(240).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_an_ordinary_request_kills_is_caught_and_one_that_serves_holds() {
        assert!(used(&Used::Well).held());
        assert!(used(&Used::Well).judged.contains(&Kind::DiedInUse));
        let died = Used::Died {
            request: "put k3 v".into(),
            nth: 4,
            how: "it exited with status 1\nTraceback\nAssertionError: the free list".into(),
        };
        let verdict = used(&died);
        assert_eq!(verdict.worst().map(|worst| worst.kind), Some(Kind::DiedInUse));
        let sentence = &verdict.violations[0].sentence;
        assert!(sentence.contains("`put k3 v` (request 4"), "{sentence}");
        assert!(sentence.ends_with("status 1 (AssertionError: the free list)"), "{sentence}");
    }
}
