//! A saved failing call asked of today's program: the same failure strikes the matching call, and what the
//! running store, a restart and power cuts show is judged. Besides, other failures of that call, and the
//! same call in other requests; where the call is not made any more, every failure of a run, in its order.

use crate::diagnose::NamePatterns;
use std::collections::BTreeSet;

use crate::base::{HarnessError, Result, limits};
use crate::fault::power::ground::{created, loss_of};
use crate::fault::power::prove::Prover;
use crate::fault::power::record::Studio;
use crate::fault::power::{device, finished, studio};
use crate::fault::today::{Answer, Effort, Side, Today, Transfer, align, files, transfer};
use crate::fault::{Context, stored};
use crate::image::Builder;
use crate::oracle::{Kind, Loss, Verdict, Violation};
use crate::persistence::{CrashState, Model, ProfileSet, View};
use crate::record::{Extent, Plan, Strike as Blow};
use crate::scenario::{Case, IoStrike, Strike, StruckText};
use crate::trace::Trace;
use crate::trace::event::LOOK;
use crate::workload::{Moment, Request, Workload};

use super::choose::{Attempt, attempts};
use super::court::Court;
use super::examine::Examiner;
use super::examined::{Examined, Failing, Place};
use super::rejudge::read;
use super::run::{Run, Stage, first_hit};
use super::running::running;
use super::stages;
use super::struck::{Numbered, named, number, numbered};

/// Asks today's program about the case.
pub fn today(ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
    let Strike::Io(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a failing call"));
    };
    let plan: Plan = strike.plan.parse()?;
    let old = recording(case, strike)?;
    let name = match (&strike.struck, &old) {
        (Some(name), _) => Some((**name).clone()),
        (None, Some(trace)) => {
            first_hit(trace, &NamePatterns::default()).and_then(|hit| named(trace, hit.no))
        }
        (None, None) => None,
    };
    let profiles: ProfileSet = ctx.options.profiles.iter().copied().collect();
    let rig = studio(ctx);
    let rig = Studio { timeouts: rig.timeouts.recorded(), ..rig };
    let mut asking = Asking {
        ctx,
        rig,
        kind,
        examiner: Examiner::new(&ctx.setup(), profiles, device(ctx))?,
        prover: Prover::new(&ctx.setup())?,
        effort: Effort::of(ctx.budget, limits::REPLAY_RUNS),
        states: 0,
        notes: Vec::new(),
    };
    let mut answered: Option<Today> = None;
    for stage in stages(&asking, case, strike)? {
        let one = asking.stage(&stage, strike, &plan, name.as_ref(), old.as_ref())?;
        match &mut answered {
            None => answered = Some(one),
            // The failing call is looked for in both stores; one that has it is enough.
            Some(all) if all.answer == Answer::Changed(None) => *all = one,
            Some(all) if one.answer != Answer::Changed(None) => all.merge(one),
            Some(_) => {}
        }
        if matches!(&answered, Some(today) if matches!(today.answer, Answer::StillFails(_))) {
            break;
        }
    }
    let mut today = answered.ok_or_else(|| HarnessError::NotMeasured("nothing was run".into()))?;
    (today.states, today.notes) = (asking.states, asking.notes);
    Ok(today)
}

