//! Visiting: crash states become images and go to the bench, as far as the budget and this stage's
//! share of it go.

use std::rc::Rc;

use super::ask::Ask;
use super::bench::{Bench, More};
use super::ground::{Ground, Spot};
use crate::base::Result;
use crate::explore::Visit;
use crate::fault::{Context, FirstFailure, Progress, Totals};
use crate::image::Builder;
use crate::oracle::Loss;
use crate::persistence::{Crash, CrashState, ProfileSet};
use crate::scenario::FaultName;

/// The strategy that never ends.
const LAST_STRATEGY: &str = "random";
/// How often listeners are told, in states.
const TELL: u64 = 1000;

/// The bench with what the visiting needs besides.
pub struct Visitor<'a, 'c> {
    /// What the run was given.
    pub ctx: &'a Context<'c>,
    /// Where states are judged.
    pub bench: Bench<'a, Spot>,
    /// Legal states visited.
    pub visited: u64,
    /// True if stores into shared mappings were looked for only at syncs and answers: what a kill
    /// leaves in between is not known, and no kill is judged.
    pub coarse: bool,
    /// Kills that were not judged for that.
    pub unknown_kills: u64,
    /// Whose findings they are: the kill fault visits only what kills leave.
    pub fault: FaultName,
}

/// Why a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was visited, or nothing new came any more.
    Exhausted,
    /// Its share is used.
    Share,
    /// The whole budget is spent.
    Spent,
}

/// How far a stage may go.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Until this part of the whole budget is spent, 0 to 1.
    pub upto: f64,
    /// At most so many new images.
    pub images: u64,
    /// After so many random states without a new image there is nothing left to see; inside a
    /// recovery, after so many of any strategy.
    pub barren: u64,
}

impl Visitor<'_, '_> {
    /// The part of the budget that is spent. Where cases are counted only they count, so that the
    /// same seed visits the same states.
    pub fn spent(&self) -> f64 {
        let budget = self.ctx.budget;
        match budget.cases() {
            u64::MAX => budget.spent(),
            cases => budget.used() as f64 / cases.max(1) as f64,
        }
    }

    /// Visits states of `ground`.
    pub fn visit(
        &mut self,
        ground: &Rc<Ground>,
        visits: impl Iterator<Item = Visit>,
        share: Share,
    ) -> Result<Ended> {
        let mut builder = Builder::new(&ground.model);
        let before = self.bench.memory.images();
        let mut newest = (before, self.visited);
        for Visit { state, profiles, strategy, .. } in visits {
            if self.ctx.budget.stopped().is_some() {
                return Ok(Ended::Spent);
            }
            let images = self.bench.memory.images();
            if images - before >= share.images || self.spent() >= share.upto {
                return Ok(Ended::Share);
            }
            let may_end = strategy == LAST_STRATEGY || ground.depth() > 0;
            if images > newest.0 || !may_end {
                newest = (images, self.visited);
            } else if self.visited - newest.1 > share.barren {
                return Ok(Ended::Exhausted);
            }
            if self.coarse && state.is_kill() {
                self.unknown_kills += 1;
                continue;
            }
            // The kill fault judges what one kill leaves. A power cut may take something during the
            // recovery from it, so a whole one is visited for that.
            let others = self.fault == FaultName::Power && ground.depth() == 0;
            if others && matches!(state.crash, Crash::Kill { pages } if pages > 0) {
                continue;
            }
            let image = builder.image(&state);
            self.visited += 1;
            // A power cut right after which everything is there is legal too, everywhere.
            let also = (state.crash == Crash::Kill { pages: 0 } && self.fault != FaultName::Kill)
                .then(|| CrashState::power(state.point, crate::persistence::Loss::default()));
            for state in also.into_iter().chain([state]) {
                let under = ground.under.unwrap_or(ProfileSet::ALL);
                let profiles = match (state.is_kill(), ground.under) {
                    (true, None) => ProfileSet::EMPTY,
                    (true, Some(under)) => under,
                    (false, _) => profiles.intersection(under),
                };
                if profiles.is_empty() && !state.is_kill() {
                    continue;
                }
                let judged = !(others && state.is_kill());
                let ask = Ask { judged, ..ask(ground, state, profiles) };
                if self.bench.visit(&image, ask)? == More::Spent {
                    return Ok(Ended::Spent);
                }
            }
            if self.visited.is_multiple_of(TELL) {
                self.tell();
            }
        }
        Ok(Ended::Exhausted)
    }

    /// Visits these states, whatever they are, up to so many new images.
    pub fn visit_some(
        &mut self,
        ground: &Rc<Ground>,
        visits: impl Iterator<Item = Visit>,
        images: u64,
    ) -> Result<Ended> {
        self.visit(ground, visits, Share { upto: f64::INFINITY, images, barren: u64::MAX })
    }

    /// The counts so far.
    pub fn totals(&self) -> Totals {
        Totals {
            states: self.bench.states,
            distinct_images: self.bench.memory.images(),
            recoveries: self.bench.recoveries,
            first_failure: self
                .bench
                .first_failure
                .map(|(recoveries, after)| FirstFailure { recoveries, after }),
            elapsed: self.ctx.budget.elapsed(),
            ..Totals::default()
        }
    }

    /// Tells the listeners how far it is.
    pub fn tell(&self) {
        self.ctx.observer.on(Progress::Working {
            fault: self.fault,
            totals: &self.totals(),
            findings: self.bench.failures.len().min(1),
            budget: self.ctx.budget,
        });
    }
}

/// What is to be judged on a state.
fn ask(ground: &Rc<Ground>, state: CrashState, profiles: ProfileSet) -> Ask<Spot> {
    let spot = Spot { ground: Rc::clone(ground), state };
    let loss = spot.loss();
    let stage = match loss {
        Loss::Kill => ground.stage(spot.state.point),
        Loss::Power | Loss::None => 0,
    };
    Ask {
        judged: true,
        alone: spot.is_alone(),
        stage,
        moment: spot.moment(),
        loss,
        court: ground.number,
        tag: (ground.depth() as u8) << 1 | u8::from(loss == Loss::Kill),
        profiles,
        what: spot,
    }
}
