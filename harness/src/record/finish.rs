//! What a call did, said at its exit: events in the order of effect.

mod unseen;

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use libc::pid_t;

use super::pending::{Pending, Work};
use super::ptrace::{Resume, Stopped};
use super::tracer::Tracer;
use super::{arch, handle, memory, status};
use crate::trace::{Call, EventKind, FileId, FileOp, ResizeHow, SyncScope, Via, WriteSync};

/// `-ERESTARTSYS` to `-ERESTART_RESTARTBLOCK`: the call did nothing and will be made again.
const RESTARTS: std::ops::RangeInclusive<i64> = -516..=-512;

impl Tracer {
    /// The exit of a call.
    pub(super) fn exit(&mut self, thread: Stopped, pending: Pending) -> io::Result<()> {
        let tid = thread.tid();
        let mut result = thread.result()?;
        if let Some((address, word)) = pending.restore {
            memory::poke(&thread, address, word)?;
        }
        if let Some((index, value)) = pending.restore_argument {
            arch::set_argument(&thread, index, value)?;
        }
        if let (Work::Open { .. }, Some(known)) = (&pending.work, self.threads.get(&tid)) {
            self.owed.forget((known.tgid, result as i32));
        }
        if let Some(errno) = pending.fail_at_exit {
            result = -i64::from(errno);
            arch::set_result(&thread, result)?;
        }
        let kill = pending.kill_after;
        if RESTARTS.contains(&result) {
            self.give_back(pending.no);
        } else if !self.killed {
            self.finish(tid, pending, result)?;
        }
        if kill {
            self.kill();
        }
        self.token.free(tid);
        thread.resume(Resume::Free, 0)
    }

    /// Records what the call did.
    pub(super) fn finish(&mut self, tid: pid_t, pending: Pending, result: i64) -> io::Result<()> {
        match &pending.work {
            Work::Say(bytes) => {
                if result > 0 {
                    self.compare_mappings(Some(tid))?;
                    self.say(tid, &bytes[..bytes.len().min(result as usize)]);
                }
                return Ok(());
            }
            Work::Map(_) => {
                if result >= 0
                    && let Work::Map(what) = pending.work
                {
                    self.mapped(tid, what);
                }
                return Ok(());
            }
            Work::Affinity { address, len } => {
                if result > 0
                    && let Some(mask) = &self.own_mask
                {
                    let len = (*len).min(mask.len() as u64).min(result as u64) as usize;
                    memory::write(tid, *address, &mask[..len])?;
                }
                return Ok(());
            }
            Work::Outside(path) => {
                if result >= 0 {
                    self.shared.lock().seen.outside_written.insert(path.clone());
                }
                return Ok(());
            }
            _ => {}
        }
        let ops = self.effects(tid, &pending, result)?;
        let name = self.name(pending.name);
        for op in ops {
            self.mappings.apply(&op);
            let call =
                Call { no: pending.no, name: name.clone(), result, injected: pending.injected, op };
            self.push(tid, EventKind::Call(call), pending.stack.clone());
        }
        Ok(())
    }

    /// The name of a call, shared by all its events.
    fn name(&mut self, name: &'static str) -> Arc<str> {
        self.names.entry(name).or_insert_with(|| name.into()).clone()
    }

    /// What the program said on its standard output.
    pub(super) fn say(&mut self, tid: pid_t, bytes: &[u8]) {
        let shared = self.shared.clone();
        let said = {
            let mut state = shared.lock();
            self.output.push(bytes, &mut state)
        };
        let lines = said.iter().filter(|kind| matches!(kind, EventKind::Line(_))).count();
        self.shared.lock().seen.weakened += lines.saturating_sub(1) as u32;
        for kind in said {
            self.push(tid, kind, Arc::default());
        }
    }

