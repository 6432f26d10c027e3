//! What the end of a segment means: the decision table of recovery. Pure.
//!
//! The log is read in order to the first place where no frame checks out (`E`). Three things are
//! known about that place: how the bytes stop, what the next segment says, and whether anything
//! proves that the log had once been synced beyond it (the mark, a file's name, a later frame).
//!
//! | # | bytes stop | next segment   | proof beyond E | meaning            | done                      |
//! |---|------------|----------------|----------------|--------------------|---------------------------|
//! | 1 | exactly    | none           | no             | whole log          | nothing                   |
//! | 2 | torn       | none           | no             | a crash's tail     | cut off, reported         |
//! | 3 | either     | none           | yes            | the end is gone    | refused                   |
//! | 4 | exactly    | begins at E    | either         | log goes on        | next segment              |
//! | 5 | torn       | begins at E    | either         | junk was appended  | passed over, reported     |
//! | 6 | either     | begins after E | either         | a part is gone     | refused                   |
//! | 7 | either     | begins before E| either         | two pasts          | refused                   |
//!
//! Row 2 is a crash and not damage because the pages of one unsynced stretch reach the disk in any
//! order: a bad frame may well have good ones after it. Row 6 is damage because a segment is made
//! only after the one before it was synced whole.

/// How the bytes of a segment stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The last frame ends with the file.
    Exact,
    /// Bytes are left that are no frame.
    Torn,
}

/// Where the next segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is none.
    None,
    /// Before the end of this one.
    Before,
    /// At the end of this one.
    At,
    /// After the end of this one.
    After,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The log ends here, whole.
    Whole,
    /// The log ends here; what follows was never acknowledged as durable.
    CutTail,
    /// The log once went on from here.
    EndIsGone,
    /// The next segment goes on.
    GoOn,
    /// The next segment goes on; bytes that belong to nothing are passed over.
    PassOverJunk,
    /// The log goes on later: a part is gone.
    PartIsGone,
    /// The log goes on earlier: two segments claim the same place.
    TwoPasts,
}

/// One row: what it matches, and what it says. `None` matches everything.
struct Row {
    stop: Option<Stop>,
    next: Next,
    proof: Option<bool>,
    decision: Decision,
}

const fn row(stop: Option<Stop>, next: Next, proof: Option<bool>, decision: Decision) -> Row {
    Row { stop, next, proof, decision }
}

/// The table above, row for row.
const TABLE: [Row; 7] = [
    row(Some(Stop::Exact), Next::None, Some(false), Decision::Whole),
    row(Some(Stop::Torn), Next::None, Some(false), Decision::CutTail),
    row(None, Next::None, Some(true), Decision::EndIsGone),
    row(Some(Stop::Exact), Next::At, None, Decision::GoOn),
    row(Some(Stop::Torn), Next::At, None, Decision::PassOverJunk),
    row(None, Next::After, None, Decision::PartIsGone),
    row(None, Next::Before, None, Decision::TwoPasts),
];

impl Row {
    fn matches(&self, stop: Stop, next: Next, proof: bool) -> bool {
        self.stop.is_none_or(|wanted| wanted == stop)
            && self.next == next
            && self.proof.is_none_or(|wanted| wanted == proof)
    }
}

/// Looks the situation up.
pub(crate) fn decide(stop: Stop, next: Next, proof: bool) -> Decision {
    let row = TABLE.iter().find(|row| row.matches(stop, next, proof));
    // The test below shows that every situation meets a row; refusing is the safe answer.
    row.map_or(Decision::TwoPasts, |row| row.decision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_meets_exactly_one_row_and_each_row_some_situation() {
        let mut met = [0; TABLE.len()];
        for stop in [Stop::Exact, Stop::Torn] {
            for next in [Next::None, Next::Before, Next::At, Next::After] {
                for proof in [false, true] {
                    let rows: Vec<usize> = (0..TABLE.len())
                        .filter(|&row| TABLE[row].matches(stop, next, proof))
                        .collect();
                    assert_eq!(rows.len(), 1, "{stop:?} {next:?} {proof}");
                    met[rows[0]] += 1;
                }
            }
        }
        assert!(met.iter().all(|&times| times > 0), "{met:?}");
    }

    #[test]
    fn nothing_that_is_proved_is_ever_dropped() {
        for stop in [Stop::Exact, Stop::Torn] {
            let decision = decide(stop, Next::None, true);
            assert_eq!(decision, Decision::EndIsGone);
        }
    }
}
