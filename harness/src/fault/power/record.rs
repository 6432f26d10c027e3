//! The recording that everything is derived from: the workload through the driver under the recorder,
//! in a directory of its own. A driver that cannot `reopen` is recorded process by process, and the
//! recordings are joined into one trace.

use std::path::Path;

use super::join;
use crate::base::{HarnessError, Result};
use crate::driver::session::Dump;
use crate::driver::{Capabilities, DriverFault, Session, Target, Timeline, Timeouts};
use crate::record::{RecordOptions, Recording, record};
use crate::recover::converse::failed;
use crate::recover::{Recovered, Recovery, Stage};
use crate::trace::Trace;
use crate::workload::{Answer, OpNo, Request};

/// What to record.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// The driver.
    pub target: &'a Target,
    /// What it said of itself.
    pub capabilities: &'a Capabilities,
    /// The store's directory; it exists.
    pub dir: &'a Path,
    /// What to ask.
    pub requests: &'a [Request],
    /// At most this many requests are outstanding, and never more than the driver allows.
    pub threads: u32,
    /// How long answers may take.
    pub timeouts: Timeouts,
    /// Which of several waiting threads goes next.
    pub seed: u64,
}

/// A recorded run of a workload.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// What happened.
    pub trace: Trace,
    /// What the driver did wrong, if anything, and what it wrote to its standard error.
    pub fault: Option<DriverFault>,
    /// The first answer to `open` that was no acknowledgement.
    pub not_opened: Option<Answer>,
    /// What each acknowledged `dump` printed.
    pub dumps: Vec<Dump>,
    /// The answers in the order in which they came.
    pub answers: Vec<Answer>,
    /// The texts of `warn`.
    pub warnings: Vec<String>,
    /// What the recorder could not see past, beyond what the trace says itself.
    pub blind: Vec<String>,
    /// How many requests were sent.
    pub requests: u64,
}

/// Runs `script` under the recorder.
pub fn run(script: &Script<'_>) -> Result<Recorded> {
    let mut recorded = Recorded::default();
    let mut next_op = 0;
    for requests in processes(script) {
        let mut options = RecordOptions::new(script.dir).pinned();
        options.seed = script.seed;
        options.timeouts = script.timeouts;
        let mut talk = Talk { script, recorded: &mut recorded, next_op };
        let (recording, ended) = record(script.target, &options, |session, timeline| {
            talk.all(requests, session, timeline)
        })?;
        next_op = talk.next_op;
        recorded.take(recording, ended)?;
        if recorded.fault.is_some() || recorded.not_opened.is_some() {
            break;
        }
    }
    Ok(recorded)
}

/// The requests of each process: all of them, or up to each `close` where the driver cannot reopen.
fn processes<'a>(script: &Script<'a>) -> Vec<&'a [Request]> {
    if script.capabilities.reopen {
        return vec![script.requests];
    }
    let opens = |request: &Request| *request == Request::Open;
    let mut starts: Vec<usize> =
        (0..script.requests.len()).filter(|at| *at > 0 && opens(&script.requests[*at])).collect();
    starts.insert(0, 0);
    starts.push(script.requests.len());
    starts.windows(2).map(|pair| &script.requests[pair[0]..pair[1]]).collect()
}

impl Recorded {
    fn take(&mut self, recording: Recording, ended: Option<DriverFault>) -> Result<()> {
        let Recording { trace, clean, overdue, exit, stderr, outside_written, .. } = recording;
        self.trace = match self.trace.events.is_empty() {
            true => trace,
            false => join::join(std::mem::take(&mut self.trace), trace)?,
        };
        for path in outside_written {
            let text = format!("it wrote to {}, outside the store's directory", path.display());
            if !self.blind.contains(&text) {
                self.blind.push(text);
            }
        }
        self.fault = match ended {
            Some(DriverFault::Died { .. }) if !overdue => {
                Some(DriverFault::Died { how: exit, stderr })
            }
            Some(fault) => Some(fault),
            None if self.not_opened.is_some() || clean => None,
            None => Some(DriverFault::Died { how: exit, stderr }),
        };
        Ok(())
    }

    /// What a recovery (`open`, `dump`, `close`) that was recorded showed.
    pub fn recovery(&self) -> Recovery {
        let stage = match &self.answers[..] {
            [] => Stage::Open,
            [_] => Stage::Dump,
            _ => Stage::Close,
        };
        let refused = |stage, text: &String| Recovery::Refused {
            stage,
            text: text.clone(),
            warnings: self.warnings.clone(),
        };
        match (&self.not_opened, &self.answers[..], &self.fault) {
            (Some(Answer::Refused(text) | Answer::Err(text)), ..) => refused(Stage::Open, text),
            (_, [_, Answer::Err(text) | Answer::Refused(text), ..], _) => {
                refused(Stage::Dump, text)
            }
            // What happens after `close` was answered is no part of recovery.
            (_, [] | [_] | [_, _], Some(fault)) => failed(stage, fault.clone()),
            _ => {
                let dump = self.dumps.first().cloned().unwrap_or_default();
                Recovery::Opened(Recovered {
                    contents: dump.contents,
                    warnings: self.warnings.clone(),
                    contradiction: dump.contradiction,
                })
            }
        }
    }
}

struct Talk<'a> {
    script: &'a Script<'a>,
    recorded: &'a mut Recorded,
    next_op: u32,
}

impl Talk<'_> {
    /// Asks everything; what the driver did wrong, if it did.
    fn all(
        &mut self,
        requests: &[Request],
        session: &mut Session,
        timeline: &mut dyn Timeline,
    ) -> Result<Option<DriverFault>> {
        let caps = self.script.capabilities;
        for request in requests.iter().filter(|request| caps.allow(request)) {
            let alone = request.is_exclusive();
            let at_once =
                if alone { 1 } else { self.script.threads.min(caps.threads).max(1) as usize };
            if let Some(end) = self.wait_below(at_once, session, timeline) {
                return Ok(end);
            }
            let op = OpNo(self.next_op);
            self.next_op += 1;
            self.recorded.requests += 1;
            if let Err(fault) = session.ask(op, request, self.script.dir, timeline) {
                return Ok(Some(fault));
            }
            if alone && let Some(end) = self.wait_below(1, session, timeline) {
                return Ok(end);
            }
        }
        let end = self.wait_below(1, session, timeline).flatten();
        match session.capabilities() {
            Some(said) if said != caps => Err(HarnessError::broken(format!(
                "the driver promised `{}` in the control run and `{}` when it was recorded",
                caps.words().join(" "),
                said.words().join(" ")
            ))),
            _ => Ok(end),
        }
    }

    /// Waits until fewer than `limit` requests are outstanding. Something where the run ends here.
    fn wait_below(
        &mut self,
        limit: usize,
        session: &mut Session,
        timeline: &mut dyn Timeline,
    ) -> Option<Option<DriverFault>> {
        while session.outstanding() >= limit {
            let answered = match session.answer(timeline) {
                Ok(answered) => answered,
                Err(fault) => return Some(Some(fault)),
            };
            let dumped = answered.request == Request::Dump;
            if dumped || answered.answer != Answer::Ack {
                self.recorded.warnings.extend(session.take_warnings());
            }
            self.recorded.dumps.extend(answered.dump);
            self.recorded.answers.push(answered.answer.clone());
            if answered.request == Request::Open && answered.answer != Answer::Ack {
                self.recorded.not_opened = Some(answered.answer);
                return Some(None);
            }
        }
        None
    }
}
