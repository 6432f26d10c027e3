//! Where moments come from: whoever watches a session places its requests and answers on the run's
//! one timeline.

use super::protocol::Id;
use crate::workload::{Answer, History, Moment, OpNo, Operation, Request};

/// Watches a session. `asking` is called before the first byte of the request is written and
/// `answered` after the whole reply was read, so an interval is never narrower than it was.
pub trait Timeline {
    /// A request is about to be sent.
    fn asking(&mut self, op: OpNo, request: &Request);
    /// Its answer was read.
    fn answered(&mut self, op: OpNo, answer: &Answer);
    /// A `warn` line was read.
    fn warned(&mut self, _text: &str) {}
    /// Request `id` of the present process is operation `op`. Called just before `asking`, for a
    /// watcher that sees the driver's own output.
    fn numbered(&mut self, _op: OpNo, _id: Id) {}
}

/// A timeline that counts: it builds the history of a run that is not recorded.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    next: u64,
    history: History,
    warnings: Vec<String>,
}

impl Counter {
    /// Continues from `initial`: what the store held before the first request.
    pub fn from(initial: crate::workload::Contents) -> Self {
        let history = History { initial, operations: Vec::new() };
        Self { history, ..Self::default() }
    }

    /// What was asked and answered so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Ends the count.
    pub fn into_history(self) -> History {
        self.history
    }

    /// The moment after everything so far.
    pub fn now(&self) -> Moment {
        Moment(self.next)
    }

    /// The `warn` lines so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn tick(&mut self) -> Moment {
        self.next += 1;
        Moment(self.next - 1)
    }
}

impl Timeline for Counter {
    fn asking(&mut self, op: OpNo, request: &Request) {
        let begun = self.tick();
        debug_assert_eq!(op.0 as usize, self.history.operations.len());
        let request = request.clone();
        self.history.operations.push(Operation { request, begun, answered: None });
    }

    fn answered(&mut self, op: OpNo, answer: &Answer) {
        let moment = self.tick();
        if let Some(operation) = self.history.operations.get_mut(op.0 as usize) {
            operation.answered = Some((moment, answer.clone()));
        }
    }

    fn warned(&mut self, text: &str) {
        self.warnings.push(text.to_string());
    }
}

/// A timeline that nobody reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Timeline for Unwatched {
    fn asking(&mut self, _op: OpNo, _request: &Request) {}
    fn answered(&mut self, _op: OpNo, _answer: &Answer) {}
}
