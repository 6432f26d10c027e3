//! The crash points that matter: after each event that changed files or what is durable, and after
//! each answer or printed line (the promise changes there; the point before it is that of the change
//! before it); none between stores into mappings that were found together. Between two of them nothing
//! changes. Besides, right before each write that a kill can
//! cut: for the kill alone.

use crate::persistence::Model;
use crate::trace::{EventKind, EventNo, Trace};

/// A crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Events before this one have happened.
    pub at: EventNo,
    /// False if a later point has the same states and more was promised by then, without a request
    /// in between: what is legal there is legal here.
    pub telling: bool,
}

/// The crash points of a trace, in order; the first is before everything.
pub fn points(trace: &Trace, model: &Model) -> Vec<Point> {
    let mut points = vec![Point { at: EventNo(0), telling: true }];
    // True while nothing happened since the last point but what has no effect at all.
    let mut same = true;
    for (no, event) in (0u32..).zip(&trace.events) {
        let changes = model.changes_files(EventNo(no));
        let promises = event.is_answer();
        if matches!(event.kind, EventKind::Request { .. }) {
            same = false;
        }
        // Most writes follow a request, and no point stands there otherwise.
        let cut = model.kill_cuts(EventNo(no)) > 0;
        if cut && points.last().is_none_or(|last| last.at.0 < no) {
            points.push(Point { at: EventNo(no), telling: false });
        }
        // The order of the stores is not known; a power cut in between is one after them that lost the later.
        if model.is_amid_stores(EventNo(no + 1)) {
            same = false;
            continue;
        }
        if changes || promises {
            if let Some(last) = points.last_mut().filter(|_| same && !changes) {
                last.telling = false;
            }
            points.push(Point { at: EventNo(no + 1), telling: true });
            // A write that carries its own sync is under way there, and durable at the next.
            same = !model.is_own_sync(EventNo(no));
        }
    }
    points
}

/// An order in which a part of the points, visited first, is spread over all of them: every 16th,
/// then those in the middle between, and so on; within each round in order. Few points stay in order.
pub(super) fn spread(count: usize) -> Vec<usize> {
    const ROUNDS: [usize; 16] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
    if count <= 64 {
        return (0..count).collect();
    }
    ROUNDS.iter().flat_map(|start| (*start..count).step_by(ROUNDS.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::workload::{Answer, OpNo, Request};

    #[test]
    fn points_stand_after_changes_and_after_answers_and_nowhere_else() {
        let mut script = Script::new();
        script.event(EventKind::Request { op: OpNo(0), request: Request::Sync });
        script.create("a");
        script.event(EventKind::Warn("nothing".into()));
        script.fsync("a");
        script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
        script.event(EventKind::Request { op: OpNo(1), request: Request::Sync });
        script.event(EventKind::Reply { op: OpNo(1), answer: Answer::Ack });
        let points = points(&script.trace, &script.model());
        let at: Vec<(u32, bool)> = points.iter().map(|point| (point.at.0, point.telling)).collect();
        assert_eq!(at, [(0, true), (2, true), (4, false), (5, true), (7, true)]);
    }

    #[test]
    fn a_write_that_a_kill_can_cut_has_a_point_before_it_also_after_a_request() {
        let mut script = Script::new();
        script.create("a");
        script.event(EventKind::Request { op: OpNo(0), request: Request::Sync });
        script.write("a", 4000, &[1; 200]);
        let points = points(&script.trace, &script.model());
        let at: Vec<(u32, bool)> = points.iter().map(|point| (point.at.0, point.telling)).collect();
        assert_eq!(at, [(0, true), (1, true), (2, false), (3, true)]);
    }

    #[test]
    fn a_spread_order_has_every_point_once() {
        for count in [0, 3, 512, 513, 2000] {
            let mut order = spread(count);
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }
}
