//! An audit: the control, then the audit of the syncs under the power fault.

use std::sync::Arc;

use super::{Campaign, share::Shares};
use crate::base::{HarnessError, Result};
use crate::fault::Progress;
use crate::fault::audit::{Audit, audit as syncs};
use crate::scenario::FaultName;

/// Audits the syncs of a campaign's target.
pub fn audit(campaign: &Campaign<'_>) -> Result<Audit> {
    if campaign.target.check.is_some() {
        return Err(HarnessError::input("audit: a whole program has no requests to audit"));
    }
    let shares = Shares::new(campaign.options.extent, Arc::clone(&campaign.interrupted));
    campaign.observer.on(Progress::ControlStarted);
    let (control, _, place) = campaign.control()?;
    campaign.observer.on(Progress::ControlPassed);
    let budget = shares.of(FaultName::Power, 1);
    syncs(&campaign.context(FaultName::Power, &control, &budget, &place))
}
