//! One writer: a store in a directory of its own, written to and killed, cycle after cycle.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::base::{HarnessError, Result, Rng};
use crate::driver::DriverFault;
use crate::driver::drive::{Driven, End, Plan, Processes, drive};
use crate::image::Image;
use crate::oracle::{Kind, Loss, Verdict, judge_used};
use crate::record::{self, RecordOptions, Recorder};
use crate::recover::{Recovered, Recovery, Used, Worker, of_driven};
use crate::workload::generate::{Mix, generate};
use crate::workload::{Answer, Contents, History, Request};

use super::super::asked;
use super::super::context::Context;
use super::super::second;
use super::moment::{Killer, Moment, Pace};
use super::tally::{Left, Tally, cycles, end};

/// So many cycles on one store; then a new one, so that young stores are killed as well.
const CYCLES: usize = 12;
/// Writes of one cycle.
const WRITES: u32 = 30;
/// Kills inside recovery, in percent.
const INSIDE_RECOVERY: u64 = 25;
/// Kills at an exact file operation, in percent.
const EXACT: u64 = 40;
/// The requests of a recovery, before the store is used.
const RECOVERING: usize = 2;
/// How often a writer that failed after its recovery is tried again.
const TRIES: usize = 3;
/// A second opening and a put are tried on one case in so many.
const TRIED_EVERY: u64 = 8;

