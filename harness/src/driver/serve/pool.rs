//! Threads that run several writes inside the engine at once.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Engine, Output, done, lock};
use crate::driver::protocol::Id;
use crate::workload::Request;

/// A write, and the engine that it is for.
pub(super) struct Job {
    pub(super) engine: Arc<Box<dyn Engine>>,
    pub(super) id: Id,
    pub(super) request: Request,
}

/// Threads that run writes inside the engine at once.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<PoolState>,
    changed: Condvar,
}

#[derive(Default)]
struct PoolState {
    waiting: std::collections::VecDeque<Job>,
    /// Given and not finished, the waiting ones included.
    unfinished: usize,
    ended: bool,
}

impl Pool {
    /// Waits until a thread is free, then hands the job over.
    pub(super) fn give(&self, job: Job, threads: usize) {
        let mut state = self.wait_until(|state| state.unfinished < threads);
        state.unfinished += 1;
        state.waiting.push_back(job);
        self.changed.notify_all();
    }

    /// Waits until nothing runs.
    pub(super) fn idle(&self) {
        drop(self.wait_until(|state| state.unfinished == 0));
    }

    fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    pub(super) fn work<W: Write>(&self, output: &Output<W>) {
        let _died = ExitOnPanic;
        loop {
            let mut state = self.wait_until(|state| state.ended || !state.waiting.is_empty());
            let Some(Job { engine, id, request }) = state.waiting.pop_front() else { return };
            drop(state);
            let result = engine.write(request.mutations());
            drop(engine);
            // A reader that is gone ends the input too, and with it the main loop.
            let _ = output.reply(&done(id, result));
            lock(&self.state).unfinished -= 1;
            self.changed.notify_all();
        }
    }

    fn wait_until(&self, ready: impl Fn(&PoolState) -> bool) -> MutexGuard<'_, PoolState> {
        let state = lock(&self.state);
        self.changed
            .wait_while(state, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a pool, also where its owner panics.
pub(super) struct EndOnDrop<'a>(pub(super) &'a Pool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A panic in one of the threads ends the driver, as it would in its main thread.
struct ExitOnPanic;

impl Drop for ExitOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(101);
        }
    }
}
