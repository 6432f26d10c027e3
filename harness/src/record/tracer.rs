//! The tracing thread: it starts the program, waits for what its threads do, and keeps who is where.
//! What a call is ([`super::entry`]) and what it did ([`super::finish`]) are elsewhere.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};

use libc::{c_int, pid_t};

use super::calls::{self, Class};
use super::filter;
use super::mapping::Mappings;
use super::output::Output;
use super::owed::Owed;
use super::pending::Pending;
use super::ptrace::{self, CallEntry, Change, Resume, Stopped};
use super::stack::{Stacks, Unwinding};
use super::status::Identity;
use super::strikes::Strikes;
use super::timeline::Shared;
use super::token::Token;
use super::warden;
use super::world::World;
use super::{arch, entry::Decision};
use crate::trace::{Event, EventKind};

/// Where a thread is.
#[derive(Debug)]
pub enum At {
    /// On its way to its next traced call.
    Free,
    /// Held at the entry of a call until the token is free.
    Held,
    /// Inside a call whose exit will be seen.
    Inside(Box<Pending>),
}

/// One traced thread.
#[derive(Debug)]
pub struct Thread {
    /// Its process.
    pub tgid: pid_t,
    /// Its number in the trace, once it has an event.
    pub number: Option<u32>,
    /// A handle to it, through which its descriptors are borrowed.
    pub pidfd: Option<OwnedFd>,
    /// Where it is.
    pub at: At,
}

/// Everything that the tracing thread knows.
#[derive(Debug)]
pub struct Tracer {
    pub(super) shared: Arc<Shared>,
    pub(super) world: World,
    pub(super) threads: BTreeMap<pid_t, Thread>,
    pub(super) token: Token,
    pub(super) mappings: Mappings,
    pub(super) strikes: Strikes,
    pub(super) owed: Owed,
    pub(super) output: Output,
    pub(super) stdout: Identity,
    pub(super) stdin: Identity,
    pub(super) root_device: (u32, u32),
    pub(super) own_mask: Option<Vec<u8>>,
    pub(super) reads: bool,
    pub(super) stacks: Stacks,
    pub(super) unwinding: Unwinding,
    pub(super) main: pid_t,
    pub(super) killed: bool,
    /// Stops that were reported while another thread's was waited for.
    pub(super) backlog: VecDeque<(pid_t, Change)>,
    pub(super) next_number: u32,
    /// The names of calls in the trace.
    pub(super) names: HashMap<&'static str, Arc<str>>,
    /// The holder of whom the warden knows.
    pub(super) watched: Option<pid_t>,
    /// Watches that nobody keeps the token; its end of this ends it.
    pub(super) warden: Option<mpsc::Sender<()>>,
    pub(super) trouble: Option<io::Error>,
}

