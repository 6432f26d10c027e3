//! One run with a planned failure, recorded: what is asked of which store, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::{HarnessError, Result};
use crate::diagnose::NamePatterns;
use crate::driver::Driven;
use crate::fault::power::record::{Outside, Studio};
use crate::fault::unseen;
use crate::image::{Image, Workdir};
use crate::record::{OwnLines, Plan, RecordOptions, Recording, Stacks, Strike, record_workload};
use crate::trace::event::LOOK;
use crate::trace::paths::Paths;
use crate::trace::{Call, Event, EventKind, EventNo, FileOp, Trace};
use crate::workload::{History, Request};

/// A store that lost its power before calls fail on it.
#[derive(Clone, Debug)]
pub struct Before {
    /// What had been asked and promised.
    pub history: History,
    /// Its directory, all of it durable.
    pub image: Image,
}

/// What is asked, and of which store.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The requests.
    pub requests: Vec<Request>,
    /// At most this many of them are outstanding.
    pub threads: u32,
    /// What the store had been through; nothing for a new one.
    pub before: Option<Before>,
    /// The patterns of its files' names, as runs without a failing call show them.
    pub patterns: Arc<NamePatterns>,
}

impl Stage {
    /// These requests of a new store; no names are known.
    pub fn new(requests: Vec<Request>, threads: u32) -> Self {
        Self { requests, threads, before: None, patterns: Arc::default() }
    }
}

/// The call that failed first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its event.
    pub event: EventNo,
    /// Its name.
    pub name: String,
    /// The file that it was about.
    pub path: String,
    /// The pattern of its name.
    pub pattern: String,
    /// Its number in the trace.
    pub no: u32,
    /// What it returned.
    pub result: i64,
    /// The error of the next call, where that was made to fail by a plan of its own.
    pub then: Option<String>,
}

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened.
    pub trace: Trace,
    /// What was asked and promised, with the trace's moments.
    pub history: History,
    /// How it went.
    pub driven: Driven,
    /// The directory as it stood afterwards.
    pub left: Image,
    /// The first call that was made to fail, if one was.
    pub hit: Option<Hit>,
    /// Why nothing of it may be judged.
    pub blind: Vec<String>,
    /// Calls that the recorder answered in the kernel's place, by name.
    pub answered: BTreeMap<String, u64>,
}

impl Run {
    /// The moments after an event at which the store is about to be opened again.
    pub fn openings_after(&self, event: EventNo) -> impl Iterator<Item = EventNo> {
        let opens = (0u32..).zip(&self.trace.events).filter_map(|(at, event)| match &event.kind {
            EventKind::Request { request: Request::Open, .. } => Some(EventNo(at)),
            _ => None,
        });
        opens.filter(move |at| *at > event)
    }
}

impl Studio<'_> {
    /// Asks the requests of `stage` while `plan` strikes. With `looks`, reads, closes and listings are
    /// numbered too.
    pub fn run(&self, stage: &Stage, plan: &Plan, looks: bool) -> Result<Run> {
        let folder = self.folder("io-")?;
        let dir = folder.path().join("store");
        let (recording, driven) = self.struck(&dir, stage, plan, looks, Stacks::None)?;
        let left = Image::load(&dir)?;
        let trace = recording.trace;
        let mut blind = unseen::of(&trace);
        // The workload opens the store again, so what it keeps outside is read back in the same run.
        let outside = Outside { written: recording.outside_written, read: recording.outside_read };
        blind.extend(outside.blind(&outside));
        let (history, mut hit) = (trace.history(), first_hit(&trace, &stage.patterns));
        if let (Some(hit), [_, then]) = (&mut hit, &plan.0[..]) {
            hit.then = error_of(&trace, then);
        }
        let answered = recording.answered;
        Ok(Run { trace, history, driven, left, hit, blind, answered })
    }

    /// The program's own source line at the call that failed, from one more run; nothing where that went
    /// otherwise or no line is known.
    pub fn line(&self, stage: &Stage, plan: &Plan, hit: &Hit) -> Result<Option<String>> {
        let folder = self.folder("io-")?;
        let dir = folder.path().join("store");
        let stacks = Stacks::At(hit.no);
        let (recording, _) = self.struck(&dir, stage, plan, hit.no & LOOK != 0, stacks)?;
        let same = |event: &Event| match &event.kind {
            EventKind::Call(call) => call.no == hit.no && *call.name == *hit.name,
            _ => false,
        };
        let Some(at) = recording.trace.events.iter().position(same) else { return Ok(None) };
        let at = u32::try_from(at).map_or(hit.event, EventNo);
        Ok(OwnLines::of(recording.source(at)).told())
    }

    fn struck(
        &self,
        dir: &Path,
        stage: &Stage,
        plan: &Plan,
        looks: bool,
        stacks: Stacks,
    ) -> Result<(Recording, Driven)> {
        match &stage.before {
            Some(before) => drop(Workdir::new(dir)?.become_image(&before.image)?),
            None => {
                std::fs::create_dir(dir).map_err(|error| HarnessError::at("making", dir, error))?;
            }
        }
        let mut options = RecordOptions::new(dir).pinned().with_plan(plan.clone());
        options.seed = self.seed;
        options.timeouts = self.timeouts;
        options.brief = self.brief;
        options.trace_reads = looks || plan.0.iter().any(|strike| strike.nth() & LOOK != 0);
        options.run_root = dir.parent().map(Path::to_path_buf);
        options.stacks = stacks;
        let asked = crate::driver::Plan {
            dir,
            requests: &stage.requests,
            threads: stage.threads,
            capabilities: Some(self.capabilities),
        };
        record_workload(self.target, &options, &asked)
    }
}

