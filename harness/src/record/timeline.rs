//! The one timeline of a recording, shared by the thread that traces and the thread that drives. The
//! driving thread waits, before each request, until the program has nothing left to do, so that its
//! work after an acknowledgement always stands before the next request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libc::pid_t;

use super::beginning::Beginning;
use super::seen::Seen;
use crate::base::interrupt;
use crate::base::limits::RECORDING_BYTES;
use crate::driver::protocol::Id;
use crate::driver::{Timeline, Watch};
use crate::trace::{Event, EventKind};
use crate::workload::{Answer, OpNo, Request};

/// How long nothing must happen before a program that never reads its standard input directly counts
/// as idle, if all its threads sleep.
const QUIET: Duration = Duration::from_millis(2);
/// How long a program that stays busy is waited for at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// What both threads know.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What happened.
    pub events: Vec<Event>,
    /// What was noticed besides.
    pub seen: Seen,
    /// The program waits at its empty standard input.
    pub idle: bool,
    /// It did so alone, as one thread that has nothing of the directory mapped.
    pub alone: bool,
    /// The recording that begins with whatever happens next.
    pub next: Option<Beginning>,
    /// How many stops were handled: a sign of life.
    pub steps: u64,
    /// Threads that are alive.
    pub threads: BTreeSet<pid_t>,
    /// Processes that are alive.
    pub processes: BTreeSet<pid_t>,
    /// Which operation each request number of the present process is.
    pub ids: BTreeMap<Id, OpNo>,
    /// Requests sent and not answered.
    pub outstanding: usize,
    /// The operations whose answers reached the session, however they were written.
    pub heard: BTreeSet<OpNo>,
    /// Who holds the token while others wait for it, and since when.
    pub overdue: Option<(pid_t, Instant)>,
    /// Nothing is traced any more.
    pub over: bool,
    /// Everything was killed: whatever is asked now reaches nobody.
    pub killed: bool,
    /// How the last program itself ended: a wait status.
    pub status: Option<i32>,
    /// About how many bytes the events take.
    pub bytes: u64,
    /// Why nothing more is recorded.
    pub full: Option<String>,
}

impl State {
    /// Takes an event in. Where the recording has grown to its limit the program is ended instead.
    pub fn push(&mut self, event: Event) {
        self.bytes += event.bytes();
        if self.bytes > RECORDING_BYTES {
            self.fill(format!(
                "the recording of the program takes more than {} MiB of memory",
                RECORDING_BYTES >> 20
            ));
        }
        if self.full.is_none() {
            self.events.push(event);
        }
    }

    /// The events so far, which leave room for others.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }

    /// Nothing more is recorded, and the program is ended.
    pub fn fill(&mut self, why: String) {
        self.full.get_or_insert(why);
        self.kill_all();
    }

    /// Ends every process that is traced. Their numbers cannot be another's: a process leaves the
    /// list as soon as it was waited for.
    fn kill_all(&mut self) {
        self.killed = true;
        for process in &self.processes {
            // SAFETY: a plain kill of a process of our own.
            unsafe { libc::kill(*process, libc::SIGKILL) };
        }
    }

    /// The program is one thread that waits for a request and has nothing of the directory mapped.
    fn is_waiting(&self) -> bool {
        self.idle && self.alone && !self.over && !self.killed
    }

    /// It did nothing since what it had done was taken.
    pub fn is_at_rest(&self) -> bool {
        self.is_waiting() && self.events.is_empty() && self.next.is_some()
    }
}

/// The shared timeline.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// Locks the state. A panic elsewhere does not make what was recorded less true.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program is about to be started: its requests are numbered anew.
    pub fn begin(&self) {
        let mut state = self.lock();
        state.over = false;
        state.killed = false;
        state.idle = false;
        state.ids.clear();
        state.outstanding = 0;
        state.status = None;
    }

    /// The program has come to its empty standard input, as its only thread or not.
    pub fn set_idle(&self, alone: bool) {
        let mut state = self.lock();
        state.idle = true;
        state.alone = alone;
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing is traced any more.
    pub fn set_over(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Waits until nothing is traced any more; false if it takes longer than `limit`.
    pub fn wait_over(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !state.over {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Ends every process that is traced.
    pub fn kill_all(&self) {
        self.lock().kill_all();
    }

    /// Waits until the program has nothing left to do. True if it is one thread that waits for a request
    /// and has nothing of the directory mapped.
    pub fn wait_alone(&self) -> bool {
        let state = self.wait_idle();
        state.is_waiting()
    }

    /// Waits until the program has nothing left to do. Returns with the state locked.
    fn wait_idle(&self) -> MutexGuard<'_, State> {
        let patience = Instant::now() + PATIENCE;
        let mut state = self.lock();
        let mut seen = None;
        while !state.idle && !state.over && !state.killed && state.outstanding == 0 {
            let waited = self.changed.wait_timeout(state, QUIET);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.idle || state.over {
                break;
            }
            let steps = state.steps;
            let quiet = seen == Some(steps) && state.threads.iter().all(|tid| sleeps(*tid));
            if quiet || Instant::now() >= patience || interrupt::is_final() {
                break;
            }
            seen = Some(steps);
        }
        state
    }
}

/// True if the thread sleeps, or is gone.
pub fn sleeps(tid: pid_t) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{tid}/stat")) else { return true };
    // The state follows the name in parentheses, which may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('S' | 'Z' | 'X' | 'I'))
}

/// Places requests on the timeline; answers are placed by the tracer, who sees them first.
#[derive(Debug)]
pub struct Watcher(Arc<Shared>);

impl Watcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Watch for Watcher {
    fn timeline(&mut self) -> &mut dyn Timeline {
        self
    }
}

impl Timeline for Watcher {
    fn asking(&mut self, op: OpNo, request: &Request) {
        let mut state = self.0.wait_idle();
        if state.over || state.killed {
            return;
        }
        state.idle = false;
        state.outstanding += 1;
        state.push(Event {
            thread: 0,
            kind: EventKind::Request { op, request: request.clone() },
            stack: Arc::default(),
        });
    }

    fn answered(&mut self, op: OpNo, _answer: &Answer) {
        self.0.lock().heard.insert(op);
    }

    fn numbered(&mut self, op: OpNo, id: Id) {
        self.0.lock().ids.insert(id, op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::beginning::Beginning;
    use crate::record::options::RecordOptions;

    #[test]
    fn a_program_that_did_anything_since_it_waited_is_not_at_rest() {
        let dir = tempfile::tempdir().expect("a folder");
        let next = || Beginning::read(&RecordOptions::new(dir.path())).expect("read").0;
        let rests = |change: &dyn Fn(&mut State)| {
            let mut state =
                State { idle: true, alone: true, next: Some(next()), ..State::default() };
            change(&mut state);
            state.is_at_rest()
        };
        assert!(rests(&|_| {}));
        let exit = || EventKind::Exit("".into());
        let event = || Event { thread: 1, kind: exit(), stack: Arc::default() };
        assert!(!rests(&|state| state.events.push(event())));
        assert!(!rests(&|state| state.idle = false));
        assert!(!rests(&|state| state.alone = false));
        assert!(!rests(&|state| state.over = true));
        assert!(!rests(&|state| state.killed = true));
        assert!(!rests(&|state| state.next = None), "what it did was of the recording to come");
    }
}
