//! When a kill strikes a live process, and the watcher that makes it strike.

use std::fmt;
use std::time::{Duration, Instant};

use crate::base::Rng;
use crate::driver::{Counter, Timeline, Watch};
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
        }
    }
}

impl Moment {
    /// What findings are grouped by.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Answered(_) => "at an acknowledgement",
            Self::During(..) => "while a write was being served",
            Self::Recovery(_) => "inside recovery",
        }
    }
}

/// How long answers take: it aims kills and decides nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    open: Duration,
    write: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { open: Duration::from_millis(3), write: Duration::from_micros(200) }
    }
}

impl Pace {
    /// A moment somewhere in the service of `nth`, or shortly after.
    pub(super) fn during(&self, nth: u32, rng: &mut Rng) -> Moment {
        Moment::During(nth, self.write.mul_f64(rng.below(1300) as f64 / 1000.0))
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
    answered: u32,
    sent: u32,
    dumped: bool,
    since: Option<(OpNo, Instant)>,
}

impl Killer {
    pub(super) fn new(moment: Moment, pace: Pace) -> Self {
        Self {
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
    fn asking(&mut self, op: OpNo, request: &Request) {
        self.counter.asking(op, request);
        self.sent += u32::from(!request.mutations().is_empty());
        self.since = Some((op, Instant::now()));
    }

    fn answered(&mut self, op: OpNo, answer: &Answer) {
        self.counter.answered(op, answer);
        let request = self.counter.history().operations.get(op.0 as usize).map(|op| &op.request);
        let took = self.since.filter(|(asked, _)| *asked == op).map(|(_, since)| since.elapsed());
        match request {
            Some(Request::Dump) => self.dumped = true,
            Some(Request::Open) => {
                if let Some(took) = took {
                    Pace::learn(&mut self.pace.open, took);
                }
            }
            Some(Request::Write(_) | Request::Batch(_)) => {
                self.answered += 1;
                if let Some(took) = took {
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
        matches!(self.moment, Moment::Answered(nth) if self.answered >= nth)
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
