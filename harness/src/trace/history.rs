//! The history that a trace holds: its requests and replies, with event indices as moments.

use crate::workload::{Contents, History, Moment, OpNo, Operation};

use super::event::{EventKind, Trace};

impl Trace {
    /// What was asked and promised, when. What the store held before is not in a trace: `initial`
    /// says it (nothing, for a new store).
    pub fn history_from(&self, initial: Contents) -> History {
        let mut history = History { initial, operations: Vec::new() };
        let mut numbers: Vec<OpNo> = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let moment = Moment(index as u64);
            match &event.kind {
                EventKind::Request { op, request } => {
                    numbers.push(*op);
                    history.operations.push(Operation {
                        request: request.clone(),
                        begun: moment,
                        answered: None,
                    });
                }
                EventKind::Reply { op, answer } => {
                    // The latest request of that number: operations are few behind.
                    if let Some(at) = numbers.iter().rposition(|number| number == op)
                        && history.operations[at].answered.is_none()
                    {
                        history.operations[at].answered = Some((moment, answer.clone()));
                    }
                }
                _ => {}
            }
        }
        history
    }

    /// The same for a new store.
    pub fn history(&self) -> History {
        self.history_from(Contents::new())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::Event;
    use crate::workload::{Answer, Request};

    #[test]
    fn moments_are_the_indices_of_the_events() {
        let event = |kind| Event { thread: 1, kind, stack: Arc::default() };
        let request = |op, request| event(EventKind::Request { op: OpNo(op), request });
        let reply = |op, answer| event(EventKind::Reply { op: OpNo(op), answer });
        let trace = Trace {
            events: vec![
                request(0, Request::Open),
                event(EventKind::Warn("care".into())),
                reply(0, Answer::Ack),
                request(1, Request::Sync),
                request(2, Request::Sync),
                reply(2, Answer::Err("no".into())),
            ],
            ..Trace::default()
        };
        let history = trace.history();
        let answers: Vec<_> = history.operations.iter().map(|op| op.answered.clone()).collect();
        assert_eq!(answers[0], Some((Moment(2), Answer::Ack)));
        assert_eq!(answers[1], None);
        assert_eq!(answers[2], Some((Moment(5), Answer::Err("no".into()))));
        assert_eq!(history.operations[2].begun, Moment(4));
    }
}
