//! How long a recovery is waited for: briefly while states are visited, as long as the user says where a
//! finding is confirmed, and never much beyond the end of the run's time.

use std::time::{Duration, Instant};

use super::worker::Setup;
use crate::base::limits;
use crate::driver::{DriverProcess, Timeouts, Watching};
use crate::record::Stillness;

/// The limits of one recovery.
#[derive(Debug)]
pub(super) struct Patience {
    /// A silence of this length is a hang.
    pub most: Timeouts,
    /// A silence of this length is looked into.
    pub first: Timeouts,
    /// Whether a process may be known to hang by its processor time: only against what the control took.
    judges_time: bool,
    until: Option<Instant>,
}

impl Patience {
    /// The limits for a recovery that begins now.
    pub(super) fn of(setup: &Setup) -> Self {
        let user = setup.timeouts;
        let Some(control) = &setup.first else {
            // Nothing is known of the program but what the user says.
            let least = limits::FIRST_LIMIT_AT_LEAST;
            let first = Timeouts { open: least, op: least }.min(&user);
            return Self { most: user, first, judges_time: false, until: None };
        };
        let first = setup.hangs.first(control, &user);
        let (most, until) = match (setup.confirms, setup.hangs.count()) {
            (true, _) => (user, setup.deadline),
            (false, 0) => (second_look(&first, &user, setup.deadline), None),
            (false, _) => (first, None),
        };
        Self { most, first, judges_time: true, until }
    }

    /// How the silence of `process` is looked into.
    pub(super) fn watching(&self, process: &DriverProcess) -> Watching {
        Watching {
            first: self.first,
            judges_time: self.judges_time,
            until: self.until,
            hopeless: limits::SECOND_LOOK,
            vigil: Box::new(Stillness::below(process.keeper(), process.template())),
        }
    }
}

/// The limits while no recovery of the run has hung yet: it may only be slower than anything before. They
/// leave most of the run's time to others.
fn second_look(first: &Timeouts, user: &Timeouts, deadline: Option<Instant>) -> Timeouts {
    let longer = first.times(limits::SECOND_LOOK).min(user);
    match deadline {
        None => longer,
        Some(deadline) => {
            let part: Duration = deadline.saturating_duration_since(Instant::now()) / 4;
            longer.min(&Timeouts { open: part, op: part }).max(first)
        }
    }
}
