//! What came of one run: what is wrong, one a kind and place, and what was judged. Pure.

use std::collections::BTreeSet;

use crate::fault::reason;
use crate::oracle::{Kind, Verdict, Violation};
use crate::persistence::{CrashState, ProfileSet};

/// Where a run fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The running store itself.
    Running,
    /// A crash state of the recording: a restart is the kill at its end.
    State(CrashState),
}

/// What is wrong with a run.
#[derive(Clone, Debug)]
pub struct Failing {
    /// What.
    pub violation: Violation,
    /// Where.
    pub place: Place,
    /// Under which profiles, where a power cut shows it.
    pub profiles: ProfileSet,
    /// How many states of the run show the same.
    pub states: u64,
    /// The driver's words.
    pub evidence: String,
}

impl Failing {
    /// True if `known`, which a run without a failing call shows, says it all: it is of the same kind,
    /// as grave, in the same words, and shows wherever this one does.
    pub fn is_no_news_after(&self, known: &Failing) -> bool {
        let everywhere = |failing: &Failing| failing.profiles.is_empty();
        let shows = everywhere(known)
            || (!everywhere(self) && self.profiles.intersection(known.profiles) == self.profiles);
        alike(&self.violation, &known.violation)
            && known.violation.note <= self.violation.note
            && shows
    }
}

/// True if two violations are the same but for numbers: of one kind, and where the store itself said
/// why, for the same reason.
pub fn alike(one: &Violation, other: &Violation) -> bool {
    let why = |of: &Violation| reason(of.kind, &of.sentence);
    one.kind == other.kind && why(one) == why(other)
}

/// What came of one run.
#[derive(Debug, Default)]
pub struct Examined {
    /// What is wrong, one a kind and place, in the order in which it was seen.
    pub failing: Vec<Failing>,
    /// The properties that were judged.
    pub judged: BTreeSet<Kind>,
    /// How often the oracle gave up.
    pub undecided: u64,
    /// How many (image, promise) pairs were judged.
    pub states: u64,
    /// Moments at which the power was cut.
    pub crash_points: BTreeSet<u32>,
    /// The images.
    pub images: BTreeSet<u128>,
    /// Recoveries that were run, not remembered.
    pub recoveries: u64,
    /// Why something could not be judged, or is wrong with the recording.
    pub blind: Vec<String>,
    /// Cases that could not be judged.
    pub unjudged: u64,
}

impl Examined {
    /// Takes in a verdict on one place of the run.
    pub fn take(&mut self, verdict: Verdict, place: &Place, profiles: ProfileSet, evidence: &str) {
        self.judged.extend(verdict.judged);
        self.undecided += u64::from(verdict.undecided);
        let running = |place: &Place| *place == Place::Running;
        for violation in verdict.violations {
            let same = |known: &&mut Failing| {
                alike(&known.violation, &violation)
                    && known.violation.note == violation.note
                    && running(&known.place) == running(place)
            };
            if let Some(known) = self.failing.iter_mut().find(same) {
                // What stands for all is possible where it is said to fail.
                if profiles.mildest() < known.profiles.mildest() {
                    known.violation = violation;
                    known.place = place.clone();
                    known.evidence = evidence.to_owned();
                }
                known.states += 1;
                known.profiles = known.profiles.union(profiles);
                continue;
            }
            let (place, evidence) = (place.clone(), evidence.to_owned());
            self.failing.push(Failing { violation, place, profiles, states: 1, evidence });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::Profile;

    fn failing(kind: Kind, sentence: &str, profiles: &[Profile], note: bool) -> Failing {
        let (keys, operations) = (Vec::new(), Vec::new());
        let violation = Violation { kind, sentence: sentence.into(), keys, operations, note };
        let profiles = profiles.iter().copied().collect();
        let evidence = String::new();
        Failing { violation, place: Place::Running, profiles, states: 1, evidence }
    }

    #[test]
    fn what_shows_without_a_failing_call_is_no_news_after_one() {
        let known = failing(Kind::LostAck, "k1 is missing", &Profile::ALL, false);
        let later = failing(Kind::LostAck, "k7 is missing", &[Profile::Strict], false);
        assert!(later.is_no_news_after(&known));
        assert!(!failing(Kind::Hole, "a hole", &[Profile::Strict], false).is_no_news_after(&known));
    }

    #[test]
    fn a_milder_disk_a_restart_and_an_alarm_after_a_note_are_news() {
        let known = failing(Kind::LostAck, "k1 is missing", &[Profile::Strict], true);
        let on_ext4 = failing(Kind::LostAck, "k1 is missing", &[Profile::Ext4], true);
        let restarted = failing(Kind::LostAck, "k1 is missing", &[], true);
        let alarm = failing(Kind::LostAck, "k1 is missing", &[Profile::Strict], false);
        for news in [on_ext4, restarted, alarm] {
            assert!(!news.is_no_news_after(&known), "{news:?}");
        }
    }

    #[test]
    fn a_store_that_refuses_for_another_reason_is_news() {
        let refused = |at: u32, why: &str| {
            let sentence = format!("the store does not open after a power cut at {at}: {why}");
            failing(Kind::Refused, &sentence, &Profile::ALL, false)
        };
        let known = refused(12, "/dev/shm/a1/store: page 7 is no page");
        assert!(refused(40, "/dev/shm/b2/store: page 9 is no page").is_no_news_after(&known));
        assert!(!refused(40, "all roots are corrupted").is_no_news_after(&known));
    }

    #[test]
    fn two_reasons_in_one_run_are_both_kept() {
        let mut seen = Examined::default();
        for why in ["page 7 is no page", "all roots are corrupted", "page 8 is no page"] {
            let found = failing(Kind::Refused, &format!("it does not open: {why}"), &[], false);
            let verdict = Verdict { violations: vec![found.violation], ..Verdict::default() };
            seen.take(verdict, &Place::Running, ProfileSet::EMPTY, "");
        }
        let states: Vec<u64> = seen.failing.iter().map(|failing| failing.states).collect();
        assert_eq!(states, [2, 1]);
    }
}
