//! A call begins: it takes the token, gets its number, and the plan strikes it if it is its turn.

use std::collections::BTreeSet;
use std::io;

use super::calls::{self, Class};
use super::pending::{Pending, Work};
use super::ptrace::{CallEntry, Resume, Stopped};
use super::stack::Stacks;
use super::strikes::Blow;
use super::tracer::{At, Tracer};
use super::{arch, memory, status};
use crate::base::limits::PAGE_BYTES;
use crate::trace::event::LOOK;

impl Tracer {
    pub(super) fn begin(
        &mut self,
        thread: Stopped,
        entry: &CallEntry,
        mut pending: Pending,
    ) -> io::Result<()> {
        let tid = thread.tid();
        if pending.token {
            self.token.take(tid);
        }
        if matches!(
            pending.work,
            Work::Say(_) | Work::Map(_) | Work::Affinity { .. } | Work::Outside(_)
        ) {
            return self.enter(thread, pending);
        }
        self.number(tid);
        self.compare_before(tid, &pending.work)?;
        pending.no = self.next_call(pending.name);
        if self.stacks == Stacks::All || self.stacks == Stacks::At(pending.no) {
            let tgid = self.threads.get(&tid).map_or(tid, |known| known.tgid);
            pending.stack = self.unwinding.take(&thread, tgid);
        }
        if self.strikes.is_empty() {
            return self.enter(thread, pending);
        }
        let space = takes_space(&pending.work);
        let synced = matches!(pending.work, Work::Sync { .. }).then(|| {
            let tgid = self.threads.get(&tid).map_or(tid, |known| known.tgid);
            (tgid, entry.args[0] as i32)
        });
        let Some(blow) = self.strikes.at(pending.no, pending.name, space) else {
            // It does its work, and tells of what failed before.
            if synced.is_some_and(|descriptor| self.owed.tell(descriptor)) {
                pending.fail_at_exit = Some(libc::EIO);
                pending.injected = true;
            }
            return self.enter(thread, pending);
        };
        self.shared.lock().seen.struck += 1;
        match blow {
            Blow::KillBefore => self.kill_before(thread),
            Blow::KillInside(bytes) => match page_cut(&pending.work, bytes) {
                Cut::Nothing => self.kill_before(thread),
                Cut::All => {
                    pending.kill_after = true;
                    self.enter(thread, pending)
                }
                Cut::At(bytes) => {
                    pending.kill_after = true;
                    shorten(&thread, entry, &mut pending, bytes)?;
                    self.enter(thread, pending)
                }
            },
            Blow::KillAfter => {
                pending.kill_after = true;
                self.enter(thread, pending)
            }
            Blow::Short(bytes) => {
                shorten(&thread, entry, &mut pending, bytes)?;
                self.enter(thread, pending)
            }
            // A close that fails has closed all the same.
            Blow::Fail(errno) if pending.name == "close" => {
                pending.fail_at_exit = Some(errno);
                pending.injected = true;
                self.enter(thread, pending)
            }
            Blow::Fail(errno) => {
                if let Some(descriptor) = synced {
                    let processes: BTreeSet<_> =
                        self.threads.values().map(|thread| thread.tgid).collect();
                    self.owed.owe(descriptor, processes);
                }
                let result = -i64::from(errno);
                pending.injected = true;
                arch::skip_call(&thread, result)?;
                self.finish(tid, pending, result)?;
                self.token.free(tid);
                thread.resume(Resume::Free, 0)
            }
        }
    }

    fn next_call(&mut self, name: &str) -> u32 {
        let seen = &mut self.shared.lock().seen;
        if calls::class(name) == Some(Class::Observed) {
            seen.looks += 1;
            seen.looks | LOOK
        } else {
            seen.operations += 1;
            seen.operations
        }
    }

    /// A call was interrupted before it did anything: its number is free again.
    pub(super) fn give_back(&mut self, no: u32) {
        let seen = &mut self.shared.lock().seen;
        if no & LOOK != 0 {
            seen.looks -= u32::from(no & !LOOK == seen.looks);
        } else {
            seen.operations -= u32::from(no != 0 && no == seen.operations);
        }
    }

    fn enter(&mut self, thread: Stopped, pending: Pending) -> io::Result<()> {
        self.put(thread.tid(), At::Inside(Box::new(pending)));
        thread.resume(Resume::ToExit, 0)
    }

    fn kill_before(&mut self, thread: Stopped) -> io::Result<()> {
        arch::skip_call(&thread, -i64::from(libc::EIO))?;
        self.kill();
        self.token.free(thread.tid());
        thread.resume(Resume::Free, 0)
    }
}

/// How much of a write happens before a kill.
enum Cut {
    Nothing,
    At(u64),
    All,
}

/// A kill cuts a write only at a page boundary of the file.
fn page_cut(work: &Work, bytes: u64) -> Cut {
    let Work::Write { offset, bytes: all, .. } = work else { return Cut::Nothing };
    if bytes >= all.len() as u64 {
        return Cut::All;
    }
    let end = (offset + bytes) / PAGE_BYTES * PAGE_BYTES;
    if end <= *offset { Cut::Nothing } else { Cut::At(end - offset) }
}

/// Makes the call move at most `bytes` bytes.
fn shorten(
    thread: &Stopped,
    entry: &CallEntry,
    pending: &mut Pending,
    bytes: u64,
) -> io::Result<()> {
    let vectored =
        matches!(pending.name, "writev" | "pwritev" | "pwritev2" | "readv" | "preadv" | "preadv2");
    if vectored {
        let vectors = memory::read_vectors(thread.tid(), entry.args[1], entry.args[2])?;
        let mut left = bytes;
        for (index, (_, len)) in vectors.iter().enumerate() {
            if *len < left {
                left -= len;
                continue;
            }
            if *len > left {
                let address = entry.args[1] + 16 * index as u64 + 8;
                memory::poke(thread, address, left)?;
                pending.restore = Some((address, *len));
            }
            set_argument(thread, entry, pending, 2, index as u64 + 1)?;
            break;
        }
    } else {
        let index = match pending.name {
            "write" | "pwrite64" | "read" | "pread64" => 2,
            "sendfile" => 3,
            "splice" | "copy_file_range" => 4,
            _ => return Ok(()),
        };
        if entry.args[index] <= bytes {
            return Ok(());
        }
        set_argument(thread, entry, pending, index, bytes)?;
    }
    pending.injected = true;
    if let Work::Write { bytes: all, .. } = &mut pending.work {
        all.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    Ok(())
}

fn set_argument(
    thread: &Stopped,
    entry: &CallEntry,
    pending: &mut Pending,
    index: usize,
    value: u64,
) -> io::Result<()> {
    arch::set_argument(thread, index, value)?;
    pending.restore_argument = Some((index, entry.args[index]));
    Ok(())
}

/// True if the call needs blocks that it does not have yet: a full disk stops it.
fn takes_space(work: &Work) -> bool {
    match work {
        Work::Write { handle, offset, bytes, .. } => {
            let end = offset + bytes.len() as u64;
            let size = status::of(handle).map_or(0, |status| status.size);
            end > size || super::mapping::has_hole(handle, *offset, end)
        }
        Work::Copy { .. } | Work::Allocate { .. } | Work::Make { .. } | Work::Link { .. } => true,
        Work::Open { before, flags, .. } => {
            before.is_none() && flags & (libc::O_CREAT | libc::O_TMPFILE) as u64 != 0
        }
        _ => false,
    }
}
