//! The lines that a program printed, each a promise at its moment.

use std::sync::Arc;

use crate::fault::power::court::Court;
use crate::oracle::{Loss, Verdict};
use crate::recover::Recovery;
use crate::trace::{EventKind, Trace};
use crate::workload::Moment;

/// Every printed line with the event at which it was.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    at: Vec<u32>,
    lines: Vec<Arc<str>>,
}

impl Promises {
    /// The lines of a recording.
    pub fn new(trace: &Trace) -> Self {
        let mut promises = Self::default();
        for (number, event) in (0u32..).zip(&trace.events) {
            if let EventKind::Line(line) = &event.kind {
                promises.at.push(number);
                promises.lines.push(Arc::clone(line));
            }
        }
        promises
    }

    /// How many lines had been printed before a crash point.
    pub fn before(&self, point: u32) -> usize {
        self.at.partition_point(|at| *at < point)
    }

    /// The first so many lines, as the check reads them.
    pub fn text(&self, count: usize) -> String {
        self.lines.iter().take(count).flat_map(|line| [&**line, "\n"]).collect()
    }

    /// The last of the first so many lines.
    pub fn last(&self, count: usize) -> Option<&str> {
        count.checked_sub(1).and_then(|last| self.lines.get(last)).map(|line| &**line)
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }
}

/// Nobody but the check judges here.
#[derive(Debug)]
pub struct NoCourt;

impl Court for NoCourt {
    fn key(&self, _moment: Moment, _loss: Loss) -> u64 {
        0
    }

    fn at(&self, _moment: Moment, _loss: Loss, _recovery: &Recovery) -> Verdict {
        Verdict::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Event;

    #[test]
    fn a_line_is_promised_after_its_event_and_not_before() {
        let event = |kind| Event { thread: 1, kind, stack: Arc::default() };
        let trace = Trace {
            events: vec![
                event(EventKind::Line("one".into())),
                event(EventKind::Warn("no line".into())),
                event(EventKind::Line("two".into())),
            ],
            ..Trace::default()
        };
        let promises = Promises::new(&trace);
        assert_eq!([0, 1, 2, 3].map(|point| promises.before(point)), [0, 1, 1, 2]);
        assert_eq!(promises.text(2), "one\ntwo\n");
        assert_eq!((promises.last(0), promises.last(1)), (None, Some("one")));
    }
}
