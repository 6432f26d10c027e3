//! One thread that computes, under trace so that no system call of its goes unseen. The trace begins in the
//! middle of the thread's life, changes nothing, and is over when this value goes.

use std::time::{Duration, Instant};

use libc::{c_int, pid_t};

use super::tree::processor_time;

/// How long a thread may take to stop: one that computes does so as soon as it has a processor.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// A thread under trace by the calling thread.
#[derive(Debug)]
pub struct Burning {
    pid: pid_t,
    tid: pid_t,
    /// The processor time that it had used when the trace began.
    before: Duration,
    state: State,
}

/// How the thread stands to its tracer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// On its way to its next call.
    Runs,
    /// Stopped, and to be given this signal when it goes on.
    Stopped(c_int),
    /// Gone, or not ours.
    Gone,
}

/// What a thread did since the trace began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It used this much processor time and made no call.
    Computed(Duration),
    /// It made a call, got a signal, or ended.
    Called,
}

impl Burning {
    /// Puts a thread under trace; nothing where that is refused, or it does not stop soon.
    pub fn watch(pid: pid_t, tid: pid_t) -> Option<Self> {
        let options = libc::PTRACE_O_TRACESYSGOOD as usize;
        request(libc::PTRACE_SEIZE, tid, options)?;
        let mut burning = Self { pid, tid, before: Duration::ZERO, state: State::Runs };
        // Whatever it was doing ends here: from now on the next call is seen at its entry. A thread that is
        // inside a call at this moment is seen at its exit.
        burning.stop()?;
        if burning.state != State::Stopped(0) {
            return None;
        }
        burning.before = processor_time(pid, tid)?;
        request(libc::PTRACE_SYSCALL, tid, 0)?;
        burning.state = State::Runs;
        Some(burning)
    }

    /// What it has done.
    pub fn did(&mut self) -> Did {
        if self.state == State::Runs {
            self.reap(libc::WNOHANG);
        }
        match (self.state, processor_time(self.pid, self.tid)) {
            (State::Runs, Some(time)) => Did::Computed(time.saturating_sub(self.before)),
            _ => Did::Called,
        }
    }

    /// Stops it, wherever it is; nothing where it does not stop in time.
    fn stop(&mut self) -> Option<()> {
        request(libc::PTRACE_INTERRUPT, self.tid, 0)?;
        let deadline = Instant::now() + STOPS_WITHIN;
        while self.state == State::Runs {
            self.reap(libc::WNOHANG);
            if self.state == State::Runs {
                if Instant::now() >= deadline {
                    return None;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Some(())
    }

    fn reap(&mut self, how: c_int) {
        let mut status = 0;
        // SAFETY: one int is written to a valid place; the thread is traced by this one.
        let found = unsafe { libc::waitpid(self.tid, &raw mut status, how | libc::__WALL) };
        if found == 0 {
            return;
        }
        self.state = if found < 0 || !libc::WIFSTOPPED(status) {
            State::Gone
        } else if status >> 16 != 0 || libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
            State::Stopped(0)
        } else {
            State::Stopped(libc::WSTOPSIG(status))
        };
    }
}

impl Drop for Burning {
    fn drop(&mut self) {
        if self.state == State::Runs && self.stop().is_none() {
            return;
        }
        if let State::Stopped(signal) = self.state {
            request(libc::PTRACE_DETACH, self.tid, signal as usize);
        }
    }
}

/// One raw request about a thread; nothing where it is refused.
fn request(what: libc::c_uint, tid: pid_t, data: usize) -> Option<()> {
    let nowhere = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of the requests used here writes through a pointer.
    let done = unsafe { libc::ptrace(what, tid, nowhere, data as *mut libc::c_void) };
    (done != -1).then_some(())
}
