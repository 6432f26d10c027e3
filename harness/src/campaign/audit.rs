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
    campaign.observer.on(Progress::ControlStarted);
    let (control, _, place) = campaign.control()?;
    let timing = control.timing;
    campaign.observer.on(Progress::ControlPassed { timing });
    let flag = Arc::clone(&campaign.interrupted);
    let shares = Shares::new(campaign.options.extent, flag, timing.recovery);
    let budget = shares.of(FaultName::Power, 1);
    let options = campaign.options;
    syncs(&campaign.context(FaultName::Power, options, &control, &budget, &place))
}
