//! When a kill strikes a live process, and the watcher that makes it strike.

use std::fmt;
use std::time::{Duration, Instant};

use crate::base::Rng;
use crate::base::limits::PAGE_BYTES;
use crate::driver::protocol::Id;
use crate::driver::{Counter, Timeline, Watch};
use crate::record::{Strike, Watcher};
use crate::workload::{Answer, OpNo, Request};

/// A moment in the life of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Right after this many writes were answered.
    Answered(u32),
    /// So long after this write was sent, most likely while it is being served.
    During(u32, Duration),
    /// So long after `open` was sent, most likely inside recovery.
    Recovery(Duration),
    /// At an exact file operation of the writer.
    Call(Strike),
    /// At an exact file operation of a recovery.
    RecoveryCall(Strike),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(nth) => write!(f, "at acknowledgement {nth}"),
            Self::During(nth, after) => {
                write!(f, "{} µs after write {nth} was sent", after.as_micros())
            }
            Self::Recovery(after) => {
                write!(f, "{} µs after open was sent, inside recovery", after.as_micros())
            }
            Self::Call(strike) => write!(f, "{strike}"),
            Self::RecoveryCall(strike) => write!(f, "{strike}, inside recovery"),
        }
    }
}

impl Moment {
    /// What the recorder is told, if the moment is an exact operation.
    pub(super) fn strike(self) -> Option<Strike> {
        match self {
            Self::Call(strike) | Self::RecoveryCall(strike) => Some(strike),
            _ => None,
        }
    }
}

/// How long answers take: it aims kills and decides nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    open: Duration,
    write: Duration,
    /// File operations of one recovery, and of a cycle.
    recovery_calls: u32,
    cycle_calls: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            open: Duration::from_millis(3),
            write: Duration::from_micros(200),
            recovery_calls: 20,
            cycle_calls: 100,
        }
    }
}

impl Pace {
    /// A moment somewhere in the service of `nth`, or shortly after.
    pub(super) fn during(&self, nth: u32, rng: &mut Rng) -> Moment {
        Moment::During(nth, self.write.mul_f64(rng.below(1300) as f64 / 1000.0))
    }

    /// At, inside or after some operation of a cycle, or of a recovery.
    pub(super) fn call(&self, recovery: bool, rng: &mut Rng) -> Moment {
        let calls = if recovery { self.recovery_calls } else { self.cycle_calls };
        let nth = 1 + rng.below(u64::from(calls.max(1))) as u32;
        let strike = match rng.below(3) {
            0 => Strike::KillBefore(nth),
            1 => Strike::KillInside { nth, bytes: rng.below(4 * PAGE_BYTES) },
            _ => Strike::KillAfter(nth),
        };
        if recovery { Moment::RecoveryCall(strike) } else { Moment::Call(strike) }
    }

    /// Learns how many operations there are from a run that the strike came too late for.
    pub(super) fn missed(&mut self, recovery: bool, calls: u32) {
        let known = if recovery { &mut self.recovery_calls } else { &mut self.cycle_calls };
        *known = calls.max(1);
    }

    /// Learns that there are more than was thought, perhaps.
    pub(super) fn struck(&mut self, recovery: bool) {
        let known = if recovery { &mut self.recovery_calls } else { &mut self.cycle_calls };
        *known += 1 + *known / 16;
    }

    /// A moment somewhere in the second part of the time from the process's start to the answer of
    /// `open`: the first part is the start.
    pub(super) fn recovery(&self, rng: &mut Rng) -> Moment {
        Moment::Recovery(self.open.mul_f64((300 + rng.below(800)) as f64 / 1000.0))
    }

    fn learn(known: &mut Duration, took: Duration) {
        *known = (*known * 7 + took) / 8;
    }
}

/// Counts moments of the history, and says when it is time for the kill.
#[derive(Debug)]
pub(super) struct Killer {
    pub(super) counter: Counter,
    pub(super) pace: Pace,
    /// The warnings before recovery's dump was answered.
    pub(super) warnings: Vec<String>,
    moment: Moment,
    /// How many writes are asked for in all.
    writes: u32,
    answered: u32,
    sent: u32,
    opened: bool,
    dumped: bool,
    since: Option<(OpNo, Instant)>,
    /// The recorder's own watcher, where it strikes.
    recorder: Option<Watcher>,
}

impl Killer {
    pub(super) fn new(
        moment: Moment,
        requests: &[Request],
        pace: Pace,
        recorder: Option<Watcher>,
    ) -> Self {
        Self {
            recorder,
            writes: requests.iter().filter(|ask| !ask.mutations().is_empty()).count() as u32,
            opened: false,
            counter: Counter::default(),
            pace,
            warnings: Vec::new(),
            moment,
            answered: 0,
            sent: 0,
            dumped: false,
            since: None,
        }
    }
}

impl Timeline for Killer {
    fn numbered(&mut self, op: OpNo, id: Id) {
        if let Some(recorder) = &mut self.recorder {
            recorder.numbered(op, id);
        }
    }

    fn asking(&mut self, op: OpNo, request: &Request) {
        if let Some(recorder) = &mut self.recorder {
            recorder.asking(op, request);
        }
        self.counter.asking(op, request);
        self.sent += u32::from(!request.mutations().is_empty());
        self.since = Some((op, Instant::now()));
    }

    fn answered(&mut self, op: OpNo, answer: &Answer) {
        if let Some(recorder) = &mut self.recorder {
            recorder.answered(op, answer);
        }
        self.counter.answered(op, answer);
        let request = self.counter.history().operations.get(op.0 as usize).map(|op| &op.request);
        let took = self.since.filter(|(asked, _)| *asked == op).map(|(_, since)| since.elapsed());
        match request {
            Some(Request::Dump) => self.dumped = true,
            Some(Request::Open) => {
                self.opened = true;
                if let Some(took) = took.filter(|_| self.recorder.is_none()) {
                    Pace::learn(&mut self.pace.open, took);
                }
            }
            Some(Request::Write(_) | Request::Batch(_)) => {
                self.answered += 1;
                if let Some(took) = took.filter(|_| self.recorder.is_none()) {
                    Pace::learn(&mut self.pace.write, took);
                }
            }
            _ => {}
        }
    }

    fn warned(&mut self, text: &str) {
        self.counter.warned(text);
        if !self.dumped {
            self.warnings.push(text.to_owned());
        }
    }
}

impl Watch for Killer {
    fn stop(&mut self) -> bool {
        match self.moment {
            Moment::Answered(nth) => self.answered >= nth,
            // The exact operation never came: it ends with a kill all the same, not with a clean close.
            Moment::Call(_) => self.answered >= self.writes,
            Moment::RecoveryCall(_) => self.opened,
            Moment::During(..) | Moment::Recovery(_) => false,
        }
    }

    fn sent(&mut self) -> bool {
        let last = self.counter.history().operations.last().map(|op| &op.request);
        let after = match (self.moment, last) {
            (Moment::During(nth, after), Some(Request::Write(_) | Request::Batch(_)))
                if self.sent >= nth =>
            {
                after
            }
            (Moment::Recovery(after), Some(Request::Open)) => after,
            _ => return false,
        };
        // Shorter than a timer's precision: spin.
        let Some((_, since)) = self.since else { return true };
        if after > Duration::from_millis(1) {
            std::thread::sleep((after - Duration::from_millis(1)).saturating_sub(since.elapsed()));
        }
        while since.elapsed() < after {
            std::hint::spin_loop();
        }
        true
    }

    fn timeline(&mut self) -> &mut dyn Timeline {
        self
    }
}
