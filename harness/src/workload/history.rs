//! The history of one run: which requests were sent, when each began, when and how each was
//! answered. It is all that the oracle knows of what was promised (ORACLE.md).

use super::contents::Contents;
use super::op::Request;

/// A point on the run's one timeline. Only the order of moments matters. In a recorded run it is the
/// index of the event in the trace; elsewhere a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

/// The number of an operation in its history, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpNo(pub u32);

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, and as durable as the driver promises.
    Ack,
    /// Failed; the operation is indeterminate: it happened before this reply or it never will.
    Err(String),
    /// `refused`, in answer to `open` alone.
    Refused(String),
}

/// One request with its interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was asked.
    pub request: Request,
    /// When it was sent.
    pub begun: Moment,
    /// When and how it was answered; nothing if it was outstanding at the end.
    pub answered: Option<(Moment, Answer)>,
}

impl Operation {
    /// When it was acknowledged, if it was.
    pub fn acknowledged(&self) -> Option<Moment> {
        match &self.answered {
            Some((moment, Answer::Ack)) => Some(*moment),
            _ => None,
        }
    }
}

/// What was asked, promised, and when, from an initial state on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What the store held before the first operation: empty for a new store, the last recovery's
    /// dump for the next cycle.
    pub initial: Contents,
    /// The operations in the order of their beginnings.
    pub operations: Vec<Operation>,
}

impl History {
    /// The history as it stood just before `crash`: what began earlier, with the answers given
    /// earlier.
    pub fn until(&self, crash: Moment) -> History {
        let operations = self
            .operations
            .iter()
            .filter(|operation| operation.begun < crash)
            .map(|operation| Operation {
                answered: operation.answered.clone().filter(|(moment, _)| *moment < crash),
                ..operation.clone()
            })
            .collect();
        History { initial: self.initial.clone(), operations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_cut_at_a_crash_forgets_later_answers_and_later_requests() {
        let operation = |begun, answered| Operation {
            request: Request::Sync,
            begun: Moment(begun),
            answered: Some((Moment(answered), Answer::Ack)),
        };
        let history = History {
            initial: Contents::new(),
            operations: vec![operation(1, 2), operation(3, 5)],
        };
        let cut = history.until(Moment(5));
        assert_eq!(cut.operations[0].acknowledged(), Some(Moment(2)));
        assert_eq!(cut.operations[1].answered, None);
        assert_eq!(history.until(Moment(3)).operations.len(), 1);
    }
}