impl Tracer {
    /// Runs until nothing is traced any more.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            let next = match self.backlog.pop_front() {
                Some(next) => Some(next),
                None => ptrace::wait()?,
            };
            let Some((tid, change)) = next else { break };
            self.begin_again();
            if let Err(error) = self.handle(tid, change)
                && error.raw_os_error() != Some(libc::ESRCH)
            {
                // What cannot be handled must not go on unseen. Where something was not seen already, paths
                // may mean something else to the program, and nothing of the recording is believed.
                if !self.is_blind() {
                    self.trouble.get_or_insert(error);
                    self.kill();
                } else {
                    self.token.free(tid);
                }
                let _ = Stopped::new(tid).resume(Resume::Free, 0);
            }
            self.grant()?;
            self.watch_holder();
        }
        Ok(())
    }

    fn handle(&mut self, tid: pid_t, change: Change) -> io::Result<()> {
        if let Change::Gone(status) = change {
            return self.gone(tid, status);
        }
        self.know(tid);
        let thread = Stopped::new(tid);
        match change {
            Change::Filtered => self.filtered(thread),
            Change::CallExit => {
                let Some(known) = self.threads.get_mut(&tid) else { return Ok(()) };
                match std::mem::replace(&mut known.at, At::Free) {
                    At::Inside(pending) => self.exit(thread, *pending),
                    other => {
                        known.at = other;
                        thread.resume(Resume::Free, 0)
                    }
                }
            }
            Change::Event(libc::PTRACE_EVENT_EXEC) => self.exec(thread),
            Change::Event(_) => self.go_on(thread, 0),
            // A group stop must last until SIGCONT; a new thread's first stop and an interrupt
            // carry SIGTRAP.
            Change::Stop(libc::SIGTRAP) => self.go_on(thread, 0),
            Change::Stop(_) => thread.resume(Resume::Listen, 0),
            Change::Signal(warden::KNOCK) if thread.was_signalled_by_us() => self.go_on(thread, 0),
            Change::Signal(signal) => self.go_on(thread, signal),
            Change::Gone(_) => Ok(()),
        }
    }

    /// Lets a thread that was stopped in passing go on to where it was going.
    fn go_on(&mut self, thread: Stopped, signal: c_int) -> io::Result<()> {
        match self.threads.get(&thread.tid()).map(|known| &known.at) {
            Some(At::Inside(_)) => thread.resume(Resume::ToExit, signal),
            // A held thread stands at its entry and is not let go here.
            Some(At::Held) => Ok(()),
            _ => thread.resume(Resume::Free, signal),
        }
    }

    fn filtered(&mut self, thread: Stopped) -> io::Result<()> {
        let entry = thread.entry()?;
        if self.killed {
            let _ = arch::skip_call(&thread, -i64::from(libc::EIO));
            return thread.resume(Resume::Free, 0);
        }
        if entry.data == filter::FOREIGN {
            self.blind("code of another architecture or calling convention (32-bit) ran");
            return thread.resume(Resume::Free, 0);
        }
        let Some(name) = arch::name(entry.number) else {
            return thread.resume(Resume::Free, 0);
        };
        let class = calls::class(name).unwrap_or(Class::Harmless);
        let decision = self.decide(thread.tid(), name, class, &entry)?;
        self.follow(thread, entry, decision)
    }

    fn follow(&mut self, thread: Stopped, entry: CallEntry, decision: Decision) -> io::Result<()> {
        match decision {
            Decision::Pass => thread.resume(Resume::Free, 0),
            Decision::Answer(result) => {
                arch::skip_call(&thread, result)?;
                thread.resume(Resume::Free, 0)
            }
            Decision::Hold => {
                self.number(thread.tid());
                self.token.hold(thread.tid(), entry);
                self.put(thread.tid(), At::Held);
                Ok(())
            }
            Decision::Run(pending) => self.begin(thread, &entry, pending),
        }
    }

    pub(super) fn put(&mut self, tid: pid_t, at: At) {
        if let Some(known) = self.threads.get_mut(&tid) {
            known.at = at;
        }
    }

    /// While others wait, it is known since when they wait for whom.
    fn watch_holder(&mut self) {
        let wanted = self.token.holder().filter(|_| self.token.is_wanted());
        if wanted != self.watched {
            self.watched = wanted;
            self.shared.lock().overdue = wanted.map(|tid| (tid, std::time::Instant::now()));
        }
    }

    /// Lets those go who wait for the token, while it is free.
    fn grant(&mut self) -> io::Result<()> {
        while self.token.is_free() && self.token.is_wanted() {
            let threads = &self.threads;
            let number =
                |tid: pid_t| threads.get(&tid).and_then(|known| known.number).unwrap_or(u32::MAX);
            let Some((tid, entry)) = self.token.next(number) else { break };
            self.put(tid, At::Free);
            let thread = Stopped::new(tid);
            if self.killed {
                let _ = thread.resume(Resume::Free, 0);
                continue;
            }
            let name = arch::name(entry.number).unwrap_or("");
            let class = calls::class(name).unwrap_or(Class::Harmless);
            let done = self
                .decide(tid, name, class, &entry)
                .and_then(|decision| self.follow(thread, entry, decision));
            match done {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(_) if self.is_blind() => {
                    self.token.free(tid);
                    let _ = Stopped::new(tid).resume(Resume::Free, 0);
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Ends everything; nothing that happens afterwards is recorded.
    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.shared.kill_all();
    }

    /// Something happened that the recorder cannot see past.
    pub(super) fn blind(&mut self, what: impl Into<String>) {
        let what = what.into();
        let seen = &mut self.shared.lock().seen;
        if !seen.blind.contains(&what) {
            seen.blind.push(what);
        }
    }

    /// True if something was not seen: nothing of the recording is believed.
    fn is_blind(&self) -> bool {
        !self.shared.lock().seen.blind.is_empty()
    }

    /// A call is answered by the recorder, and the kernel never sees it.
    pub(super) fn answer_for_the_kernel(&mut self, name: &str) {
        *self.shared.lock().seen.answered.entry(name.into()).or_default() += 1;
    }

    /// A call changed files in a way that is not modelled.
    pub(super) fn unmodelled(&mut self, what: impl Into<String>) {
        *self.shared.lock().seen.unmodelled.entry(what.into()).or_default() += 1;
    }

    /// The thread's number in the trace.
    pub(super) fn number(&mut self, tid: pid_t) -> u32 {
        let Some(known) = self.threads.get_mut(&tid) else { return 0 };
        *known.number.get_or_insert_with(|| {
            self.next_number += 1;
            self.next_number
        })
    }

    pub(super) fn push_as(&mut self, thread: u32, kind: EventKind, stack: Arc<[u64]>) {
        self.shared.lock().push(Event { thread, kind, stack });
    }

    pub(super) fn push(&mut self, tid: pid_t, kind: EventKind, stack: Arc<[u64]>) {
        let thread = self.number(tid);
        self.push_as(thread, kind, stack);
    }
}