    fn effects(&mut self, tid: pid_t, pending: &Pending, result: i64) -> io::Result<Vec<FileOp>> {
        // A sync that fails at its exit tells of another's failure, and did its own work.
        let told = matches!(pending.work, Work::Sync { .. }) && pending.fail_at_exit.is_some();
        if result < 0 && !told {
            return Ok(self.failures(&pending.work, result));
        }
        let done = result as u64;
        Ok(match &pending.work {
            Work::Write { file, handle, offset, bytes, sync } => {
                // What could not be read from memory (the call should have failed) is in the file.
                let bytes = match usize::try_from(done).ok().and_then(|len| bytes.get(..len)) {
                    Some(bytes) => bytes.into(),
                    None => read_back(handle, *offset, done)?.into(),
                };
                vec![write(*file, *offset, bytes, *sync)]
            }
            Work::Copy { file, handle, offset, sync, len } => {
                let bytes = read_back(handle, *offset, len.unwrap_or(done))?;
                vec![write(*file, *offset, bytes.into(), *sync)]
            }
            Work::Truncate { file, from, to, .. } => {
                vec![resize(*file, *from, *to, ResizeHow::Truncate)]
            }
            Work::Allocate { file, handle, size, mode, offset, len } => {
                self.allocated(*file, handle, *size, *mode, *offset, *len)?
            }
            Work::Open { found, before, flags } => {
                self.opened(tid, found, *before, *flags, result)?
            }
            Work::Make { found, node } => self.made(found, node)?,
            Work::Link { found } => self.linked(found)?,
            Work::Unlink { found } => self.unlinked(found),
            Work::Rename { from, to, flags } => self.renamed(from, to, *flags)?,
            Work::Sync { file, scope } => vec![FileOp::Sync { file: *file, scope: *scope }],
            Work::SyncRanges(ranges) => ranges
                .iter()
                .map(|&(file, offset, len)| FileOp::Sync {
                    file,
                    scope: SyncScope::Range { offset, len },
                })
                .collect(),
            Work::SyncAll => vec![FileOp::SyncAll],
            Work::Look { file } => vec![FileOp::Nothing { file: *file }],
            Work::Say(_) | Work::Map(_) | Work::Affinity { .. } | Work::Outside(_) => Vec::new(),
        })
    }

    fn failures(&self, work: &Work, result: i64) -> Vec<FileOp> {
        // Only these say that pages could not be written; others that nothing was tried.
        let lost = [libc::EIO, libc::ENOSPC, libc::EDQUOT].map(|errno| -i64::from(errno));
        match work {
            Work::Sync { file, scope } if lost.contains(&result) => {
                vec![FileOp::FailedSync { file: *file, scope: *scope }]
            }
            Work::SyncRanges(ranges) if lost.contains(&result) => ranges
                .iter()
                .map(|&(file, offset, len)| FileOp::FailedSync {
                    file,
                    scope: SyncScope::Range { offset, len },
                })
                .collect(),
            _ => {
                let file = work.file(|found| self.world.lookup(&found.place()?));
                vec![FileOp::Failed { file }]
            }
        }
    }

    fn allocated(
        &mut self,
        file: FileId,
        handle: &impl AsRawFd,
        size: u64,
        mode: i32,
        offset: u64,
        len: u64,
    ) -> io::Result<Vec<FileOp>> {
        let end = offset.saturating_add(len);
        let keep = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let grown = (!keep && end > size).then(|| resize(file, size, end, ResizeHow::Allocate));
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_ZERO_RANGE;
        let shift = libc::FALLOC_FL_COLLAPSE_RANGE | libc::FALLOC_FL_INSERT_RANGE;
        if mode & shift != 0 {
            // Told as what it looks like afterwards; that its effects are other ones is said.
            let which =
                if mode & libc::FALLOC_FL_COLLAPSE_RANGE != 0 { "collapse" } else { "insert" };
            self.unmodelled(format!("fallocate {which} range"));
            let now = status::of(handle)?.size;
            let bytes = read_back(handle, offset, now.saturating_sub(offset))?;
            return Ok(vec![
                resize(file, size, now, ResizeHow::Truncate),
                write(file, offset, bytes.into(), WriteSync::None),
            ]);
        }
        if mode & punch != 0 {
            let inside = end.min(size).saturating_sub(offset);
            let zero = match inside {
                0 => FileOp::Nothing { file: Some(file) },
                len => FileOp::Zero { file, offset, len },
            };
            return Ok(std::iter::once(zero).chain(grown).collect());
        }
        Ok(vec![grown.unwrap_or(FileOp::Allocate { file, offset, len })])
    }
}

fn write(file: FileId, offset: u64, bytes: Arc<[u8]>, sync: WriteSync) -> FileOp {
    if bytes.is_empty() {
        return FileOp::Nothing { file: Some(file) };
    }
    FileOp::Write { file, offset, bytes, sync, via: Via::Call }
}

pub(super) fn resize(file: FileId, from: u64, to: u64, how: ResizeHow) -> FileOp {
    if from == to {
        return FileOp::Nothing { file: Some(file) };
    }
    FileOp::Resize { file, from, to, how }
}

/// Bytes of a file, as they are now.
fn read_back(handle: &impl AsRawFd, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let file = handle::reopen(handle)?;
    let size = file.metadata()?.len();
    let len = len.min(size.saturating_sub(offset));
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