/// The recording that the case holds, where it does.
fn recording(case: &Case, strike: &IoStrike) -> Result<Option<Trace>> {
    match (&strike.power, &strike.trace) {
        (Some(power), _) => read(case, ("case.strike.power.trace", &power.trace)).map(Some),
        (None, Some(name)) => read(case, ("case.strike.trace", name)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The store on which calls fail: a new one, or what a power cut leaves of today's program after the same
/// requests.
fn stages(asking: &Asking<'_, '_>, case: &Case, strike: &IoStrike) -> Result<Vec<Stage>> {
    let lines = strike.workload.iter().map(String::as_str);
    let requests = Workload::parse(lines)
        .map_err(|error| HarnessError::input(format!("case.strike.workload: {error}")))?
        .requests;
    let threads = strike.threads.unwrap_or(1);
    if !(1..=limits::THREADS).contains(&threads) {
        let text = format!("case.strike.threads: expected 1 to {}", limits::THREADS);
        return Err(HarnessError::input(text));
    }
    let Some(before) = &strike.before else {
        return Ok(vec![Stage::new(requests, threads)]);
    };
    let history = before.history.parse()?;
    let asked = history.operations.into_iter().map(|operation| operation.request);
    // The power is cut before the first close, and the recording has to have one.
    let asked: Vec<Request> = asked.chain([Request::Close]).collect();
    let new = Stage::new(asked, 1);
    let run = asking.rig.run(&new, &Plan::none(), true)?;
    finished(&run.driven.end, "the case's requests were recorded again")?;
    seen(&run)?;
    let capabilities = &asking.ctx.control.capabilities;
    let made = stages::recoveries(&run, capabilities, device(asking.ctx), &asking.ctx.rng);
    let mut made: Vec<Stage> = made
        .into_iter()
        .map(|stage| Stage { requests: requests.clone(), threads, ..stage })
        .collect();
    // The store that is most like the saved one first.
    let saved = stored::get(&case.files, &before.image);
    let differs = |stage: &Stage| {
        stage.before.as_ref().is_some_and(|before| before.image.hash() != saved.hash())
    };
    made.sort_by_key(differs);
    Ok(made)
}

/// An error where a run has something that the recorder cannot see past.
fn seen(run: &Run) -> Result<()> {
    if run.blind.is_empty() {
        return crate::fault::power::today::seen(&run.trace);
    }
    Err(HarnessError::NotMeasured(run.blind.join("; ")))
}

struct Asking<'a, 'c> {
    ctx: &'a Context<'c>,
    rig: Studio<'a>,
    kind: Option<Kind>,
    examiner: Examiner,
    prover: Prover,
    effort: Effort<'a>,
    states: u64,
    notes: Vec<String>,
}

impl Asking<'_, '_> {
    /// The answer on one store.
    fn stage(
        &mut self,
        stage: &Stage,
        strike: &IoStrike,
        plan: &Plan,
        name: Option<&StruckText>,
        old: Option<&Trace>,
    ) -> Result<Today> {
        let plain = self.rig.run(stage, &Plan::none(), true)?;
        if stage.before.is_none() {
            finished(&plain.driven.end, "the case's requests were recorded again")?;
        }
        seen(&plain)?;
        let calls = numbered(&plain.trace);
        let at_once = stage.threads > 1;
        let nth = match (plan.0.first(), name) {
            (None, _) => None,
            (Some(_), Some(name)) => number(&calls, name, at_once),
            (Some(blow), None) => {
                let text =
                    "the case does not name its call: the call of the same number was struck";
                self.notes.push(text.into());
                calls.iter().map(|call| call.no).find(|no| *no == blow.nth())
            }
        };
        let moved = match (plan.0.first(), nth) {
            (None, _) => Some(Plan::none()),
            (Some(first), Some(nth)) => Some(shifted(plan, first.nth(), nth)),
            (Some(_), None) => None,
        };
        let what = name.map_or_else(|| "the failing call".to_owned(), words);
        let Some(moved) = moved else {
            return self.changed(
                stage,
                &plain,
                &format!("the program does not make {what} any more"),
            );
        };
        let run = self.rig.run(stage, &moved, false)?;
        if run.hit.is_none() && !moved.0.is_empty() {
            let text =
                format!("{what} does not fail where it should: the program makes other calls");
            return self.changed(stage, &plain, &text);
        }
        seen(&run)?;
        self.effort.take(0)?;
        if let Some((wrong, words)) =
            self.exact(stage, &run, strike, &moved, (old, &plain.trace))?
        {
            let why = format!("{what} failed again (call {})", shown(&moved));
            return Ok(told(Answer::StillFails(wrong), why, words));
        }
        let (mut runs, mut tried) = (1u64, moved);
        let mut next = alike(&plain.trace, &calls, nth, &tried, self.ctx, at_once).into_iter();
        let mut run = run;
        loop {
            if let Some((wrong, words)) = self.near(stage, &run, &plain, &tried)? {
                let why = format!(
                    "{what}, or the same call of another request, failed (call {})",
                    shown(&tried)
                );
                return Ok(told(Answer::StillFails(wrong), why, words));
            }
            let Some(plan) = next.next() else { break };
            if !self.effort.take(runs)? {
                break;
            }
            runs += 1;
            run = self.rig.run(stage, &plan, false)?;
            tried = plan;
        }
        let left = self.effort.left_out();
        let why = format!(
            "{what} failed again and the store holds; so it does in {} runs in which such a call failed \
             otherwise or in another request{left}",
            runs - 1
        );
        Ok(told(Answer::Fixed, why, String::new()))
    }

    /// The call is not made any more: whatever else can fail is tried.
    fn changed(&mut self, stage: &Stage, plain: &Run, what: &str) -> Result<Today> {
        let mut rng = self.ctx.rng.fork("today");
        let mut runs = 0;
        for attempt in attempts(&plain.trace, &mut rng, stage.threads > 1) {
            if !self.effort.take(runs)? {
                break;
            }
            runs += 1;
            let plan = attempt.plan();
            let run = self.rig.run(stage, &plan, false)?;
            if let Some((wrong, words)) = self.near(stage, &run, plain, &plan)? {
                let why = format!("{what}; another call was made to fail ({})", shown(&plan));
                return Ok(told(Answer::Changed(Some(wrong)), why, words));
            }
        }
        let left = self.effort.left_out();
        let why = format!("{what}; {runs} runs in which other calls failed hold{left}");
        Ok(told(Answer::Changed(None), why, String::new()))
    }

    /// What is wrong where the case was wrong: in the running store, or in the same crash state.
    fn exact(
        &mut self,
        stage: &Stage,
        run: &Run,
        strike: &IoStrike,
        plan: &Plan,
        (old, plain): (Option<&Trace>, &Trace),
    ) -> Result<Option<(Violation, String)>> {
        let court = self.court(stage, run);
        let mut shown = Examined::default();
        running(run, &court, &mut shown);
        self.states += shown.states.max(1);
        for failing in shown.failing {
            if self.like(&failing.violation, strike.power.is_none())
                && self.again(stage, plan, failing.violation.kind)?
            {
                return Ok(Some((failing.violation, failing.evidence)));
            }
        }
        let (Some(power), Some(trace)) = (&strike.power, old) else { return Ok(None) };
        let state: CrashState = power.state.parse()?;
        let (before, now) = (
            Model::with(trace, &created(trace), device(self.ctx)),
            Model::with(&run.trace, &created(&run.trace), device(self.ctx)),
        );
        if state.point > before.last_point() {
            let text = "case.strike.power.point: beyond the end of its trace";
            return Err(HarnessError::input(text));
        }
        let profiles = View::at(&before, state.point).legal_in(&state, ProfileSet::ALL);
        let stable = &files(plain) & &files(&run.trace);
        let alignment = align(trace, &run.trace, (0, 0), &stable);
        let there = transfer(
            &state,
            Side { trace, model: &before },
            Side { trace: &run.trace, model: &now },
            &alignment,
            profiles,
        );
        let Transfer::State { state, .. } = there else { return Ok(None) };
        let image = Builder::new(&now).image(&state);
        let recovery = self.prover.recovery(&image)?;
        self.states += 1;
        let moment = Moment(u64::from(state.point.0));
        let mut verdict = court.at(moment, loss_of(&state), &recovery).unwrap_or_default();
        if state.is_kill() && matches!(recovery, crate::recover::Recovery::Opened(_)) {
            verdict.merge(crate::fault::second::again(self.prover.worker(), &image)?);
        }
        let wrong = verdict.violations.into_iter().find(|found| self.like(found, true));
        let Some(wrong) = wrong else { return Ok(None) };
        let besides = matches!(wrong.kind, Kind::Unstable | Kind::NotWritable);
        let sure = besides || self.afresh(&court, &state, &now, wrong.kind)?;
        Ok(sure.then(|| (wrong, recovery.words())))
    }

    /// What else is wrong with a run, of the sought kind, and not without a failing call.
    fn near(
        &mut self,
        stage: &Stage,
        run: &Run,
        plain: &Run,
        plan: &Plan,
    ) -> Result<Option<(Violation, String)>> {
        let rng = self.ctx.rng.fork("today");
        let found = self.examiner.examine(stage, run, &rng, true, &|| false)?;
        self.states += found.states;
        let sought = |failing: &&Failing| {
            !failing.violation.note && self.kind.is_none_or(|kind| failing.violation.kind == kind)
        };
        let all: Vec<Failing> = found.failing.iter().filter(sought).cloned().collect();
        let other =
            found.failing.iter().find(|failing| !failing.violation.note && !sought(failing));
        if let Some(Failing { violation, .. }) = other {
            self.note(format!(
                "another violation was met, {}: {}",
                violation.kind, violation.sentence
            ));
        }
        for failing in all {
            let kind = failing.violation.kind;
            let sure = match &failing.place {
                Place::Running => self.again(stage, plan, kind)?,
                Place::State(state) => {
                    let model = Model::with(&run.trace, &created(&run.trace), device(self.ctx));
                    let court = self.court(stage, run);
                    let besides = matches!(kind, Kind::Unstable | Kind::NotWritable);
                    (besides || self.afresh(&court, state, &model, kind)?)
                        && !self.without(stage, run, plain, state, kind)?
                }
            };
            if sure {
                return Ok(Some((failing.violation, failing.evidence)));
            }
        }
        Ok(None)
    }

    /// True if the same state of the run without a failing call, or a power cut right before the call
    /// failed, is wrong alike: then the failing call is not to blame.
    fn without(
        &mut self,
        stage: &Stage,
        run: &Run,
        plain: &Run,
        state: &CrashState,
        kind: Kind,
    ) -> Result<bool> {
        let Some(hit) = &run.hit else { return Ok(false) };
        let struck = Model::with(&run.trace, &created(&run.trace), device(self.ctx));
        let whole = Model::with(&plain.trace, &created(&plain.trace), device(self.ctx));
        let legal = View::at(&struck, state.point).legal_in(state, ProfileSet::ALL);
        let there = transfer(
            state,
            Side { trace: &run.trace, model: &struck },
            Side { trace: &plain.trace, model: &whole },
            &align(&run.trace, &plain.trace, (0, 0), &BTreeSet::new()),
            legal,
        );
        let mut others: Vec<(&Run, &Model, CrashState)> = Vec::new();
        if let (Transfer::State { state, .. }, false) = (there, state.is_kill()) {
            others.push((plain, &whole, state));
        }
        if let Some(loss) = state.loss() {
            let earlier = CrashState::power(hit.event, loss.clone());
            let view = View::at(&struck, hit.event);
            if !view.legal_in(&earlier, legal).is_empty() {
                others.push((run, &struck, earlier));
            }
        }
        for (run, model, state) in others {
            let recovery = self.prover.recovery(&Builder::new(model).image(&state))?;
            self.states += 1;
            let moment = Moment(u64::from(state.point.0));
            let verdict = self.court(stage, run).at(moment, Loss::Power, &recovery);
            if verdict.is_some_and(|verdict| shows(&verdict, kind)) {
                self.note(format!("another cause of {kind} was met, without a failing call"));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True if a state is wrong alike in a fresh process.
    fn afresh(
        &mut self,
        court: &Court,
        state: &CrashState,
        model: &Model,
        kind: Kind,
    ) -> Result<bool> {
        if kind == Kind::RecoveryHung {
            return Ok(true);
        }
        let image = Builder::new(model).image(state);
        let moment = Moment(u64::from(state.point.0));
        for _ in 0..limits::CONFIRM_TRIES {
            let recovery = self.prover.fresh(&image)?;
            let verdict = court.at(moment, loss_of(state), &recovery);
            if verdict.is_some_and(|verdict| shows(&verdict, kind)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True if the running store is wrong alike when the same is run again.
    fn again(&self, stage: &Stage, plan: &Plan, kind: Kind) -> Result<bool> {
        let tries = if kind == Kind::RecoveryHung { 1 } else { limits::CONFIRM_TRIES };
        for _ in 0..tries {
            let run = self.rig.run(stage, plan, false)?;
            let mut shown = Examined::default();
            running(&run, &self.court(stage, &run), &mut shown);
            if shown.failing.iter().any(|failing| failing.violation.kind == kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn note(&mut self, text: String) {
        // A failure of another sort shows in many runs: one is enough.
        let sort = text.split(':').next().unwrap_or_default().to_owned();
        if !self.notes.iter().any(|known| known.starts_with(&sort)) {
            self.notes.push(text);
        }
    }

    fn court(&self, stage: &Stage, run: &Run) -> Court {
        let capabilities = &self.ctx.control.capabilities;
        Court::new(stage.before.as_ref(), run.history.clone(), &run.driven.dumps, capabilities)
    }

    /// True for the sought kind; where `any` does, for everything that is no note.
    fn like(&self, found: &Violation, any: bool) -> bool {
        Some(found.kind) == self.kind || ((any || self.kind.is_none()) && !found.note)
    }
}

fn shows(verdict: &Verdict, kind: Kind) -> bool {
    verdict.violations.iter().any(|found| found.kind == kind)
}

fn told(answer: Answer, why: String, evidence: String) -> Today {
    Today { answer, why, states: 0, notes: Vec::new(), evidence }
}

/// The same failures, so many calls later or earlier.
fn shifted(plan: &Plan, from: u32, to: u32) -> Plan {
    let by = i64::from(to & !LOOK) - i64::from(from & !LOOK);
    let moved = |nth: u32| {
        let number = (i64::from(nth & !LOOK) + by).clamp(1, i64::from(LOOK - 1));
        (nth & LOOK) | number as u32
    };
    let one = |blow: &Blow| match *blow {
        Blow::KillBefore(nth) => Blow::KillBefore(moved(nth)),
        Blow::KillAfter(nth) => Blow::KillAfter(moved(nth)),
        Blow::KillInside { nth, bytes } => Blow::KillInside { nth: moved(nth), bytes },
        Blow::Short { nth, bytes } => Blow::Short { nth: moved(nth), bytes },
        Blow::Fail { nth, errno, extent } => {
            let extent = match extent {
                Extent::Until(end) => Extent::Until(moved(end)),
                other => other,
            };
            Blow::Fail { nth: moved(nth), errno, extent }
        }
    };
    Plan(plan.0.iter().map(one).collect())
}

/// Every failure of the calls of the same name on the same file, those that fail as the case's did first.
fn alike(
    trace: &Trace,
    calls: &[Numbered],
    struck: Option<u32>,
    plan: &Plan,
    ctx: &Context<'_>,
    at_once: bool,
) -> Vec<Plan> {
    let Some(own) = calls.iter().find(|call| Some(call.no) == struck) else { return Vec::new() };
    let same: Vec<u32> = calls
        .iter()
        .filter(|call| (&call.name.call, &call.name.file) == (&own.name.call, &own.name.file))
        .map(|call| call.no)
        .collect();
    let mut rng = ctx.rng.fork("alike");
    let mut all: Vec<Attempt> = attempts(trace, &mut rng, at_once);
    all.retain(|attempt| same.contains(&attempt.strike.nth()) && attempt.plan() != *plan);
    let how = |blow: &Blow| match blow {
        Blow::Fail { errno, extent, .. } => (*errno, *extent == Extent::Once),
        _ => (0, true),
    };
    let sought = plan.0.first().map(how);
    all.sort_by_key(|attempt| Some(how(&attempt.strike)) != sought);
    all.iter().map(Attempt::plan).collect()
}

/// `fdatasync of log`.
fn words(name: &StruckText) -> String {
    match &name.file {
        Some(file) => format!("{} of {file} (request {}, {})", name.call, name.request, name.nth),
        None => format!("{} of a new file (request {}, {})", name.call, name.request, name.nth),
    }
}

fn shown(plan: &Plan) -> String {
    let text = plan.to_string();
    if text.is_empty() { "none failed".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_moves_with_its_call() {
        let moved = |plan: &str, to| {
            let plan: Plan = plan.parse().unwrap();
            shifted(&plan, plan.0[0].nth(), to).to_string()
        };
        assert_eq!(moved("fail:34:EIO:once", 40), "fail:40:EIO:once");
        assert_eq!(moved("fail:34:ENOSPC:until:50", 30), "fail:30:ENOSPC:until:46");
        assert_eq!(moved("fail:r3:EIO:once", LOOK | 5), "fail:r5:EIO:once");
        let short = moved("short:12:100,fail:13:ENOSPC:once", 22);
        assert_eq!(short, "short:22:100,fail:23:ENOSPC:once");
    }
}
