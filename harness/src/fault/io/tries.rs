//! All the tries of one run of the fault: the runs without failures first, then every planned failure
//! in its order, on one thread a core, until the budget is spent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::choose::{Attempt, attempts, counts};
use super::court::Court;
use super::examine::Examiner;
use super::findings::findings;
use super::group::Scene;
use super::run::{Run, Stage};
use super::tally::{Tally, Tried};
use super::{asks, stages};
use crate::base::{HarnessError, Result, Rng};
use crate::diagnose::NamePatterns;
use crate::driver::Capabilities;
use crate::explore::{Covered, Part};
use crate::fault::budget::Stop;
use crate::fault::power::prove::Prover;
use crate::fault::power::record::Studio;
use crate::fault::power::{device, finished, studio};
use crate::fault::{Context, FaultOutcome, Progress, unseen};
use crate::oracle::{Judge, Kind, Loss, called_for};
use crate::persistence::ProfileSet;
use crate::record::Plan;
use crate::recover::pool;
use crate::scenario::FaultName;

/// One run in so many is also closed and opened again after its restart, and written to.
const BESIDES_EVERY: usize = 8;

/// States of runs without failures have at most one part in this many of the budget.
const WITHOUT_FAILURES: f64 = 3.0;

/// What is tried, in order.
struct List {
    stages: Vec<Stage>,
    /// The stage of each.
    attempts: Vec<(usize, Attempt)>,
}

/// What the threads share.
struct Common {
    next: usize,
    done: Vec<(usize, Tried)>,
    /// For the progress line only: what is reported is counted in order afterwards.
    runs: crate::fault::Totals,
    failing: usize,
    error: Option<HarnessError>,
}

/// Runs the fault.
pub fn run(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let capabilities = &ctx.control.capabilities;
    let rig = studio(ctx);
    let mut tally = Tally::default();
    let mut examiner = examiner(ctx)?;
    let main = main_stage(ctx, 1);
    let whole = rig.run(&main, &Plan::none(), true)?;
    went_well(ctx, &whole)?;
    let judge = Judge::new(&whole.history, capabilities);
    Prover::new(&ctx.setup())?.is_all_there(&whole.left, &judge, &whole.trace)?;
    let unmodelled = whole.trace.unmodelled.clone();
    let at_once = ctx.options.threads.min(capabilities.threads);
    let mut others: Vec<Stage> =
        (at_once > 1).then(|| main_stage(ctx, at_once)).into_iter().collect();
    others.extend(stages::recoveries(&whole, capabilities, device(ctx), &ctx.rng));

    let mut first = vec![whole];
    let mut stages = vec![main];
    for stage in others {
        let run = rig.run(&stage, &Plan::none(), true)?;
        if stage.before.is_none() {
            went_well(ctx, &run)?;
        } else if !is_sound(&stage, &run, capabilities) {
            // What comes after it is no failing call's doing.
            tally.skip("recoveries that are wrong before any call fails");
            continue;
        }
        first.push(run);
        stages.push(stage);
    }
    let mut all = stages;
    // Names that a failing call keeps from going are known from the runs without one.
    let mut patterns = NamePatterns::default();
    first.iter().for_each(|run| patterns.learn(&run.trace));
    let patterns = Arc::new(patterns);
    all.iter_mut().for_each(|stage| stage.patterns = Arc::clone(&patterns));
    let list = List::new(all, &first, &ctx.rng);
    let scene = Scene {
        stages: &list.stages,
        capabilities,
        warned: !ctx.control.warnings.is_empty(),
        device: device(ctx),
    };
    let mut told = String::new();
    for (stage, run) in first.iter().cloned().enumerate() {
        told.push_str(&words(stage, &run, &list));
        // What shows without a failure matters less than that there are failures.
        let enough = || ctx.budget.spent() * WITHOUT_FAILURES > 1.0;
        let seen = examiner.examine(&list.stages[stage], &run, &ctx.rng, true, &enough)?;
        tally.take(tried(stage, Plan::none(), None, run, seen), &scene);
    }
    drop(examiner);

    // What does not answer soon after a failing call is waited for longer where it is confirmed.
    let rig = Studio { brief: Some(ctx.brief_timeouts()), ..rig };
    let started = std::time::Instant::now();
    let (done, visited) = every(ctx, &rig, &list)?;
    let took = started.elapsed().as_secs_f64();
    for (_, one) in done {
        tally.take(one, &scene);
    }
    let (runs, tried) = (tally.runs(), tally.tried());
    let (mut outcome, groups) = tally.into_parts();
    ctx.observer.on(Progress::Concluding(FaultName::Io));
    outcome.findings = findings(ctx, &rig, groups, &first, &scene)?;
    outcome.unmodelled.extend(unmodelled);
    outcome.called_for = called_for::of_crashes(Loss::Power, capabilities);
    outcome.called_for.extend(called_for::of_second_openings());
    if !list.attempts.is_empty() {
        outcome.called_for.insert(Kind::CrashedOnError);
    }
    let why = ctx.budget.stopped().unwrap_or(Stop::Cases).words();
    let left = (list.attempts.len() - visited) as u64;
    outcome.totals.skip(&format!("failures not tried: {why}"), left);
    outcome.totals.covered = list.covered(visited, runs);
    outcome.notes.push(format!(
        "io: {told}{runs} of {} failures tried ({tried}), {:.0} runs a second",
        list.attempts.len(),
        visited as f64 / took.max(0.001)
    ));
    Ok(outcome)
}

