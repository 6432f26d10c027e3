//! What is answered of a saved case.

use std::fmt;

use crate::oracle::Violation;

/// Whether today's program still has what a saved case shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has.
    StillFails(Violation),
    /// Its calls match those of the case up to the fix, and neither the state of the case nor any other
    /// that was judged around it fails.
    Fixed,
    /// Its calls differ too much. What was judged in their place showed this, or held.
    Changed(Option<Violation>),
}

/// The answer, and what it rests on.
#[derive(Clone, Debug)]
pub struct Today {
    /// The answer.
    pub answer: Answer,
    /// Why, in words.
    pub why: String,
    /// How many states were judged.
    pub states: u64,
    /// Worth a line besides.
    pub notes: Vec<String>,
    /// The driver's words.
    pub evidence: String,
}

impl Answer {
    /// What is wrong, if something is.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Answer::StillFails(violation) => Some(violation),
            Answer::Changed(violation) => violation.as_ref(),
            Answer::Fixed => None,
        }
    }

    /// How much it says against the program: of several answers about one case the greatest counts.
    fn weight(&self) -> u8 {
        match self {
            Answer::Fixed => 0,
            Answer::Changed(None) => 1,
            Answer::Changed(Some(_)) => 2,
            Answer::StillFails(_) => 3,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::StillFails(found) => {
                write!(f, "still fails: {}: {}", found.kind, found.sentence)
            }
            Answer::Fixed => f.write_str("fixed"),
            Answer::Changed(None) => f.write_str("changed, held"),
            Answer::Changed(Some(found)) => {
                write!(f, "changed, violated: {}: {}", found.kind, found.sentence)
            }
        }
    }
}

impl Today {
    /// Adds the answer of one more recording to those before; true if no further recording can say more.
    pub fn gather(before: &mut Option<Today>, one: Today) -> bool {
        match before {
            None => *before = Some(one),
            Some(all) => all.merge(one),
        }
        matches!(before, Some(all) if matches!(all.answer, Answer::StillFails(_)))
    }

    /// Takes in the answer of another recording of the same requests: the one that says more against the
    /// program counts.
    pub fn merge(&mut self, other: Today) {
        self.states += other.states;
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        if other.answer.weight() > self.answer.weight() {
            (self.answer, self.why, self.evidence) = (other.answer, other.why, other.evidence);
        }
    }
}

impl fmt::Display for Today {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.states == 1 { "" } else { "s" };
        write!(f, "{} ({}; {} state{plural} judged)", self.answer, self.why, self.states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Kind;

    fn today(answer: Answer) -> Today {
        let (why, evidence) = (format!("of {answer}"), String::new());
        Today { answer, why, states: 1, notes: Vec::new(), evidence }
    }

    fn lost() -> Violation {
        Violation {
            kind: Kind::LostAck,
            sentence: "gone".into(),
            keys: Vec::new(),
            operations: Vec::new(),
            note: false,
        }
    }

    #[test]
    fn one_recording_that_still_fails_outweighs_any_number_that_do_not() {
        let mut all = today(Answer::Fixed);
        all.merge(today(Answer::StillFails(lost())));
        all.merge(today(Answer::Fixed));
        all.merge(today(Answer::Changed(None)));
        assert_eq!(all.answer, Answer::StillFails(lost()));
        assert_eq!(all.states, 4);
        assert_eq!(
            all.to_string(),
            "still fails: lost-ack: gone (of still fails: lost-ack: gone; 4 states judged)"
        );
    }

    #[test]
    fn a_program_whose_calls_differ_now_and_then_has_changed_and_is_not_fixed() {
        let mut all = today(Answer::Fixed);
        all.merge(today(Answer::Changed(None)));
        assert_eq!(all.answer, Answer::Changed(None));
        all.merge(today(Answer::Changed(Some(lost()))));
        assert_eq!(all.answer.violation(), Some(&lost()));
    }
}
