//! One run of the fault, stage by stage: record, visit every strategy, crash inside recoveries, then
//! random states until the budget is spent; then settle, group, report.

use std::rc::Rc;

use super::bench::Bench;
use super::ground::{self, Ground};
use super::nested::Nesting;
use super::prove::Prover;
use super::record::Recorded;
use super::visit::{Share, Visitor};
use super::{device, findings, group, own_name, profiles, settle, setup, studio};
use crate::base::{HarnessError, Result};
use crate::driver::End;
use crate::explore::Explorer;
use crate::fault::{Context, FaultOutcome, asked};
use crate::image::Builder;
use crate::oracle::{Judge, Loss, called_for};
use crate::persistence::{CrashState, Overlay};
use crate::recover::Pool;
use crate::scenario::FaultName;
use crate::trace::EventKind;

/// The strategies have this part of the budget before crashes inside recovery are tried, …
const STRATEGIES: f64 = 0.75;
/// … which then have it up to here; the rest is for random states.
const NESTED: f64 = 0.92;

/// So many states without a new image, and there is nothing left to see.
const BARREN: u64 = 5_000;

/// How many findings get a source line.
const SOURCES: usize = 6;

/// Runs the fault.
pub fn run(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let mut outcome = FaultOutcome::default();
    outcome.called_for.extend(called_for::of_crashes(Loss::Power, &ctx.control.capabilities));
    outcome.called_for.extend(called_for::of_second_openings());
    let mut stage = Stage::set_up(ctx, FaultName::Power, &mut outcome)?;
    own_name::run(&mut stage.visitor, &stage.first, &mut stage.prover, &mut outcome)?;

    let first = Rc::clone(&stage.first);
    let mut explorer = Explorer::new(&first.trace, &first.model, profiles(ctx), &ctx.rng);
    outcome.totals.crash_points += explorer.points().len() as u64;
    let share = |upto| Share { upto, images: u64::MAX, barren: BARREN };
    stage.visitor.visit(&first, explorer.by_ref(), share(STRATEGIES))?;
    nesting(ctx).run(&mut stage.visitor, &mut outcome, NESTED)?;
    stage.visitor.visit(&first, explorer.by_ref(), share(f64::INFINITY))?;
    stage.conclude(&explorer, outcome)
}

/// Visits what kills of the recorded run leave, and kills inside the recoveries from them: every crash
/// point, and every write in flight cut at its page boundaries. For the kill fault, which takes its
/// exact moments from here and kills live processes besides.
pub fn kills(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let mut outcome = FaultOutcome::default();
    let mut stage = Stage::set_up(ctx, FaultName::Kill, &mut outcome)?;
    let first = Rc::clone(&stage.first);
    let mut explorer =
        Explorer::new(&first.trace, &first.model, profiles(ctx), &ctx.rng).only_kills();
    outcome.totals.crash_points += explorer.points().len() as u64;
    let kills = explorer.by_ref().take_while(|visit| visit.kill);
    let share = Share { upto: STRATEGIES, images: u64::MAX, barren: BARREN };
    stage.visitor.visit(&first, kills, share)?;
    nesting(ctx).run(&mut stage.visitor, &mut outcome, f64::INFINITY)?;
    stage.conclude(&explorer, outcome)
}

/// The recorded run with all that its crash states are visited with.
pub struct Stage<'a, 'c> {
    /// Visits.
    pub visitor: Visitor<'a, 'c>,
    /// The workload's recording.
    pub first: Rc<Ground>,
    prover: Prover,
    requests: u64,
}

impl<'a, 'c> Stage<'a, 'c> {
    /// Records the workload, and checks that the recording can be believed.
    pub fn set_up(
        ctx: &'a Context<'c>,
        fault: FaultName,
        outcome: &mut FaultOutcome,
    ) -> Result<Self> {
        let capabilities = &ctx.control.capabilities;
        let workload = asked::workload(ctx.options, capabilities);
        let recorded = studio(ctx).record(None, &workload.requests, ctx.options.threads)?;
        check(&recorded, outcome)?;
        if !recorded.outside.written.is_empty() {
            let (again, _) = studio(ctx).recovery(&recorded.left)?;
            outcome.blind.extend(recorded.outside.blind(&again.outside));
        }
        let requests = recorded.history.operations.len() as u64;
        let judge = Rc::new(Judge::new(&recorded.history, capabilities));
        let overlay = ground::first_open(&recorded.trace)
            .map_or_else(Overlay::default, Overlay::names_before);
        let mut first = Ground::first(recorded.trace.clone(), overlay, device(ctx), judge.clone());
        let pool = Pool::start(&setup(ctx), ctx.options.workers)?;
        let bench = Bench::new(ctx.budget, pool);
        let mut visitor =
            Visitor { ctx, bench, visited: 0, coarse: recorded.coarse, unknown_kills: 0, fault };
        first.number = visitor.bench.seat(judge);
        let first = Rc::new(first);
        reproduces(&first, &recorded)?;
        let prover = Prover::new(&setup(ctx))?;
        ctx.budget.prepared();
        Ok(Self { visitor, first, prover, requests })
    }

