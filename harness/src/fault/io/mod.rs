//! The fault `io`: calls fail while the store runs. A short workload is recorded once without failures;
//! then it is run again once for each of its calls and each failure that the call can really return,
//! and so is a recovery from a power cut.
//!
//! * `asks`: the requests. `choose`: which failures. `run`: one recorded run with one of them.
//! * `court`: who judges; `fates`: what became of operations that were answered with `err`.
//! * `stays`: a failed operation stays what it turned out to be. `running`: what the running store showed.
//! * `examine`: a restart, a power cut at each later point; `examined`: what came of it.
//! * `stages`: the stores on which calls fail. `tally` and `group`: counts and findings. `remedy`: what
//!   would have helped. `blame`: whether the failing call matters; `twin`: the same moment without it.
//! * `rejudge`: one saved case again. `today`: the same asked of today's program; `struck` names its call.
//!
//! Not judged here: power cuts without a failing call (power), damage (media).

pub mod asks;
mod blame;
mod case;
pub mod choose;
pub mod court;
pub mod examine;
pub mod examined;
pub mod fates;
mod findings;
mod group;
mod rejudge;
mod remedy;
pub mod run;
pub mod running;
mod stages;
pub mod stays;
mod struck;
mod tally;
#[cfg(test)]
mod testkit;
mod today;
mod tries;
mod twin;

pub use findings::LOSES;
pub use group::{BESIDES, REOPENED};

use super::Fault;
use super::context::Context;
use super::outcome::{FaultOutcome, Rejudged};
use super::today::Today;
use crate::base::Result;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName};

/// The fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Io;

impl Fault for Io {
    fn name(&self) -> FaultName {
        FaultName::Io
    }

    fn run(&self, ctx: &Context<'_>) -> Result<FaultOutcome> {
        tries::run(ctx)
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
