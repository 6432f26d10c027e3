//! Committing: how transactions of many threads become frames and share syncs.
//!
//! Writers queue. The first becomes the leader, takes a group from the front of the queue, writes
//! its frames with one write, syncs once, puts the transactions in force and answers each; then
//! the first of those who queued meanwhile leads. Nobody polls and no thread is kept for it. The
//! order of the queue is the order of the log, and a transaction is in force, to be seen and
//! answered, only after the sync its mode asks for; so what a crash leaves is a prefix of what was
//! acknowledged.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::counters::count;
use super::disk::Disk;
use super::error::WriteError;
use super::frame::{Body, Status};
use super::log::Log;
use super::op::Op;
use super::options::{Durability, MAX_FILE_BYTES, Options};
use super::table::Table;

/// What a writer wants.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(Vec<Op>),
    Prepare(Vec<Op>),
    Resolve(u64),
    Abort(u64),
    Barrier,
}

/// The number of the transaction that was done, or why it was not.
pub(crate) type Outcome = Result<u64, WriteError>;

/// One writer's place in the queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    work: Mutex<Option<Work>>,
    turn: Mutex<Turn>,
    called: Condvar,
}

#[derive(Debug)]
enum Turn {
    Waiting,
    Leads,
    Done(Outcome),
}

#[derive(Debug, Default)]
struct Waiting {
    tickets: VecDeque<Arc<Ticket>>,
    has_leader: bool,
    /// How many the last group was.
    last_group: usize,
}

/// The writers that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Queues the work; `lead` is called when it falls to this thread to do a group.
    pub(crate) fn submit(&self, work: Work, lead: impl FnOnce()) -> Outcome {
        let ticket = Arc::new(Ticket {
            work: Mutex::new(Some(work)),
            turn: Mutex::new(Turn::Waiting),
            called: Condvar::new(),
        });
        let mut waiting = lock(&self.waiting);
        waiting.tickets.push_back(ticket.clone());
        let leads = !std::mem::replace(&mut waiting.has_leader, true);
        drop(waiting);
        self.arrived.notify_one();
        if !leads {
            let mut turn = lock(&ticket.turn);
            while matches!(*turn, Turn::Waiting) {
                turn = ticket.called.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if let Turn::Done(outcome) = std::mem::replace(&mut *turn, Turn::Waiting) {
                return outcome;
            }
        }
        // Whoever leads is at the front, so the group it takes holds its own ticket.
        lead();
        self.hand_over();
        match std::mem::replace(&mut *lock(&ticket.turn), Turn::Waiting) {
            Turn::Done(outcome) => outcome,
            Turn::Waiting | Turn::Leads => {
                Err(WriteError::Poisoned("the group was left unfinished".to_string()))
            }
        }
    }

    /// The leader's group: up to as many as may share a sync, waiting a little for company where
    /// there was company lately.
    pub(crate) fn gather(&self, durability: Durability) -> Vec<Arc<Ticket>> {
        let (most, delay) = match durability {
            Durability::Immediate => (1, Duration::ZERO),
            Durability::GroupCommit { max_delay, max_pending } => (max_pending.max(1), max_delay),
            Durability::Relaxed => (64, Duration::ZERO),
        };
        let mut waiting = lock(&self.waiting);
        if !delay.is_zero() && waiting.last_group > 1 {
            let (wanted, until) = (waiting.last_group.min(most), Instant::now() + delay);
            while waiting.tickets.len() < wanted {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let woken = self.arrived.wait_timeout(waiting, left);
                waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let size = waiting.tickets.len().min(most);
        waiting.last_group = size;
        waiting.tickets.drain(..size).collect()
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.waiting).tickets.len()
    }

    /// Lets the first of those who wait lead.
    fn hand_over(&self) {
        let mut waiting = lock(&self.waiting);
        match waiting.tickets.front() {
            Some(next) => {
                *lock(&next.turn) = Turn::Leads;
                next.called.notify_one();
            }
            None => waiting.has_leader = false,
        }
    }
}

/// Answers a writer.
pub(crate) fn answer(ticket: &Ticket, outcome: Outcome) {
    *lock(&ticket.turn) = Turn::Done(outcome);
    ticket.called.notify_one();
}

/// A transaction whose frame is drafted.
struct Drafted<'a> {
    ticket: &'a Ticket,
    work: Work,
    transaction: u64,
    position: u64,
}