/// An error where a part of a run without a failing call was not seen, or it went otherwise than the
/// control.
fn went_well(ctx: &Context<'_>, run: &Run) -> Result<()> {
    unseen::refuse(&run.blind)?;
    finished(&run.driven.end, "a workload was recorded without a failure")
        .map_err(|failure| unseen::excused(failure, &run.answered))?;
    unseen::errors(&run.history, &ctx.control.history, &run.answered)
}

/// True if a recovery without a failing call shows nothing that is wrong.
fn is_sound(stage: &Stage, run: &Run, capabilities: &Capabilities) -> bool {
    let dumps = &run.driven.dumps;
    let court = Court::new(stage.before.as_ref(), run.history.clone(), dumps, capabilities);
    let opened = run.history.operations.first().is_some_and(|open| open.acknowledged().is_some());
    opened && court.living(dumps, "").iter().all(|one| one.verdict.held())
}

/// The workload on a new store, at most so many requests at once.
fn main_stage(ctx: &Context<'_>, threads: u32) -> Stage {
    let requests = asks::workload(ctx.options, &ctx.control.capabilities, threads);
    Stage::new(requests, threads)
}

/// `the workload: 93 operations and 40 looks; `
fn words(stage: usize, run: &Run, list: &List) -> String {
    let (operations, looks) = counts(&run.trace);
    let before = |stage: &&Stage| stage.before.is_some();
    let name = match &list.stages[stage] {
        Stage { before: None, threads: 1, .. } => "the workload".to_owned(),
        Stage { before: None, threads, .. } => format!("the workload, {threads} at once"),
        _ => format!("recovery {}", list.stages[..=stage].iter().filter(before).count()),
    };
    format!("{name}: {operations} operations and {looks} reads, closes and listings; ")
}

impl List {
    /// What the first `visited` attempts cover, of which `struck` struck.
    fn covered(&self, visited: usize, struck: u64) -> Covered {
        let groups = |attempts: &[(usize, Attempt)]| {
            let sorts = attempts.iter().map(|(stage, attempt)| (*stage, attempt.sort()));
            sorts.collect::<BTreeSet<_>>().len() as u64
        };
        let all = self.attempts.len();
        Covered {
            groups: Part { seen: groups(&self.attempts[..visited]), all: groups(&self.attempts) },
            points: Part::default(),
            targets: Part { seen: visited as u64, all: all as u64 },
            again: Part::default(),
            lossy: struck,
        }
    }

