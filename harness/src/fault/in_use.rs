//! A recovered store that died in ordinary use: its cause. Whatever struck before, recovery had opened
//! the store and shown it, so it is not a lost effect that is to blame but what recovery left.

use std::collections::BTreeMap;

use super::finding::Cause;
use crate::diagnose::plain;
use crate::oracle::Violation;

/// The most of a death's words that tell it from another.
const WORDS: usize = 160;

/// The cause of such a violation, the same whichever fault shows it.
pub fn cause(violation: &Violation) -> Cause {
    Cause {
        sentence:
            "recovery opens the store and shows its contents, and leaves it so that ordinary \
                   requests kill it"
                .into(),
        counterfactual: None,
        mechanism: None,
        blameless: false,
        tried: false,
        parts: BTreeMap::from([("death".to_owned(), death(violation))]),
    }
}

/// How it died, without numbers, which differ from run to run.
pub fn death(violation: &Violation) -> String {
    let how = violation.sentence.split_once(") killed it: ").map_or("", |(_, how)| how);
    let words = how.split_whitespace().filter(|word| !word.contains('/') && !word.contains("0x"));
    plain(&words.collect::<Vec<_>>().join(" ")).chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::judge_used;
    use crate::recover::Used;

    fn died(request: &str, nth: usize, how: &str) -> Violation {
        let used = Used::Died { request: request.into(), nth, how: how.into() };
        judge_used(&used).violations.remove(0)
    }

    #[test]
    fn one_death_at_two_requests_is_one_cause_and_another_death_is_another() {
        let one = died("put a 1", 4, "it exited with status 101\npage 17 is free");
        let later = died("del b", 9, "it exited with status 101\npage 23 is free");
        let other = died("put a 1", 4, "killed by SIGSEGV");
        assert_eq!(cause(&one), cause(&later));
        assert_ne!(cause(&one), cause(&other));
        assert!(!death(&one).is_empty());
    }
}
