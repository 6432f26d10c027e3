//! The user's wish to end, seen by everything in this process that waits. A signal belongs to the whole
//! process, and a wait that was not told of it would outlive the run; so this is one value, and not a
//! parameter that some caller forgets to hand on.
//!
//! An end takes two steps. At first only slow answers are given up, so that a run can still conclude
//! from quick ones ([`limits::INTERRUPTED_SLOW`]); a moment later nothing is waited for
//! ([`limits::INTERRUPTED_AT_ALL`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::limits;

/// When the wish was made, in milliseconds of the monotonic clock and never 0; 0 for never.
static SINCE: AtomicU64 = AtomicU64::new(0);

/// Notes the wish. Safe in a signal handler; the first moment counts.
pub fn note() {
    let _ = SINCE.compare_exchange(0, now().max(1), Ordering::SeqCst, Ordering::SeqCst);
}

/// True if an answer that has taken `waited` so far is not worth more time.
pub fn gives_up(waited: Duration) -> bool {
    ended_since().is_some_and(|since| is_over(since, waited))
}

/// True if nothing is to be asked or waited for any more.
pub fn is_final() -> bool {
    gives_up(Duration::ZERO)
}

fn is_over(since: Duration, waited: Duration) -> bool {
    since >= limits::INTERRUPTED_AT_ALL || waited >= limits::INTERRUPTED_SLOW
}

fn ended_since() -> Option<Duration> {
    match SINCE.load(Ordering::SeqCst) {
        0 => None,
        at => Some(Duration::from_millis(now().saturating_sub(at))),
    }
}

fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: async-signal-safe; writes to a valid place.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    // The value itself is shared by all tests of this process: only its arithmetic is tried here, and
    // the rest by signals to a whole run (tests/interrupts.rs).
    #[test]
    fn quick_answers_count_for_a_moment_and_then_none_does() {
        let (soon, late) = (Duration::ZERO, limits::INTERRUPTED_AT_ALL);
        let (quick, slow) = (Duration::ZERO, limits::INTERRUPTED_SLOW);
        assert!(!is_over(soon, quick) && is_over(soon, slow));
        assert!(is_over(late, quick) && is_over(late, slow));
    }

    #[test]
    fn nobody_gives_up_where_nobody_asked() {
        assert!(!gives_up(Duration::from_secs(1000)) && !is_final());
    }
}
