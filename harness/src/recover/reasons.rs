//! Reasons for which stores did not open, and how often a fresh process gave them too: a reason that it gave
//! a few times is believed for a while, so that a store that refuses often costs no start of a process each time.

use std::collections::HashMap;

use super::outcome::Recovery;

/// A reason is believed once this many fresh processes gave it too.
const BELIEVED_FROM: u32 = 3;
/// The most recoveries of a believed reason between two fresh processes.
const UNASKED_AT_MOST: u32 = 32;
/// The most reasons that are kept; a fresh process is always asked about any other.
const REASONS: usize = 64;

/// What fresh processes said of the reasons for which stores did not open.
#[derive(Debug, Default)]
pub(super) struct Reasons(HashMap<String, Asked>);

/// What they said of one.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Fresh processes that gave it too.
    agreed: u32,
    /// Recoveries since the last fresh process.
    unasked: u32,
    /// One of them did otherwise: it is never believed.
    contradicted: bool,
}

impl Reasons {
    /// True if a fresh process is to be asked about `recovery` too. The more often fresh ones gave its reason,
    /// the more seldom that is.
    pub(super) fn are_to_be_asked(&mut self, recovery: &Recovery) -> bool {
        let Some(asked) = of(recovery).and_then(|reason| self.0.get_mut(&reason)) else {
            return true;
        };
        let believed = asked.agreed >= BELIEVED_FROM && !asked.contradicted;
        if !believed || asked.unasked >= asked.agreed.min(UNASKED_AT_MOST) {
            return true;
        }
        asked.unasked += 1;
        false
    }

    /// A fresh process was asked about `recovery`, and made the same of the store or something else.
    pub(super) fn note(&mut self, recovery: &Recovery, same: bool) {
        let Some(reason) = of(recovery) else { return };
        if self.0.len() >= REASONS && !self.0.contains_key(&reason) {
            return;
        }
        let asked = self.0.entry(reason).or_default();
        asked.unasked = 0;
        match same {
            true => asked.agreed += 1,
            false => asked.contradicted = true,
        }
    }
}

/// The reason without numbers, which differ from one image to the next; nothing where it opened or hung.
fn of(recovery: &Recovery) -> Option<String> {
    let (stage, text) = match recovery {
        Recovery::Refused { stage, text, .. } => (stage, text),
        Recovery::Crashed { stage, how, .. } => (stage, how),
        Recovery::Opened(_) | Recovery::Hung { .. } => return None,
    };
    let words = text.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty());
    Some(format!("{stage:?} {}", words.collect::<Vec<_>>().join("#")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::Stage;

    fn refused(text: &str) -> Recovery {
        Recovery::Refused { stage: Stage::Open, text: text.into(), warnings: Vec::new() }
    }

    /// How many of `count` recoveries a fresh process was asked about.
    fn asked(reasons: &mut Reasons, count: usize, text: impl Fn(usize) -> String) -> usize {
        let mut asked = 0;
        for nth in 0..count {
            let recovery = refused(&text(nth));
            if reasons.are_to_be_asked(&recovery) {
                reasons.note(&recovery, true);
                asked += 1;
            }
        }
        asked
    }

    #[test]
    fn the_more_often_fresh_processes_gave_a_reason_the_more_seldom_they_are_asked() {
        let mut reasons = Reasons::default();
        let damaged = |nth| format!("frame {nth} is damaged");
        assert_eq!(asked(&mut reasons, 3, damaged), 3);
        assert_eq!(asked(&mut reasons, 3, damaged), 0, "numbers do not count");
        assert_eq!(asked(&mut reasons, 1, |_| "locked".into()), 1, "another reason");
        let more = asked(&mut reasons, 1_000, damaged);
        assert!((30..80).contains(&more), "{more} of 1,000");
    }

    #[test]
    fn a_reason_that_a_fresh_process_contradicted_is_never_believed() {
        let mut reasons = Reasons::default();
        let held = |_| "held".to_string();
        assert_eq!(asked(&mut reasons, 5, held), 3);
        reasons.note(&refused("held"), false);
        assert_eq!(asked(&mut reasons, 50, held), 50);
    }

    #[test]
    fn what_opened_has_no_reason_and_reasons_beyond_the_limit_are_not_kept() {
        let mut reasons = Reasons::default();
        let letters = |nth: usize| "x".repeat(nth + 1);
        asked(&mut reasons, 2 * REASONS, letters);
        assert_eq!(reasons.0.len(), REASONS);
        assert_eq!(of(&Recovery::Opened(Default::default())), None);
    }
}