/// The error that a planned strike gave its call.
fn error_of(trace: &Trace, strike: &Strike) -> Option<String> {
    trace.events.iter().find_map(|event| match &event.kind {
        EventKind::Call(call) if call.injected && call.no == strike.nth() => error(call.result),
        _ => None,
    })
}

/// The name of the error that a result is.
fn error(result: i64) -> Option<String> {
    let errno = i32::try_from(-result).ok().filter(|errno| *errno > 0)?;
    Some(crate::record::plan::errno_name(errno))
}

/// The calls that were made to fail, with the files that they are about.
fn struck(trace: &Trace) -> impl Iterator<Item = (EventNo, &Call, String)> {
    let mut paths = Paths::new(trace);
    (0u32..).zip(&trace.events).filter_map(move |(event, entry)| {
        let EventKind::Call(call) = &entry.kind else { return None };
        let found = call.injected.then(|| (EventNo(event), call, about(&call.op, &paths)));
        paths.apply(&call.op);
        found
    })
}

/// The first call that was made to fail.
pub(super) fn first_hit(trace: &Trace, patterns: &NamePatterns) -> Option<Hit> {
    let (event, call, path) = struck(trace).next()?;
    Some(Hit {
        event,
        name: call.name.to_string(),
        pattern: patterns.path(&path),
        path,
        no: call.no,
        result: call.result,
        then: None,
    })
}

/// The calls that failed before an event, by name and file, besides the call that was struck first.
pub(super) fn failed_besides(
    trace: &Trace,
    patterns: &NamePatterns,
    before: EventNo,
) -> BTreeSet<String> {
    let mut all = struck(trace).take_while(|(event, ..)| *event < before).peekable();
    let first = all.peek().map(|(_, call, _)| call.no);
    let failed = all.filter(|(_, call, _)| Some(call.no) != first && call.result < 0);
    failed.map(|(_, call, path)| format!("{} of {}", call.name, patterns.path(&path))).collect()
}

/// The file that a call is about.
pub(super) fn about(op: &FileOp, paths: &Paths) -> String {
    match op {
        FileOp::FailedSync { file, .. }
        | FileOp::Sync { file, .. }
        | FileOp::Write { file, .. }
        | FileOp::Resize { file, .. }
        | FileOp::Allocate { file, .. }
        | FileOp::Zero { file, .. }
        | FileOp::Failed { file: Some(file) }
        | FileOp::Nothing { file: Some(file) } => paths.path(*file),
        FileOp::Create { at, .. } | FileOp::Link { at, .. } | FileOp::Unlink { at, .. } => {
            paths.place(at)
        }
        FileOp::Rename { to, .. } => paths.place(to),
        _ => "a new file".into(),
    }
}

impl Hit {
    /// Its number as plans print it.
    pub fn number(&self) -> String {
        match self.no & LOOK {
            0 => self.no.to_string(),
            _ => format!("r{}", self.no & !LOOK),
        }
    }

    /// The error, or that there was none.
    pub fn how(&self) -> String {
        match (error(self.result), &self.then) {
            (Some(error), _) => error,
            (None, Some(then)) => format!("cut short, then {then}"),
            (None, None) => "cut short".into(),
        }
    }

    /// The file that it was about, in words.
    fn file(&self) -> &str {
        if self.pattern == "." { "the store's directory" } else { &self.pattern }
    }

    /// The failure in words, with the number of the call.
    pub fn failure(&self) -> String {
        let path = self.file();
        let how = match (self.result, &self.then) {
            (..0, _) => format!("failing with {}", self.how()),
            (_, Some(then)) => format!("cut short and the next call failing with {then}"),
            (_, None) => self.how(),
        };
        format!("{} of {path} {how} (call {})", self.name, self.number())
    }

    /// The same without number and error, so that it is the same in other runs.
    pub fn cause(&self) -> String {
        let path = self.file();
        let how = match (self.result, &self.then) {
            (..0, _) => "failed",
            (_, Some(_)) => "was cut short and the next call failed",
            (_, None) => "was cut short",
        };
        format!("{} of {path} {how}", self.name)
    }
}