pub(super) struct Writer<'a> {
    ctx: &'a Context<'a>,
    tally: &'a Tally<'a>,
    rng: Rng,
    folder: TempDir,
    dir: PathBuf,
    stores: u32,
    worker: Worker,
    pace: Pace,
    judged: u64,
    /// The number that the next request's value names.
    next_number: u64,
    /// The cycle that the last kill ended, and when it struck.
    pending: Option<(History, Moment)>,
    earlier: Vec<(History, Contents)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(ctx: &'a Context<'a>, tally: &'a Tally<'a>, number: u32) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("kill-{number}-"))
            .tempdir_in(ctx.image_root)
            .map_err(|error| HarnessError::at("making a folder in", ctx.image_root, error))?;
        let mut writer = Self {
            ctx,
            tally,
            rng: ctx.rng.fork(&format!("writer {number}")),
            dir: folder.path().join("none"),
            folder,
            stores: 0,
            worker: Worker::new(&ctx.setup())?,
            pace: Pace::default(),
            judged: 0,
            next_number: 1,
            pending: None,
            earlier: Vec::new(),
        };
        writer.new_store()?;
        Ok(writer)
    }

    pub(super) fn run(mut self) -> Result<()> {
        while self.ctx.budget.stopped().is_none() {
            self.cycle()?;
        }
        Ok(())
    }

    fn new_store(&mut self) -> Result<()> {
        if self.stores > 0 {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
        self.stores += 1;
        self.dir = self.folder.path().join(format!("store-{}", self.stores));
        std::fs::create_dir(&self.dir)
            .map_err(|error| HarnessError::at("making", &self.dir, error))?;
        self.pending = None;
        self.earlier.clear();
        self.next_number = 1;
        Ok(())
    }

    /// Recovers from the last kill and judges that; goes on writing, and kills.
    fn cycle(&mut self) -> Result<()> {
        if self.earlier.len() >= CYCLES {
            self.new_store()?;
        }
        while self.rng.percent(INSIDE_RECOVERY) {
            let moment = match self.exact() {
                true => self.pace.call(true, &mut self.rng),
                false => self.pace.recovery(&mut self.rng),
            };
            let Run { killer, driven, struck, .. } = self.drive(&[Request::Open], moment)?;
            self.tally.killed(1);
            if !struck && !matches!(driven.end, End::Stopped | End::Finished) {
                // It failed by itself before the kill: the recovery below says so again.
                break;
            }
            // Nothing was shown: what had been promised before is still what must be there.
            self.nothing_shown(killer.counter.into_history(), moment);
        }
        let image = Image::load(&self.dir)?;
        let nth = 1 + self.rng.below(u64::from(WRITES)) as u32;
        let moment = match (self.exact(), self.rng.percent(50)) {
            (true, _) => self.pace.call(false, &mut self.rng),
            (false, true) => Moment::Answered(nth),
            (false, false) => self.pace.during(nth, &mut self.rng),
        };
        let mut requests = vec![Request::Open, Request::Dump];
        requests.extend(self.writes());
        let Run { killer, driven, struck, excused } = self.drive(&requests, moment)?;
        self.tally.killed(killer.counter.history().operations.len());
        if (struck || excused) && driven.dumps.is_empty() {
            self.nothing_shown(killer.counter.into_history(), moment);
            return Ok(());
        }
        let warnings = killer.warnings.clone();
        let mut history = killer.counter.into_history();
        let answers: Vec<Answer> = history
            .operations
            .iter()
            .map_while(|operation| operation.answered.as_ref().map(|(_, answer)| answer.clone()))
            .take(2)
            .collect();
        // What happens to the writer after recovery's dump is no part of recovery.
        let shown = !driven.dumps.is_empty();
        let recovered = Driven {
            end: if shown { End::Finished } else { driven.end.clone() },
            dumps: driven.dumps.first().cloned().into_iter().collect(),
            ..driven
        };
        let recovery = of_driven(&recovered, &answers, warnings);
        let held = self.judge(&image, &recovery)?;
        if matches!(recovery, Recovery::Hung { .. }) {
            self.ctx.budget.hangs().note();
        }
        let Recovery::Opened(recovered) = recovery else { return self.new_store() };
        if !held {
            return self.new_store();
        }
        let used = history.operations.get(RECOVERING).is_some_and(|op| op.answered.is_some());
        if used && self.pending.is_some() {
            self.tally.tested(Kind::DiedInUse);
        }
        if let (End::Failed(fault), false) = (&driven.end, struck)
            && !excused
            && !self.in_use(&image, &recovered, &history, moment, fault)?
        {
            return self.new_store();
        }
        if let Some((before, _)) = self.pending.take() {
            self.earlier.push((before, recovered.contents.clone()));
            history.initial = recovered.contents;
        }
        self.pending = Some((history, moment));
        Ok(())
    }

    /// Judges a writer that failed by itself after a recovery that held, by asking the same of the same
    /// directory in fresh processes. False where the store is not to be gone on with.
    fn in_use(
        &mut self,
        image: &Image,
        recovered: &Recovered,
        history: &History,
        moment: Moment,
        fault: &DriverFault,
    ) -> Result<bool> {
        let asked = history.operations.iter().skip(RECOVERING);
        let then: Vec<Request> = asked.map(|operation| operation.request.clone()).collect();
        let mut verdict = Verdict::default();
        for _ in 0..TRIES {
            verdict = judge_used(&self.worker.used_for(image, &then)?);
            if !verdict.held() {
                break;
            }
        }
        if verdict.held() {
            self.tally.note(format!(
                "kill: after a recovery that held the driver failed, and in {TRIES} fresh tries it did \
                 not: {fault}"
            ));
            return Ok(true);
        }
        if let Used::Died { request, how, .. } = self.worker.used_for(&Image::empty(), &then)? {
            return Err(HarnessError::setup(format!(
                "the driver dies of `{request}` in a new store too, without any fault: {how}"
            )));
        }
        let (history, moment) =
            self.pending.clone().unwrap_or_else(|| (History::default(), moment));
        let (earlier, moment) = (&self.earlier, moment.to_string());
        let left = Left { image, history: &history, earlier, moment, then: &then };
        self.tally.judged(&left, &Recovery::Opened(recovered.clone()), verdict);
        Ok(false)
    }

    /// True if the next kill is to strike at an exact operation.
    fn exact(&mut self) -> bool {
        self.rng.percent(EXACT)
    }

    /// A kill came before recovery showed anything.
    fn nothing_shown(&mut self, history: History, moment: Moment) {
        let before = self.pending.take().map_or(history, |(before, _)| before);
        self.pending = Some((before, moment));
    }

    /// Judges what recovery made of the last kill. True if it held.
    fn judge(&mut self, image: &Image, recovery: &Recovery) -> Result<bool> {
        let Some((history, moment)) = &self.pending else { return Ok(true) };
        if !self.ctx.budget.take() {
            return Ok(true);
        }
        let cycles = cycles(&self.ctx.control.capabilities, &self.earlier);
        let mut verdict = cycles.judge(history).at(end(history), Loss::Kill, recovery);
        self.judged += 1;
        if verdict.violations.is_empty() && self.judged % TRIED_EVERY == 1 {
            verdict.merge(second::again(&mut self.worker, image)?);
        }
        let held = verdict.violations.is_empty();
        let then = match verdict.violations.iter().any(|found| found.kind == Kind::DiedInUse) {
            true => asked::usage(self.ctx.options, &self.ctx.control.capabilities),
            false => Vec::new(),
        };
        let (earlier, moment) = (&self.earlier, moment.to_string());
        let left = Left { image, history, earlier, moment, then: &then };
        self.tally.judged(&left, recovery, verdict);
        Ok(held)
    }

    /// The next writes on this store; values never repeat.
    fn writes(&mut self) -> Vec<Request> {
        let options = self.ctx.options;
        let every = |count: u32| (count > 0).then_some(count.min(WRITES / 3));
        let mix = Mix {
            ops: WRITES + 10,
            value_min: *options.value_bytes.start(),
            value_max: *options.value_bytes.end(),
            checkpoint_every: every(options.checkpoint_every),
            reopen_every: None,
            keys: Some(20),
            batch_percent: 30,
            first_number: self.next_number,
            ..Mix::default()
        };
        let limits = asked::limits(&self.ctx.control.capabilities);
        let workload = generate(&mix, &limits, self.rng.next_u64());
        self.next_number += workload.requests.len() as u64;
        let middle = |request: &Request| !matches!(request, Request::Open | Request::Close);
        workload.requests.into_iter().filter(middle).collect()
    }

    fn drive(&mut self, requests: &[Request], moment: Moment) -> Result<Run> {
        let timeouts = asked::timeouts(self.ctx.options);
        let brief = self.ctx.brief_timeouts();
        let plan = Plan {
            dir: &self.dir,
            requests,
            threads: self.ctx.options.threads,
            capabilities: Some(&self.ctx.control.capabilities),
        };
        let Some(strike) = moment.strike() else {
            let mut host = Processes::new(self.ctx.target, timeouts, self.folder.path());
            host = host.briefly(brief);
            let mut killer = Killer::new(moment, requests, self.pace, None);
            let driven = drive(&mut host, &mut killer, &plan)?;
            self.pace = killer.pace;
            return Ok(Run { killer, driven, struck: false, excused: false });
        };
        let mut options = RecordOptions::new(&self.dir).pinned();
        options.plan = record::Plan::one(strike);
        options.timeouts = timeouts.recorded();
        options.brief = Some(brief);
        options.seed = self.rng.next_u64();
        options.run_root = Some(self.folder.path().to_path_buf());
        let mut recorder = Recorder::new(self.ctx.target, &options)?;
        let mut killer = Killer::new(moment, requests, self.pace, Some(recorder.watcher()));
        let driven = drive(&mut recorder, &mut killer, &plan)?;
        let recording = recorder.into_recording()?;
        let (recovery, struck) = (requests.len() == 1, recording.struck > 0);
        match struck {
            true => self.pace.struck(recovery),
            false => self.pace.missed(recovery, recording.operations),
        }
        let failed = !matches!(driven.end, End::Stopped | End::Finished) && !struck;
        let hidden = !(recording.answered.is_empty() && recording.trace.blind.is_empty());
        let excused = failed && hidden;
        if excused {
            self.tally.blind(format!(
                "a live process failed where unplug looked at its calls, and may not elsewhere: {}",
                recording
                    .answered
                    .into_keys()
                    .chain(recording.trace.blind)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        Ok(Run { killer, driven, struck, excused })
    }
}

/// One process's life.
struct Run {
    killer: Killer,
    driven: Driven,
    /// True if the kill struck at its exact operation.
    struck: bool,
    /// True if it failed, and what unplug did to its calls may be why.
    excused: bool,
}
