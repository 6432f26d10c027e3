//! What is known of answers that do not come, by all who recover stores of one program in one run: how
//! often there was none, and how long an answer may take before it is suspicious. Waiting is dear: what was
//! given up at the first limit is confirmed later, once for each finding.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::limits;
use crate::driver::Timeouts;

/// The number of hangs so far, and the slowest answers; clones share both.
#[derive(Clone, Debug, Default)]
pub struct Hangs(Arc<Known>);

#[derive(Debug)]
struct Known {
    count: AtomicU32,
    /// The first limits that slow answers ask for.
    raised: Mutex<Timeouts>,
}

impl Default for Known {
    fn default() -> Self {
        let raised = Timeouts { open: Duration::ZERO, op: Duration::ZERO };
        Self { count: AtomicU32::new(0), raised: Mutex::new(raised) }
    }
}

impl Hangs {
    /// How many there were.
    pub fn count(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Counts one.
    pub fn note(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The first limits: `control` as the control run had them, longer where answers came near them since,
    /// and never above `most`.
    pub fn first(&self, control: &Timeouts, most: &Timeouts) -> Timeouts {
        let raised = *self.0.raised.lock().unwrap_or_else(PoisonError::into_inner);
        control.max(&raised).min(most)
    }

    /// Answers came that took so long: where that was near the first limits, these are too short.
    pub fn answered(&self, slowest: &Timeouts, first: &Timeouts) {
        let near = |slowest: Duration, first: Duration| {
            let wanted = slowest.saturating_mul(limits::FIRST_LIMIT_MARGIN);
            if wanted > first { wanted } else { Duration::ZERO }
        };
        let (open, op) = (near(slowest.open, first.open), near(slowest.op, first.op));
        if open.is_zero() && op.is_zero() {
            return;
        }
        let mut raised = self.0.raised.lock().unwrap_or_else(PoisonError::into_inner);
        *raised = raised.max(&Timeouts { open, op });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_makes_room_for_slower_ones_up_to_the_user_s_limit() {
        let ms = Duration::from_millis;
        let both = |time| Timeouts { open: time, op: time };
        let (hangs, most) = (Hangs::default(), both(ms(10_000)));
        let first = hangs.first(&both(ms(500)), &most);
        hangs.answered(&both(ms(100)), &first);
        assert_eq!(hangs.first(&first, &most), both(ms(500)), "far below it: nothing changes");
        hangs.answered(&Timeouts { open: ms(900), op: ms(1) }, &first);
        let raised = hangs.clone().first(&first, &most);
        assert_eq!(raised, Timeouts { open: ms(1_800), op: ms(500) });
        hangs.answered(&both(ms(9_000)), &raised);
        assert_eq!(hangs.first(&first, &most), most);
    }
}
