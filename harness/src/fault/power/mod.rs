//! The fault `power`: the power is cut. The workload is recorded once; every crash state that the
//! recording allows under a file-system profile is derived from it, the driver recovers from each
//! distinct image, and what it shows is judged by what had been promised at that moment.
//!
//! * `run`: the fault, step by step, round by round. `stage`: what the rounds share.
//! * `record`: the recordings. `ground`: a timeline and its model. `visit`: states become images.
//! * `bench`: each image is recovered once and judged once a promise; `ask` is what is judged on it,
//!   `memory` knows what was seen, `court` who judges.
//! * `reopen`: what recovery left is opened again.
//! * `own_name`: the database's own name, judged apart. `nested`: crashes inside recovery.
//! * `clean_close`: what a clean close shows already is no crash's doing.
//! * `trial`: one state tried. `remedied`: remedies tried on the recording that has them.
//! * `window`: from which event on a crash fails, and up to which.
//! * `settle`: two opinions about one image. `shrink`, `group`, `findings`: from failing states to
//!   findings. `rejudge`: one saved case again. `today`: the same asked of today's program.
//!
//! Not judged here: damage to what was durable (the media fault), failing calls (io).

pub mod ask;
pub mod bench;
mod booth;
mod clean_close;
pub mod court;
mod fewer;
mod findings;
pub mod ground;
pub mod group;
mod marked;
pub mod memory;
mod nested;
mod own_name;
pub mod prove;
pub mod record;
mod rejudge;
mod remedied;
mod reopen;
pub mod run;
mod settle;
pub mod shape;
mod shrink;
mod source;
mod stage;
pub mod today;
pub mod trial;
pub mod visit;
mod volatile;
mod window;

pub use findings::{NO_REMEDY, finding};
pub use group::Group;
pub use rejudge::{replayed, requests};
pub(in crate::fault) use stage::reproduces;
pub use stage::{Stage, finished};

use crate::base::Result;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName};

use super::context::Context;
use super::outcome::{FaultOutcome, Rejudged};
use super::today::Today;
use super::{Fault, asked};
use crate::persistence::{Device, ProfileSet};

/// The fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Power;

impl Fault for Power {
    fn name(&self) -> FaultName {
        FaultName::Power
    }

    fn run(&self, ctx: &Context<'_>) -> Result<FaultOutcome> {
        match ctx.target.check {
            Some(_) => super::program::run(ctx),
            None => run::run(ctx),
        }
    }

    fn rejudge(&self, ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
        match ctx.target.check {
            Some(_) => super::program::rejudge(ctx, case),
            None => rejudge::rejudge(ctx, case),
        }
    }

    fn today(&self, ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
        match ctx.target.check {
            Some(_) => super::program::today(ctx, case),
            None => today::today(ctx, case, kind),
        }
    }
}

/// How recordings are made under this fault.
pub(crate) fn studio<'a>(ctx: &'a Context<'_>) -> record::Studio<'a> {
    record::Studio {
        target: ctx.target,
        capabilities: &ctx.control.capabilities,
        root: ctx.image_root,
        timeouts: asked::timeouts(ctx.options),
        brief: None,
        seed: ctx.options.seed,
    }
}

pub(super) fn device(ctx: &Context<'_>) -> Device {
    Device { atomic_pages: ctx.options.atomic_write_bytes >= crate::base::limits::PAGE_BYTES }
}

pub(super) fn profiles(ctx: &Context<'_>) -> ProfileSet {
    ctx.options.profiles.iter().copied().collect()
}
