//! Where a run's stores stand: control, recordings, live processes and recoveries all on one file system.
//! A memory file system is tried first, since nothing is faster. A program that needs what that one lacks
//! has everything on a real one.

use std::path::Path;

use super::Campaign;
use crate::base::{HarnessError, Result, file_system};
use crate::fault::{self, Control, FaultOutcome, Recordings};
use crate::scenario::Case;

/// Where stores stand.
#[derive(Debug)]
pub struct Place<'a> {
    /// The folder for them.
    pub root: &'a Path,
    /// Why they are not in memory, where they were moved.
    pub moved: Option<String>,
    /// What was recorded there.
    pub recordings: Recordings,
}

impl<'a> Place<'a> {
    /// In memory, where the campaign has such a folder.
    pub fn first(campaign: &Campaign<'a>) -> Self {
        Self { root: campaign.image_root, moved: None, recordings: Recordings::default() }
    }

    /// Where the stores of a saved case stood.
    pub fn of(campaign: &Campaign<'a>, case: &Case) -> Self {
        let first = Self::first(campaign);
        if case.on_disk { Self { root: campaign.run_root, ..first } } else { first }
    }

    /// On the real file system, because of `why`; nothing where they are there already.
    pub fn moved(&self, campaign: &Campaign<'a>, why: &str) -> Option<Self> {
        let apart = file_system::differ(self.root, campaign.run_root);
        let why = why.lines().next().unwrap_or_default();
        let recordings = Recordings::default();
        apart.then(|| Self { root: campaign.run_root, moved: Some(why.to_owned()), recordings })
    }

    /// The file system on which they stand.
    pub fn file_system(&self) -> String {
        file_system::name(self.root)
    }

    /// For the report: that they were moved, and why.
    pub fn note(&self) -> Option<String> {
        let why = self.moved.as_ref()?;
        let name = self.file_system();
        Some(format!("everything stands on {name}: the program does not run in memory ({why})"))
    }
}

impl<'a> Campaign<'a> {
    /// The control, and where it ran: where it cannot be run in memory, on the real file system.
    pub(super) fn control(&self) -> Result<(Control, FaultOutcome, Place<'a>)> {
        let place = Place::first(self);
        let failed = match self.control_at(&place) {
            Err(HarnessError::Setup(why)) => why,
            done => return done.map(|(control, outcome)| (control, outcome, place)),
        };
        let Some(place) = place.moved(self, &failed) else {
            return Err(HarnessError::Setup(failed));
        };
        let (control, outcome) = self.control_at(&place)?;
        Ok((control, outcome, place))
    }

    /// The control; a second one where the first saw a violation: only what both see counts.
    fn control_at(&self, place: &Place<'_>) -> Result<(Control, FaultOutcome)> {
        let run = || fault::control::run(self.target, self.options, place.root);
        let (control, mut outcome) = run()?;
        if !outcome.findings.is_empty() {
            let again = run()?.1.findings;
            for finding in &mut outcome.findings {
                let seen = again.iter().any(|other| other.kind == finding.kind);
                finding.frequency = Some((1 + u32::from(seen), 2));
                finding.case.on_disk = place.moved.is_some();
            }
        }
        Ok((control, outcome))
    }
}