    /// Every failure of every call of each stage. In each of its turns the stages take turns, the workload
    /// as often as all recoveries.
    fn new(stages: Vec<Stage>, first: &[Run], rng: &Rng) -> List {
        let is_recovery = |stage: &&Stage| stage.before.is_some();
        let recoveries = stages.iter().filter(is_recovery).count().max(1);
        let mut all: Vec<(u32, usize, usize, Attempt)> = Vec::new();
        for (stage, run) in first.iter().enumerate() {
            let mut rng = rng.fork(&format!("stage {stage}"));
            let turns = if stages[stage].before.is_none() { 1 } else { recoveries };
            let (mut turn, mut place) = (0, 0);
            for attempt in attempts(&run.trace, &mut rng, stages[stage].threads > 1) {
                if attempt.turn() != turn {
                    (turn, place) = (attempt.turn(), 0);
                }
                all.push((turn, place * turns, stage, attempt));
                place += 1;
            }
        }
        all.sort_by_key(|(turn, place, stage, _)| (*turn, *place, *stage));
        let attempts = all.into_iter().map(|(_, _, stage, attempt)| (stage, attempt)).collect();
        List { stages, attempts }
    }
}

/// Tries what the budget allows; in the order of the list, with how many were taken from it.
fn every(ctx: &Context<'_>, rig: &Studio<'_>, list: &List) -> Result<(Vec<(usize, Tried)>, usize)> {
    let common = Mutex::new(Common {
        next: 0,
        done: Vec::new(),
        runs: crate::fault::Totals::default(),
        failing: 0,
        error: None,
    });
    let processors = pool::processors();
    std::thread::scope(|scope| {
        for worker in 0..ctx.options.workers.max(1) {
            let (common, processors) = (&common, &processors);
            scope.spawn(move || {
                if let Some(processor) = processors.get(worker % processors.len().max(1)) {
                    pool::pin(*processor);
                }
                if let Err(error) = work(ctx, rig, list, common) {
                    lock(common).error.get_or_insert(error);
                }
            });
        }
    });
    let mut common = common.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = common.error {
        return Err(error);
    }
    common.done.sort_by_key(|(number, _)| *number);
    Ok((common.done, common.next))
}

fn lock(common: &Mutex<Common>) -> std::sync::MutexGuard<'_, Common> {
    common.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(ctx: &Context<'_>, rig: &Studio<'_>, list: &List, common: &Mutex<Common>) -> Result<()> {
    let mut examiner = examiner(ctx)?;
    loop {
        let (number, (stage, attempt)) = {
            let mut common = lock(common);
            if common.error.is_some() {
                return Ok(());
            }
            let Some(one) = list.attempts.get(common.next) else { return Ok(()) };
            if !ctx.budget.take() {
                return Ok(());
            }
            common.next += 1;
            (common.next - 1, one)
        };
        let plan = attempt.plan();
        let run = rig.run(&list.stages[*stage], &plan, false)?;
        let rng = ctx.rng.fork(&format!("try {number}"));
        let besides = number.is_multiple_of(BESIDES_EVERY);
        let whole = || false;
        let seen = examiner.examine(&list.stages[*stage], &run, &rng, besides, &whole)?;
        let one = tried(*stage, plan, Some(attempt.what.clone()), run, seen);
        let mut common = lock(common);
        common.runs.requests += one.requests;
        common.runs.states += one.seen.states;
        common.runs.recoveries += one.seen.recoveries;
        common.runs.crash_points += one.seen.crash_points.len() as u64;
        common.runs.distinct_images += one.seen.recoveries;
        common.failing += usize::from(one.run.is_some());
        if one.run.is_some() {
            ctx.budget.note_failure();
        }
        common.done.push((number, one));
        ctx.observer.on(Progress::Working {
            fault: FaultName::Io,
            totals: &common.runs,
            findings: common.failing,
            budget: ctx.budget,
        });
    }
}

fn examiner(ctx: &Context<'_>) -> Result<Examiner> {
    let profiles: ProfileSet = ctx.options.profiles.iter().copied().collect();
    Examiner::new(&ctx.setup(), profiles, device(ctx))
}

fn tried(
    stage: usize,
    plan: Plan,
    what: Option<String>,
    run: Run,
    seen: super::examined::Examined,
) -> Tried {
    let requests = run.history.operations.len() as u64;
    let struck = run.hit.is_some();
    let run = (!seen.failing.is_empty()).then_some(run);
    Tried { stage, plan, what, run, requests, struck, seen }
}
