//! Which acknowledgement made an operation durable by promise (ORACLE.md): its own, or that of the
//! first `sync` that was sent after it, or of the first `close` where the driver says `close=durable`.

use crate::driver::PowerPromise;
use crate::trace::{EventKind, EventNo, Trace};
use crate::workload::{Answer, OpNo, Request};

/// One acknowledgement that promised something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The event at which the request was sent.
    pub asked: EventNo,
    /// The event of its `ack`.
    pub answered: EventNo,
    /// `sync` or `close` where that is what was acknowledged; nothing for the write itself.
    pub barrier: Option<&'static str>,
}

/// The acknowledgements that make earlier writes durable under `promised`, in the order in which
/// their requests were sent.
pub fn barriers(trace: &Trace, promised: PowerPromise) -> Vec<Promise> {
    let (sync, close) = match promised {
        PowerPromise::Ack | PowerPromise::None => (false, false),
        PowerPromise::Sync => (true, false),
        PowerPromise::SyncOrClose => (true, true),
    };
    let requests = requests(trace, |request| match request {
        Request::Sync if sync => Some("sync"),
        Request::Close if close => Some("close"),
        _ => None,
    });
    let acked = |(asked, op, name)| {
        let answered = ack(trace, asked, op)?;
        Some(Promise { asked, answered, barrier: Some(name) })
    };
    requests.into_iter().filter_map(acked).collect()
}

/// What promised `op` before `point`, if anything did.
pub fn promise(trace: &Trace, promised: PowerPromise, op: OpNo, point: EventNo) -> Option<Promise> {
    let (asked, _, ()) =
        *requests(trace, |_| Some(())).iter().find(|(_, other, ())| *other == op)?;
    let own = Promise { asked, answered: ack(trace, asked, op)?, barrier: None };
    let promise = match promised {
        PowerPromise::Ack => own,
        PowerPromise::Sync | PowerPromise::SyncOrClose => {
            let later = |barrier: &Promise| barrier.asked > own.answered;
            barriers(trace, promised).into_iter().find(later)?
        }
        PowerPromise::None => return None,
    };
    (promise.answered < point).then_some(promise)
}

fn requests<T>(trace: &Trace, wanted: impl Fn(&Request) -> Option<T>) -> Vec<(EventNo, OpNo, T)> {
    let asked = |(number, event): (u32, &crate::trace::Event)| match &event.kind {
        EventKind::Request { op, request } => Some((EventNo(number), *op, wanted(request)?)),
        _ => None,
    };
    (0..).zip(&trace.events).filter_map(asked).collect()
}

fn ack(trace: &Trace, asked: EventNo, op: OpNo) -> Option<EventNo> {
    let later = (asked.0..).zip(&trace.events[asked.0 as usize..]);
    let reply = |kind: &EventKind| match kind {
        EventKind::Reply { op: other, answer } if *other == op => Some(answer.clone()),
        _ => None,
    };
    let (at, answer) = later.into_iter().find_map(|(at, event)| Some((at, reply(&event.kind)?)))?;
    matches!(answer, Answer::Ack).then_some(EventNo(at))
}
