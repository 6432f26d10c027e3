//! Drives a workload through driver processes, one at a time, and says what was asked and answered.
//! Who starts the processes, and what time it is, are parameters: a recorder brings its own of both.

use std::path::Path;
use std::time::Duration;

use super::capabilities::Capabilities;
use super::fault::DriverFault;
use super::patience::Hang;
use super::process::DriverProcess;
use super::protocol::BadLine;
use super::session::{Answered, Dump, Session};
use super::target::{Target, Timeouts};
use super::timeline::Timeline;
use crate::base::{HarnessError, Result};
use crate::workload::{Answer, OpNo, Request};

/// Starts and ends driver processes.
pub trait Host {
    /// Starts a process and gives the conversation with it.
    fn start(&mut self) -> Result<Session>;
    /// After the last acknowledged `close`: ends the input and waits for the exit.
    fn finish(&mut self, session: Session) -> std::result::Result<(), DriverFault>;
    /// Ends a process that failed, and completes what its session said about it. What it had still
    /// written is read from the session afterwards.
    fn explain(&mut self, session: &mut Session, fault: DriverFault) -> DriverFault;
}

/// What to drive.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The store's directory; it exists.
    pub dir: &'a Path,
    /// What to ask, in order. What the driver does not understand is left out.
    pub requests: &'a [Request],
    /// At most this many requests are outstanding, and never more than the driver allows.
    pub threads: u32,
    /// What the driver said before, if it is known: it must say the same again.
    pub capabilities: Option<&'a Capabilities>,
}

/// How a run of a workload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every request was answered and the driver ended as it should.
    Finished,
    /// `open` was answered with `refused` or `err`: nothing more could be asked.
    NotOpened(Answer),
    /// The driver failed.
    Failed(DriverFault),
    /// The watcher said stop (see [`Watch::stop`]); the process was killed.
    Stopped,
}

/// What came of it. The history is the timeline's.
#[derive(Clone, Debug)]
pub struct Driven {
    /// What the driver said of itself, if it opened.
    pub capabilities: Option<Capabilities>,
    /// How it ended.
    pub end: End,
    /// What each acknowledged `dump` printed.
    pub dumps: Vec<(OpNo, Dump)>,
    /// How many requests were left out because the driver does not understand them.
    pub left_out: u64,
}

/// A timeline that may also end the run.
pub trait Watch: Timeline {
    /// Asked before each request and after each answer: true ends the run here and now.
    fn stop(&mut self) -> bool {
        false
    }
    /// Asked right after each request was sent, with its answer not read yet: true ends the run here
    /// and now. May sleep, so that a kill strikes while the driver works.
    fn sent(&mut self) -> bool {
        false
    }
    /// The watcher as a timeline.
    fn timeline(&mut self) -> &mut dyn Timeline;
}

impl Watch for super::timeline::Counter {
    fn timeline(&mut self) -> &mut dyn Timeline {
        self
    }
}

/// Drives `plan.requests`. A `close` followed by an `open` is done in the same process where the driver
/// can `reopen`, and in a new one where it cannot. Requests that must be alone are sent alone.
pub fn drive(host: &mut dyn Host, watch: &mut dyn Watch, plan: &Plan<'_>) -> Result<Driven> {
    let mut drive = Drive {
        driven: Driven {
            capabilities: plan.capabilities.cloned(),
            end: End::Finished,
            dumps: Vec::new(),
            left_out: 0,
        },
        session: None,
        next_op: 0,
    };
    let end = drive.run(host, watch, plan)?;
    if end == End::Failed(DriverFault::Abandoned) {
        if let Some(mut session) = drive.session.take() {
            host.explain(&mut session, DriverFault::Abandoned);
        }
        return Err(HarnessError::Interrupted);
    }
    if let Some(mut session) = drive.session.take() {
        drive.driven.end = match end {
            End::Failed(fault) => End::Failed(host.explain(&mut session, fault)),
            End::Finished => match host.finish(session) {
                Ok(()) => End::Finished,
                Err(fault) => End::Failed(fault),
            },
            End::Stopped => {
                // Whatever the kill says about the process is our own doing.
                let (waiting_for, hang) = ("a kill".into(), Hang::Limit);
                host.explain(&mut session, DriverFault::Hung { waiting_for, after_ms: 0, hang });
                // What it had acknowledged before the kill was promised, read or not.
                while let Some(answered) = session.leftover(watch.timeline()) {
                    drive.take(&answered, session.capabilities());
                }
                End::Stopped
            }
            refused => {
                let _ = host.finish(session);
                refused
            }
        };
    } else {
        drive.driven.end = end;
    }
    Ok(drive.driven)
}

struct Drive {
    driven: Driven,
    session: Option<Session>,
    next_op: u32,
}

/// One step: nothing to say, or the run ends so.
type Step = Option<End>;

