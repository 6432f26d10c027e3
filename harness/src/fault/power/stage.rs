//! The stage on which crash states are visited: the workload's recording, checked against the directory
//! that the program left, with the bench that judges. It outlasts the rounds; each brings a recording.

use std::rc::Rc;

use super::bench::Bench;
use super::ground::{self, Ground, Spot};
use super::nested::CutAgain;
use super::prove::Prover;
use super::record::Recorded;
use super::visit::Visitor;
use super::{device, studio};
use crate::base::{HarnessError, Result};
use crate::diagnose::NamePatterns;
use crate::driver::{DriverFault, End};
use crate::fault::{Context, FaultOutcome, asked, unseen};
use crate::image::Builder;
use crate::oracle::Judge;
use crate::persistence::CrashState;
use crate::recover::Pool;
use crate::scenario::FaultName;

/// The recorded run with all that its crash states are visited with.
pub struct Stage<'a, 'c> {
    /// Visits.
    pub visitor: Visitor<'a, 'c>,
    /// The recording of the workload whose states are visited: of the latest round.
    pub first: Rc<Ground>,
    /// Judges single states in fresh processes.
    pub prover: Prover,
    /// How many requests were recorded.
    pub requests: u64,
    /// The recoveries that were cut again.
    pub cut_again: CutAgain,
}

impl<'a, 'c> Stage<'a, 'c> {
    /// Records the workload, and checks that the recording can be believed.
    pub fn set_up(
        ctx: &'a Context<'c>,
        fault: FaultName,
        outcome: &mut FaultOutcome,
    ) -> Result<Self> {
        let (recorded, is_new) = ctx.recordings.first(ctx.image_root, || record(ctx, 0))?;
        check(ctx, &recorded, outcome)?;
        if is_new && !recorded.outside.written.is_empty() {
            let (again, _) = studio(ctx).recovery(&recorded.left)?;
            let outside = recorded.outside.blind(&again.outside);
            if !outside.is_empty() {
                return Err(HarnessError::OutOfReach(outside.join("; ")));
            }
        }
        let pool = Pool::start(&ctx.setup(), ctx.options.workers)?;
        let mut bench = Bench::new(ctx.budget, pool);
        let first = ground(ctx, &recorded, 0, None, &mut bench)?;
        let visitor =
            Visitor { ctx, bench, visited: 0, coarse: recorded.coarse, unknown_kills: 0, fault };
        let mut prover = Prover::new(&ctx.setup())?;
        let judge = Judge::new(&recorded.history, &ctx.control.capabilities);
        prover.is_all_there(&recorded.left, &judge, &recorded.trace)?;
        let requests = if is_new { recorded.history.operations.len() as u64 } else { 0 };
        Ok(Self { visitor, first, prover, requests, cut_again: CutAgain::default() })
    }

    /// Records the workload of another round.
    pub fn record_again(&mut self, round: u32, outcome: &mut FaultOutcome) -> Result<()> {
        let ctx = self.visitor.ctx;
        let recorded = record(ctx, round)?;
        check(ctx, &recorded, outcome)?;
        let known = Rc::clone(&self.first.patterns);
        self.first = ground(ctx, &recorded, round, Some(&known), &mut self.visitor.bench)?;
        self.visitor.coarse = recorded.coarse;
        self.requests += recorded.history.operations.len() as u64;
        Ok(())
    }
}

/// Records the workload of a round.
fn record(ctx: &Context<'_>, round: u32) -> Result<Recorded> {
    let workload = asked::round(ctx.options, &ctx.control.capabilities, round);
    studio(ctx).record(None, &workload.requests, ctx.options.threads)
}

/// The ground of a recording, which must give the directory that the program left. Names are told by the
/// patterns that are `known` too.
fn ground(
    ctx: &Context<'_>,
    recorded: &Recorded,
    round: u32,
    known: Option<&Rc<NamePatterns>>,
    bench: &mut Bench<'_, Spot>,
) -> Result<Rc<Ground>> {
    let judge = Rc::new(Judge::new(&recorded.history, &ctx.control.capabilities));
    let overlay = ground::created(&recorded.trace);
    let mut first = Ground::first(recorded.trace.clone(), overlay, device(ctx), judge.clone());
    if let Some(known) = known {
        first = first.knowing(known);
    }
    first.number = bench.seat(judge);
    first.round = round;
    reproduces(&first, recorded)?;
    Ok(Rc::new(first))
}

/// An error where a part of the recorded run was not seen, or it went otherwise than the control.
fn check(ctx: &Context<'_>, recorded: &Recorded, outcome: &mut FaultOutcome) -> Result<()> {
    unseen::refuse(&unseen::of(&recorded.trace))?;
    outcome.unmodelled.extend(recorded.trace.unmodelled.clone());
    finished(&recorded.driven.end, "the workload was recorded")
        .map_err(|failure| unseen::excused(failure, &recorded.answered))?;
    unseen::errors(&recorded.history, &ctx.control.history, &recorded.answered)
}

/// An error where a recording without faults did not go to its end. The program answered in time in the
/// control, and is slower while each of its calls is looked at.
pub fn finished(end: &End, what: &str) -> Result<()> {
    let why = match end {
        End::Finished => return Ok(()),
        End::NotOpened(answer) => format!("`open` was answered with {answer:?}"),
        End::Failed(hung @ DriverFault::Hung { .. }) => {
            return Err(HarnessError::NotMeasured(format!(
                "the program is too slow while it is recorded: {hung}; a longer --timeout-op may \
                 help"
            )));
        }
        End::Failed(fault) => fault.to_string(),
        End::Stopped => "it was stopped".into(),
    };
    Err(HarnessError::EndsOtherwise(format!("{what}, and {why}")))
}

/// The model, with everything surviving, must give the directory that the program left.
pub(in crate::fault) fn reproduces(ground: &Ground, recorded: &Recorded) -> Result<()> {
    let last = ground.model.last_point();
    let built = Builder::new(&ground.model).image(&CrashState::kill(last));
    if built.hash() == recorded.left.hash() {
        return Ok(());
    }
    let differs = super::shape::of(&recorded.left, &built);
    let differs: Vec<String> = differs.into_iter().take(5).collect();
    Err(HarnessError::NotMeasured(format!(
        "the recording does not give the directory that the program left: {}",
        differs.join(", ")
    )))
}
