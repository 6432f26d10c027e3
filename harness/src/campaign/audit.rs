//! An audit: the control, then the audit of the syncs under the power fault.

use std::sync::Arc;

use super::{Campaign, share::Shares};
use crate::base::{HarnessError, Result, Rng};
use crate::fault::audit::{Audit, audit as syncs};
use crate::fault::{self, Context, Progress};
use crate::scenario::FaultName;

/// Audits the syncs of a campaign's target.
pub fn audit(campaign: &Campaign<'_>) -> Result<Audit> {
    if campaign.target.check.is_some() {
        return Err(HarnessError::input("audit: a whole program has no requests to audit"));
    }
    let shares = Shares::new(campaign.options.extent, Arc::clone(&campaign.interrupted));
    campaign.observer.on(Progress::ControlStarted);
    let (control, _) = fault::control::run(campaign.target, campaign.options, campaign.run_root)?;
    campaign.observer.on(Progress::ControlPassed);
    let budget = shares.of(FaultName::Power, 1);
    let ctx = Context {
        target: campaign.target,
        options: campaign.options,
        control: &control,
        run_root: campaign.run_root,
        image_root: campaign.image_root,
        rng: Rng::new(campaign.options.seed).fork(FaultName::Power.name()),
        budget: &budget,
        observer: campaign.observer,
    };
    syncs(&ctx)
}