/// Does a group: all of it that is possible, or none.
pub(crate) fn commit(
    disk: &Disk,
    options: &Options,
    log: &mut Log,
    table: &RwLock<Table>,
    group: &[Arc<Ticket>],
) {
    let mut works: Vec<(&Ticket, Work)> = Vec::with_capacity(group.len());
    for ticket in group {
        if let Some(work) = lock(&ticket.work).take() {
            works.push((ticket, work));
        }
    }
    let before = log.end;
    let drafted = match write(disk, options, log, table, works) {
        Ok(drafted) => drafted,
        Err(error) => {
            // Every ticket that has no answer yet shares the failure.
            for ticket in group {
                if matches!(*lock(&ticket.turn), Turn::Waiting | Turn::Leads) {
                    answer(ticket, Err(error.copy()));
                }
            }
            return;
        }
    };
    let is_barrier = drafted.iter().any(|drafted| matches!(drafted.work, Work::Barrier));
    if (options.durability != Durability::Relaxed || is_barrier)
        && let Err(error) = log.sync(disk)
    {
        if options.durability != Durability::Relaxed {
            // They were never acknowledged. Should this succeed they are gone for good; if not,
            // the next `open` finds out.
            let _ = log.take_back(disk, before);
        }
        drafted.iter().for_each(|drafted| answer(drafted.ticket, Err(error.copy())));
        return;
    }
    let mut contents = table.write().unwrap_or_else(PoisonError::into_inner);
    let mut done = Vec::with_capacity(drafted.len());
    for Drafted { ticket, work, transaction, position } in drafted {
        match work {
            Work::Commit(ops) => contents.apply(ops, position),
            Work::Prepare(ops) => contents.prepare(transaction, ops),
            Work::Resolve(_) => drop(contents.resolve(transaction, position)),
            Work::Abort(_) => drop(contents.abort(transaction, position)),
            Work::Barrier => {}
        }
        done.push((ticket, transaction));
    }
    drop(contents);
    for (ticket, transaction) in done {
        answer(ticket, Ok(transaction));
    }
}

/// Drafts and appends the frames of a group. What cannot be done is answered on the way.
fn write<'a>(
    disk: &Disk,
    options: &Options,
    log: &mut Log,
    table: &RwLock<Table>,
    works: Vec<(&'a Ticket, Work)>,
) -> Result<Vec<Drafted<'a>>, WriteError> {
    disk.check()?;
    if works.iter().any(|(_, work)| matches!(work, Work::Barrier)) {
        // So that the barrier's own frame proves that what came before was synced.
        log.sync(disk)?;
    }
    if log.segment_bytes() >= options.segment_bytes.min(MAX_FILE_BYTES / 2) {
        log.rotate(disk)?;
    }
    let mut draft = log.draft();
    let mut drafted = Vec::with_capacity(works.len());
    let mut settled = BTreeSet::new();
    for (ticket, work) in works {
        let (status, old) = match &work {
            Work::Commit(_) => (Status::Committed, None),
            Work::Prepare(_) => (Status::Pending, None),
            Work::Resolve(old) => (Status::Resolved, Some(*old)),
            Work::Abort(old) => (Status::Aborted, Some(*old)),
            Work::Barrier => (Status::Barrier, Some(draft.next_transaction().saturating_sub(1))),
        };
        if let (Work::Resolve(old) | Work::Abort(old), contents) =
            (&work, table.read().unwrap_or_else(PoisonError::into_inner))
            && (!contents.pending.contains_key(old) || !settled.insert(*old))
        {
            answer(ticket, Err(WriteError::NotPending(*old)));
            continue;
        }
        let body = match &work {
            Work::Commit(ops) | Work::Prepare(ops) => Body::Ops(ops),
            Work::Resolve(_) | Work::Abort(_) | Work::Barrier => Body::Empty,
        };
        let transaction = old.unwrap_or(draft.next_transaction());
        let position = draft.add(status, old, options.clock.now_ns(), &body);
        drafted.push(Drafted { ticket, work, transaction, position });
    }
    if !drafted.is_empty() {
        log.append(disk, draft)?;
        count(&disk.counters.groups, 1);
    }
    Ok(drafted)
}
