//! Looks into the silence of a driver that is not traced: does it compute without end, do all its threads
//! sleep where nothing can wake them, or may it answer yet? The first two are told only where they are
//! certain for every thread of every process below the driver's keeper:
//!
//! * *Asleep*: each thread sleeps in a call without a timeout that only another one of these threads could
//!   end ([`call`]), no timer is set, no alarm is caught, and between two looks none of them ran.
//! * *Burning*: some threads compute, and the others sleep so. Those that compute are put under trace
//!   ([`burning`]), which sees every system call that they make: after the first one nothing is certain.
//!   They are judged by their own processor time, since a busy machine gives them little of it.

mod burning;
mod call;
pub(super) mod tree;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libc::pid_t;

use self::burning::{Burning, Did};
use self::tree::{Doing, Thread};
use crate::base::limits;
use crate::driver::{Hang, Look, Vigil};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(60);

/// Looks into what runs below one process.
#[derive(Debug)]
pub struct Stillness {
    /// The keeper: what lies below it is the driver.
    keeper: pid_t,
    /// A process below it that is no part of the driver: it was forked from that one.
    spared: Option<pid_t>,
    looked: Option<Instant>,
    latest: Look,
    /// The threads that slept at the last look, and since when none of them has run.
    asleep: Option<(Vec<Thread>, Instant)>,
    burning: BTreeMap<pid_t, Burning>,
    /// One of them made a call: this silence is not looked into any more.
    called: bool,
}

impl Stillness {
    /// Looks into everything below `keeper`, but for `spared`.
    pub fn below(keeper: pid_t, spared: Option<pid_t>) -> Self {
        Self {
            keeper,
            spared,
            looked: None,
            latest: Look::Nothing,
            asleep: None,
            burning: BTreeMap::new(),
            called: false,
        }
    }

    fn look_now(&mut self, limit: Duration) -> Look {
        let Some(threads) = tree::threads(self.keeper, self.spared) else { return self.nothing() };
        if threads.is_empty() || threads.iter().any(|thread| thread.doing == Doing::Other) {
            return self.nothing();
        }
        let (busy, asleep): (Vec<Thread>, Vec<Thread>) =
            threads.into_iter().partition(|thread| thread.doing == Doing::Computes);
        let slept = self.slept(asleep);
        if busy.is_empty() {
            self.burning.clear();
            return match slept >= limits::ASLEEP_FOR {
                true => Look::Hangs(Hang::Asleep),
                false => Look::Perhaps,
            };
        }
        self.burned(&busy, limit)
    }

    /// How long these threads are known to sleep without having run in between.
    fn slept(&mut self, asleep: Vec<Thread>) -> Duration {
        match &self.asleep {
            Some((before, since)) if *before == asleep => since.elapsed(),
            _ => {
                self.asleep = Some((asleep, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// What is to be said of threads that compute.
    fn burned(&mut self, busy: &[Thread], limit: Duration) -> Look {
        if self.called {
            return Look::Nothing;
        }
        self.burning.retain(|tid, _| busy.iter().any(|thread| thread.tid == *tid));
        for thread in busy {
            if self.burning.contains_key(&thread.tid) {
                continue;
            }
            let Some(burning) = Burning::watch(thread.pid, thread.tid) else {
                return self.nothing();
            };
            self.burning.insert(thread.tid, burning);
        }
        let mut least = Duration::MAX;
        for burning in self.burning.values_mut() {
            match burning.did() {
                Did::Computed(time) => least = least.min(time),
                Did::Called => {
                    self.called = true;
                    return self.nothing();
                }
            }
        }
        match least >= limit.max(limits::BURNED_AT_LEAST) {
            true => Look::Hangs(Hang::Burning),
            false => Look::Perhaps,
        }
    }

    fn nothing(&mut self) -> Look {
        self.burning.clear();
        self.asleep = None;
        Look::Nothing
    }
}

impl Vigil for Stillness {
    fn look(&mut self, limit: Duration) -> Look {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return self.latest;
        }
        self.latest = self.look_now(limit);
        self.looked = Some(Instant::now());
        self.latest
    }

    fn forget(&mut self) {
        if self.looked.is_some() {
            *self = Self::below(self.keeper, self.spared);
        }
    }
}

#[cfg(test)]
mod tests;
