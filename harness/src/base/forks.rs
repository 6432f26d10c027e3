//! Forking and borrowed descriptors keep out of each other's way. A descriptor borrowed from a traced
//! program shares the program's locks; a child that is forked meanwhile would inherit it and hold
//! those locks until it executes its program, and the traced program would find its own store locked.
//!
//! Both sides wait for a moment and never for ever: no wait here can become a deadlock.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest wait for the other side.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct State {
    borrowed: usize,
    forking: usize,
    /// How many wait: most of the time nobody does, and to wake nobody is a system call too.
    waiting: usize,
}

static STATE: Mutex<State> = Mutex::new(State { borrowed: 0, forking: 0, waiting: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// How many descriptors this thread has borrowed: one more must not wait for a fork that waits
    /// for the first.
    static MINE: Cell<usize> = const { Cell::new(0) };
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(until: impl Fn(&State) -> bool) -> MutexGuard<'static, State> {
    let mut state = state();
    if until(&state) {
        return state;
    }
    state.waiting += 1;
    let waited = CHANGED.wait_timeout_while(state, PATIENCE, |state| !until(state));
    let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
    state.waiting -= 1;
    state
}

/// Changes the state and wakes who waits for that.
fn change(how: impl FnOnce(&mut State)) {
    let mut state = state();
    how(&mut state);
    if state.waiting > 0 {
        CHANGED.notify_all();
    }
}

/// Held from before a fork until the child has closed or executed.
#[derive(Debug)]
pub struct Forking(());

/// Waits until nothing is borrowed; nothing is borrowed anew while the guard lives.
pub fn forking() -> Forking {
    let mine = MINE.get();
    wait(|state| state.borrowed <= mine).forking += 1;
    Forking(())
}

impl Drop for Forking {
    fn drop(&mut self) {
        change(|state| state.forking -= 1);
    }
}

/// Held as long as a descriptor of another process is. Stays on its thread.
#[derive(Debug)]
pub struct Borrowing(std::marker::PhantomData<*const ()>);

/// Waits until nobody forks.
pub fn borrowing() -> Borrowing {
    let first = MINE.replace(MINE.get() + 1) == 0;
    if first { wait(|state| state.forking == 0) } else { state() }.borrowed += 1;
    Borrowing(std::marker::PhantomData)
}

impl Drop for Borrowing {
    fn drop(&mut self) {
        MINE.set(MINE.get().saturating_sub(1));
        change(|state| state.borrowed -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    #[test]
    fn a_fork_waits_for_what_is_borrowed_and_never_for_ever() {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let held = borrowing();
            let again = borrowing();
            scope.spawn(|| {
                let _forking = forking();
                done.store(true, Ordering::SeqCst);
            });
            std::thread::sleep(Duration::from_millis(30));
            assert!(!done.load(Ordering::SeqCst));
            drop((held, again));
        });
        assert!(done.load(Ordering::SeqCst));
        let held = borrowing();
        let start = Instant::now();
        drop(forking());
        assert!(start.elapsed() < PATIENCE, "a thread does not wait for itself");
        drop(held);
    }
}