    /// Settles what is under way, and makes findings of what failed.
    fn conclude(
        mut self,
        explorer: &Explorer<'_>,
        mut outcome: FaultOutcome,
    ) -> Result<FaultOutcome> {
        self.visitor.bench.settle()?;
        for (reason, count) in explorer.skipped() {
            outcome.totals.skip(reason, *count);
        }
        settle::settle(&mut self.visitor, &mut self.prover, &mut outcome)?;
        conclude(&mut self.visitor, &mut self.prover, &mut outcome, self.requests)?;
        Ok(outcome)
    }
}

fn nesting<'a>(ctx: &'a Context<'_>) -> Nesting<'a> {
    Nesting {
        studio: studio(ctx),
        device: device(ctx),
        profiles: profiles(ctx),
        rng: ctx.rng.fork("nested"),
    }
}

/// An error where the recorded run went otherwise than the control; what the recorder could not see
/// goes to the outcome.
fn check(recorded: &Recorded, outcome: &mut FaultOutcome) -> Result<()> {
    outcome.blind.extend(recorded.blind.iter().cloned());
    outcome.unmodelled.extend(recorded.trace.unmodelled.clone());
    let why = match &recorded.driven.end {
        End::Finished => return Ok(()),
        End::NotOpened(answer) => format!("`open` was answered with {answer:?}"),
        End::Failed(fault) => fault.to_string(),
        End::Stopped => "it was stopped".into(),
    };
    Err(HarnessError::broken(format!("the workload was recorded, and {why}")))
}

/// The model, with everything surviving, must give the directory that the program left.
fn reproduces(ground: &Ground, recorded: &Recorded) -> Result<()> {
    let last = ground.model.last_point();
    let built = Builder::new(&ground.model).image(&CrashState::kill(last));
    let seen = !recorded.blind.is_empty() || !recorded.trace.unmodelled.is_empty();
    if built.hash() == recorded.left.hash() || seen {
        return Ok(());
    }
    let differs = super::shape::of(&recorded.left, &built);
    let differs: Vec<String> = differs.into_iter().take(5).collect();
    Err(HarnessError::broken(format!(
        "the recording does not give the directory that the program left: {}",
        differs.join(", ")
    )))
}

/// From what was seen to what is reported.
fn conclude(
    visitor: &mut Visitor<'_, '_>,
    prover: &mut Prover,
    outcome: &mut FaultOutcome,
    requests: u64,
) -> Result<()> {
    let ctx = visitor.ctx;
    let counted = visitor.totals();
    let totals = &mut outcome.totals;
    totals.requests += requests;
    totals.states += counted.states;
    totals.distinct_images += counted.distinct_images;
    totals.recoveries += counted.recoveries;
    let bench = &mut visitor.bench;
    let unknown = "kills between the looks at a large shared mapping: what they leave is not known";
    totals.skip(unknown, visitor.unknown_kills);
    totals.skip("failing states over the limit, counted and not grouped", bench.beyond);
    outcome.judged.extend(bench.judged.iter().copied());
    outcome.undecided += bench.undecided;
    outcome.notes.push(format!(
        "{}: {} legal states visited, {} of them answered from memory (image and promise seen \
         before); {} distinct recoveries",
        visitor.fault,
        visitor.visited,
        bench.repeated,
        bench.memory.recoveries()
    ));
    let failures = std::mem::take(&mut bench.failures);
    for group in group::group(failures, prover, device(ctx))? {
        let mut finding = findings::finding(ctx, visitor.fault, &group);
        if outcome.findings.len() < SOURCES && !finding.note && !ctx.budget.interrupted() {
            finding.source = source(ctx, &group)?;
        }
        outcome.findings.push(finding);
    }
    Ok(())
}

/// The source line of the call whose effect was lost, where it is one of the workload's recording.
fn source(ctx: &Context<'_>, group: &group::Group) -> Result<Option<String>> {
    let ground = &group.spot.ground;
    let event = group.cause.guilty.and_then(|event| ground.trace.events.get(event.0 as usize));
    let Some(EventKind::Call(call)) = event.map(|event| &event.kind) else { return Ok(None) };
    if ground.depth() > 0 || call.no == 0 {
        return Ok(None);
    }
    let workload = asked::workload(ctx.options, &ctx.control.capabilities);
    studio(ctx).source(&workload.requests, ctx.options.threads, call)
}