impl Drive {
    fn run(&mut self, host: &mut dyn Host, watch: &mut dyn Watch, plan: &Plan<'_>) -> Result<End> {
        for request in plan.requests {
            if self.driven.capabilities.as_ref().is_some_and(|caps| !caps.allow(request)) {
                self.driven.left_out += 1;
                continue;
            }
            if *request == Request::Open
                && let Some(fault) = self.fresh_process(host)?
            {
                return Ok(End::Failed(fault));
            }
            let allowed = self.driven.capabilities.as_ref().map_or(1, |caps| caps.threads);
            let at_once = if request.is_exclusive() { 1 } else { plan.threads.min(allowed).max(1) };
            if let Some(end) = self.wait_below(at_once as usize, watch)? {
                return Ok(end);
            }
            if watch.stop() {
                return Ok(End::Stopped);
            }
            let op = OpNo(self.next_op);
            self.next_op += 1;
            let session = self.session.as_mut().ok_or_else(|| {
                HarnessError::input("the workload asks something before its first `open`")
            })?;
            if let Err(fault) = session.ask(op, request, plan.dir, watch.timeline()) {
                return Ok(End::Failed(fault));
            }
            if watch.sent() {
                return Ok(End::Stopped);
            }
            if request.is_exclusive()
                && let Some(end) = self.wait_below(1, watch)?
            {
                return Ok(end);
            }
        }
        Ok(self.wait_below(1, watch)?.unwrap_or(End::Finished))
    }

    /// Makes sure that a process waits for `open`; a fault of the one before, if it had one.
    fn fresh_process(&mut self, host: &mut dyn Host) -> Result<Option<DriverFault>> {
        let reopen = self.driven.capabilities.as_ref().is_some_and(|caps| caps.reopen);
        if !reopen
            && let Some(session) = self.session.take()
            && let Err(fault) = host.finish(session)
        {
            return Ok(Some(fault));
        }
        if self.session.is_none() {
            self.session = Some(host.start()?);
        }
        Ok(None)
    }

    /// Waits until fewer than `limit` requests are outstanding.
    fn wait_below(&mut self, limit: usize, watch: &mut dyn Watch) -> Result<Step> {
        while let Some(session) = self.session.as_mut().filter(|s| s.outstanding() >= limit) {
            let answered = match session.answer(watch.timeline()) {
                Ok(answered) => answered,
                Err(fault) => return Ok(Some(End::Failed(fault))),
            };
            let caps = session.capabilities().cloned();
            if let Some(end) = self.take(&answered, caps.as_ref()) {
                return Ok(Some(end));
            }
            if watch.stop() {
                return Ok(Some(End::Stopped));
            }
        }
        Ok(None)
    }
}

impl Drive {
    /// Takes in an answer.
    fn take(&mut self, answered: &Answered, caps: Option<&Capabilities>) -> Step {
        if let Some(dump) = &answered.dump {
            self.driven.dumps.push((answered.op, dump.clone()));
        }
        if answered.request != Request::Open {
            return None;
        }
        if answered.answer != Answer::Ack {
            return Some(End::NotOpened(answered.answer.clone()));
        }
        match (&self.driven.capabilities, caps) {
            (Some(first), Some(caps)) if first != caps => {
                let line = BadLine {
                    line: caps.words().join(" "),
                    why: "the capabilities differ from those of the first open".into(),
                };
                return Some(End::Failed(line.into()));
            }
            (_, caps) => self.driven.capabilities = caps.cloned(),
        }
        None
    }
}

/// A host of ordinary processes.
#[derive(Debug)]
pub struct Processes<'a> {
    target: &'a Target,
    timeouts: Timeouts,
    root: &'a Path,
    process: Option<DriverProcess>,
    brief: Option<Timeouts>,
    slowest: Timeouts,
}

impl<'a> Processes<'a> {
    /// Starts `target` whenever one is needed; private folders go below `root`.
    pub fn new(target: &'a Target, timeouts: Timeouts, root: &'a Path) -> Self {
        let slowest = Timeouts { open: Duration::ZERO, op: Duration::ZERO };
        Self { target, timeouts, root, process: None, brief: None, slowest }
    }

    /// The same; a request that was read is waited for only this long.
    #[must_use]
    pub fn briefly(self, brief: Timeouts) -> Self {
        Self { brief: Some(brief), ..self }
    }

    /// The longest that an answer took in the processes that have ended, of each kind.
    pub fn slowest(&self) -> Timeouts {
        self.slowest
    }
}

impl Host for Processes<'_> {
    fn start(&mut self) -> Result<Session> {
        let (process, mut session) = DriverProcess::spawn(self.target, self.root, self.timeouts)?;
        self.process = Some(process);
        if let Some(brief) = self.brief {
            session.wait_briefly(brief);
        }
        Ok(session)
    }

    fn finish(&mut self, mut session: Session) -> std::result::Result<(), DriverFault> {
        self.slowest = self.slowest.max(&session.slowest());
        session.end_input();
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.finish(self.timeouts.op)
    }

    fn explain(&mut self, _session: &mut Session, fault: DriverFault) -> DriverFault {
        match self.process.take() {
            Some(mut process) => process.explain(fault),
            None => fault,
        }
    }
}

#[cfg(test)]
mod tests;
