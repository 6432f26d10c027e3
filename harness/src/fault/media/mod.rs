//! The fault `media`: bytes damaged at rest, on a store that was closed cleanly and on stores that were
//! killed. Small files exhaustively, large ones by a seeded sample; each damaged directory recovered
//! from and judged once.
//!
//! Which operators there are is the media room's business, what must hold afterwards the oracle's.

mod choose;
mod rejudge;
mod rest;
mod tally;
mod today;
mod weigh;

use crate::base::{Result, limits};
use crate::oracle::{Judge, Kind, called_for};
use crate::recover::{Extra, Pool, Worker};
use crate::scenario::{Case, FaultName};
use crate::workload::{History, Mutation, Operation};

use super::Fault;
use super::budget::Stop;
use super::context::Context;
use super::observer::Progress;
use super::outcome::{FaultOutcome, Rejudged};
use super::today::Today;
use choose::Choice;
use rest::{Rest, come_to_rest};
use tally::{Struck, Tally};

/// The fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Media;

impl Fault for Media {
    fn name(&self) -> FaultName {
        FaultName::Media
    }

    fn run(&self, ctx: &Context<'_>) -> Result<FaultOutcome> {
        let all = at_rest(ctx)?;
        let made = all.len();
        let rests = sound(ctx, all)?;
        let mut choices: Vec<Choice<'_>> = rests
            .iter()
            .enumerate()
            .map(|(number, rest)| Choice::new(rest, ctx.rng.fork(&format!("store {number}"))))
            .collect();
        let mut tally = Tally::new(ctx, &rests);
        let mut pool = Pool::start(&ctx.setup(), ctx.options.workers)?;
        let mut id = 0;
        // In turn, so that a budget that ends early has seen each store.
        while choices.iter().any(|choice| !choice.is_dry()) && ctx.budget.stopped().is_none() {
            for (number, choice) in choices.iter_mut().enumerate() {
                let Some((damage, image)) = choice.next() else { continue };
                if !ctx.budget.take() {
                    choice.give_back();
                    break;
                }
                let struck = Struck { id, rest: number, damage, image: image.clone() };
                tally.expect(struck);
                pool.submit(id, image, Extra { may_refuse: true, ..Extra::default() })?;
                id += 1;
                while let Some(done) = pool.try_next()? {
                    tally.take(done);
                }
            }
            ctx.observer.on(Progress::Working {
                fault: FaultName::Media,
                totals: &tally.totals,
                findings: tally.failing(),
                budget: ctx.budget,
            });
        }
        while let Some(done) = pool.next()? {
            tally.take(done);
        }
        tally.totals.skip(WRONG_BEFORE, (made - rests.len()) as u64);
        let left: u64 = choices.iter().map(Choice::exhaustive_left).sum();
        let why = ctx.budget.stopped().unwrap_or(Stop::Cases).words();
        tally.totals.skip(&format!("exhaustive damages of small files: {why}"), left);
        for choice in &choices {
            tally.totals.covered.add(&choice.covered());
        }
        let mut outcome = tally.into_outcome();
        outcome.called_for = called_for::of_damage(&ctx.control.capabilities);
        Ok(outcome)
    }

    fn rejudge(&self, ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
        rejudge::rejudge(ctx, case)
    }

    fn today(&self, ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
        today::today(ctx, case, kind)
    }

    fn smaller(&self, case: &Case) -> Vec<Case> {
        rejudge::smaller(case)
    }
}

/// Stores that are not damaged, for whatever is wrong with them then is so without it.
pub const WRONG_BEFORE: &str = "stores that lose something, or do not open, before any damage";

/// The store closed cleanly, two that were killed at seeded acknowledgements, and one that was killed
/// right after its longest value was acknowledged: a store may keep such values in a way of their own,
/// and later they are overwritten.
fn at_rest(ctx: &Context<'_>) -> Result<Vec<Rest>> {
    let closed = come_to_rest(ctx, None)?;
    let answered = u64::from(closed.acknowledged.max(2));
    let mut rng = ctx.rng.fork("kills");
    let early = rng.between(answered / 4, answered / 2).max(1);
    let late = rng.between(answered / 2, answered - 1).max(1);
    let longest = longest(&closed.history).filter(|at| *at < answered);
    let mut rests = vec![closed];
    for kill_after in [late, early].into_iter().chain(longest) {
        if ctx.budget.stopped().is_some() {
            break;
        }
        rests.push(come_to_rest(ctx, Some(kill_after as u32))?);
    }
    Ok(rests)
}

/// Those that are right as they stand: what another one shows is not the damage's doing.
fn sound(ctx: &Context<'_>, rests: Vec<Rest>) -> Result<Vec<Rest>> {
    let mut worker = Worker::new(&ctx.setup())?;
    let mut sound = Vec::new();
    for rest in rests {
        let recovery = worker.recover(&rest.image)?;
        let verdict = Judge::new(&rest.history, &ctx.control.capabilities).at(
            rest.end,
            rest.loss(),
            &recovery,
        );
        if verdict.held() {
            sound.push(rest);
        }
    }
    Ok(sound)
}

/// How many requests there are up to the one with the longest value, if that is longer than a page.
fn longest(history: &History) -> Option<u64> {
    let length = |operation: &Operation| {
        let values = operation.request.mutations().iter().filter_map(Mutation::value);
        values.map(|value| value.as_str().len() as u64).max().unwrap_or_default()
    };
    let lengths = (1..).zip(history.operations.iter().map(length));
    let (at, length) = lengths.max_by_key(|(at, length)| (*length, u64::MAX - at))?;
    (length > limits::PAGE_BYTES).then_some(at)
}
