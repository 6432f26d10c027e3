//! How fast a program recovers that is started for each recovery, and whether it is forked instead.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::{Result, limits};
use crate::driver::{Capabilities, Target, Timeouts};
use crate::image::Image;
use crate::recover::{Setup, Worker};

/// Recoveries until a worker has settled: one shows how slow a start is, the next starts the fork server.
const SETTLED_AFTER: usize = 2;

/// How one more recovery goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long it takes.
    pub recovery: Duration,
    /// The program is started once and forked for each recovery.
    pub forks: bool,
}

impl Pace {
    /// Of a program whose recovery takes `known` where it is started for each.
    pub fn of(
        target: &Target,
        capabilities: &Capabilities,
        timeouts: Timeouts,
        root: &Path,
        store: &Image,
        known: Duration,
    ) -> Result<Self> {
        if capabilities.reopen || known < limits::FORKED_FROM {
            return Ok(Self { recovery: known, forks: !capabilities.reopen });
        }
        let setup = Setup::new(target.clone(), capabilities.clone(), timeouts, root);
        let mut worker = Worker::new(&setup)?;
        for _ in 0..SETTLED_AFTER {
            worker.recover(store)?;
            if worker.never_forks() {
                return Ok(Self { recovery: known, forks: false });
            }
        }
        let begun = Instant::now();
        worker.recover(store)?;
        Ok(Self { recovery: begun.elapsed(), forks: !worker.never_forks() })
    }
}
