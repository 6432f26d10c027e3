//! The fault `kill`: child writers, each on its own store in a real directory, are killed with
//! SIGKILL: at the n-th acknowledgement, while a request is being served, before, inside (a write cut
//! short) or after an exact file operation, and inside recovery; cycle after cycle, what survived
//! being the next cycle's base.
//!
//! First, from one recording of the workload, every state that a kill at any file operation leaves,
//! inside writes and inside recoveries too: these replay exactly. Then live processes.
//!
//! A kill loses nothing that the program had handed to the kernel, so it never shows a missing fsync.
//! Seeds alone replay these moments only as closely as a live process allows; so a finding carries the
//! directory as the kill left it, and what had been asked and promised: that replays exactly.

mod moment;
mod rejudge;
mod tally;
mod today;
mod writer;

use crate::base::{HarnessError, Result};
use crate::oracle::{Kind, Loss, called_for};
use crate::scenario::{Case, FaultName, Strike};

use super::context::Context;
use super::outcome::{FaultOutcome, Rejudged};
use super::today::Today;
use super::{Fault, Finding, power};
use tally::Tally;
use writer::Writer;

/// The part of the budget for the states of one recording; the rest is for live processes.
const RECORDED: f64 = 0.6;

/// The fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kill;

impl Fault for Kill {
    fn name(&self) -> FaultName {
        FaultName::Kill
    }

    fn run(&self, ctx: &Context<'_>) -> Result<FaultOutcome> {
        let budget = ctx.budget.part(RECORDED, RECORDED);
        let recorded = match power::run::kills(&Context { budget: &budget, ..ctx.clone() }) {
            // Live processes are judged by what they answer and by the directory that they leave.
            Err(HarnessError::NotMeasured(why)) => {
                FaultOutcome { blind: vec![why], ..FaultOutcome::default() }
            }
            recorded => recorded?,
        };
        let budget = ctx.budget.part(1.0 - RECORDED, 1.0);
        let mut outcome = live(&Context { budget: &budget, ..ctx.clone() })?;
        // The recorded states came first.
        let first = recorded.totals.first_failure.or(outcome.totals.first_failure);
        let live = std::mem::take(&mut outcome.findings);
        outcome.merge(recorded);
        // An exact moment says more than a live one that shows the same; and what takes several kills to show may follow
        // from what one of them left, where that is a single flaw.
        let alarms = outcome.findings.iter().filter(|exact| !exact.note).count();
        let mut unexplained: Vec<Finding> = Vec::new();
        for finding in live {
            let follows = alarms == 1 && matches!(finding.kind, Kind::Vanished | Kind::Resurrected);
            let same = |exact: &&mut Finding| {
                let shows = exact.shows.iter().any(|one| one.kind == finding.kind);
                (exact.kind == finding.kind || shows || follows) && (finding.note || !exact.note)
            };
            match outcome.findings.iter_mut().filter(same).min_by_key(|exact| exact.takes_two()) {
                Some(exact) => exact.stand_for(finding),
                None => unexplained.push(finding),
            }
        }
        // Nothing tells apart those that no recorded kill explains, but what was violated.
        unexplained.sort_by(Finding::order);
        let mut unexplained = unexplained.into_iter();
        if let Some(mut worst) = unexplained.next() {
            let (alike, apart): (Vec<_>, Vec<_>) =
                unexplained.partition(|other| other.cause.sentence == worst.cause.sentence);
            alike.into_iter().for_each(|other| worst.stand_for(other));
            outcome.findings.push(worst);
            outcome.findings.extend(apart);
        }
        outcome.totals.first_failure = first;
        outcome.called_for.extend(called_for::of_crashes(Loss::Kill, &ctx.control.capabilities));
        Ok(outcome)
    }

    fn rejudge(&self, ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
        match &case.strike {
            Strike::Power(_) => power::Power.rejudge(ctx, case),
            _ => rejudge::rejudge(ctx, case),
        }
    }

    fn today(&self, ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
        match &case.strike {
            Strike::Power(_) => power::Power.today(ctx, case, kind),
            _ => today::today(ctx, case, kind),
        }
    }

    fn smaller(&self, case: &Case) -> Vec<Case> {
        match &case.strike {
            Strike::Power(_) => power::Power.smaller(case),
            _ => rejudge::smaller(case),
        }
    }
}

/// Kills live processes.
fn live(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let tally = Tally::new(ctx);
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let writers = (0..ctx.options.writers).map(|number| {
            let tally = &tally;
            scope.spawn(move || Writer::new(ctx, tally, number)?.run())
        });
        let writers: Vec<_> = writers.collect();
        let join = |writer: std::thread::ScopedJoinHandle<'_, Result<()>>| match writer.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        writers.into_iter().map(join).collect()
    });
    results.into_iter().collect::<Result<Vec<()>>>()?;
    let mut outcome = tally.into_outcome();
    outcome.notes.push(
        "kill: the moments at which live processes are killed depend on the machine as well as on \
         the seed; a finding's scenario holds the directory that was left, and replays exactly"
            .into(),
    );
    Ok(outcome)
}

#[cfg(test)]
mod tests;
