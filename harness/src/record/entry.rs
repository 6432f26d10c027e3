//! What a call is about to do, decided at its entry while its thread stands still: is it about the
//! recorded directory, must it wait for the token, and what must be known now to say later what it did.

use std::io;
use std::sync::Arc;

use libc::{c_int, pid_t};

use super::calls::Class;
use super::errors::is_open;
use super::handle;
use super::handle::Borrowed;
use super::pending::{Pending, Work};
use super::ptrace::CallEntry;
use super::resolve::Found;
use super::status::{self, Kind, Status};
use super::tracer::Tracer;
use crate::trace::{FileId, SyncScope};

/// What to do with a call at its entry.
#[derive(Debug)]
pub enum Decision {
    /// None of our business.
    Pass,
    /// It waits until the token is free, and is then decided anew.
    Hold,
    /// It does not happen and returns this.
    Answer(i64),
    /// It runs, and its exit is awaited.
    Run(Pending),
}

impl Decision {
    /// A call on the recorded files: one at a time, numbered when it begins.
    pub(super) fn run(name: &'static str, work: Work) -> Decision {
        Self::with(name, work, true)
    }

    /// A call that may wait for another thread, or that changes no file: without the token.
    pub(super) fn free(name: &'static str, work: Work) -> Decision {
        Self::with(name, work, false)
    }

    pub(super) fn with(name: &'static str, work: Work, token: bool) -> Decision {
        Decision::Run(Pending {
            name,
            no: 0,
            work,
            token,
            injected: false,
            fail_at_exit: None,
            restore: None,
            restore_argument: None,
            kill_after: false,
            stack: Arc::default(),
        })
    }
}

/// `AT_FDCWD` as a program passes it: the low half of an argument.
pub(super) fn fd(argument: u64) -> c_int {
    argument as u32 as c_int
}

impl Tracer {
    /// Decides about the call `name` at whose entry `tid` is stopped.
    pub(super) fn decide(
        &mut self,
        tid: pid_t,
        name: &'static str,
        class: Class,
        entry: &CallEntry,
    ) -> io::Result<Decision> {
        match class {
            Class::Modelled(_) => self.decide_modelled(tid, name, &entry.args),
            Class::Observed => self.decide_observed(tid, name, &entry.args),
            Class::Unmodelled(_) => {
                if self.touches_root(tid, name, &entry.args) {
                    self.unmodelled(name);
                }
                Ok(Decision::Pass)
            }
            Class::Watched(_) => self.decide_watched(tid, name, &entry.args),
            Class::Refused => {
                self.answer_for_the_kernel(name);
                Ok(Decision::Answer(-i64::from(libc::ENOSYS)))
            }
            Class::Harmless => Ok(Decision::Pass),
        }
    }

    fn decide_modelled(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        match name {
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
                self.decide_write(tid, name, args)
            }
            "sendfile" | "splice" | "copy_file_range" | "ioctl" => {
                self.decide_copy(tid, name, args)
            }
            "fsync" | "fdatasync" | "sync_file_range" | "syncfs" | "ftruncate" | "fallocate" => {
                self.decide_on_descriptor(tid, name, args)
            }
            "msync" => self.decide_msync(tid, name, args),
            "sync" if !self.token.is_free() => Ok(Decision::Hold),
            "sync" => Ok(Decision::run(name, Work::SyncAll)),
            // Paths are resolved when nobody else changes them.
            _ if !self.token.is_free() => Ok(Decision::Hold),
            _ if is_open(name) => self.decide_open(tid, name, args),
            _ => self.decide_names(tid, name, args),
        }
    }

    /// The descriptor's file and what it is, borrowed from the thread.
    pub(super) fn borrow(&mut self, tid: pid_t, fd: c_int) -> Option<(Borrowed, Status)> {
        let known = self.threads.get_mut(&tid)?;
        match handle::borrow(tid, known, fd) {
            Ok(handle) => {
                let status = status::of(&handle).ok()?;
                Some((handle, status))
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                self.blind("a process made itself unreadable (prctl PR_SET_DUMPABLE)");
                None
            }
            Err(_) => None,
        }
    }

    /// A descriptor of a file or directory of the recorded directory.
    pub(super) fn ours(&mut self, tid: pid_t, fd: c_int) -> Option<(Borrowed, Status, FileId)> {
        let (handle, status) = self.borrow(tid, fd)?;
        let file = self.world.find(&status.identity).filter(|_| status.is_file_or_dir())?;
        Some((handle, status, file))
    }

    fn decide_on_descriptor(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let Some((handle, status)) = self.borrow(tid, fd(args[0])) else {
            return Ok(Decision::Pass);
        };
        let file = self.world.find(&status.identity).filter(|_| status.is_file_or_dir());
        if name == "syncfs" {
            let same = status.identity.dev == self.root_device;
            return Ok(match (same, self.token.is_free()) {
                (false, _) => Decision::Pass,
                (true, false) => Decision::Hold,
                (true, true) => Decision::run(name, Work::SyncAll),
            });
        }
        let Some(file) = file else { return Ok(Decision::Pass) };
        if !self.token.is_free() {
            return Ok(Decision::Hold);
        }
        let work = match name {
            "fsync" => Work::Sync { file, scope: SyncScope::Full },
            "fdatasync" => Work::Sync { file, scope: SyncScope::Data },
            "ftruncate" => Work::Truncate { file, handle, from: status.size, to: args[1] },
            "fallocate" => Work::Allocate {
                file,
                handle,
                size: status.size,
                mode: args[1] as c_int,
                offset: args[2],
                len: args[3],
            },
            _ => Work::Look { file: Some(file) },
        };
        Ok(Decision::run(name, work))
    }

    fn decide_msync(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let ranges = self.ranges_of(tid, args[0], args[1]);
        if ranges.is_empty() {
            return Ok(Decision::Pass);
        }
        if !self.token.is_free() {
            return Ok(Decision::Hold);
        }
        let work = if args[2] as c_int & libc::MS_SYNC != 0 {
            Work::SyncRanges(ranges)
        } else {
            Work::Look { file: ranges.first().map(|range| range.0) }
        };
        Ok(Decision::run(name, work))
    }

    fn decide_observed(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        if name == "read" && fd(args[0]) == 0 && self.is_idle(tid) {
            self.compare_mappings(Some(tid))?;
            let alone = self.threads.len() == 1 && self.mappings.is_empty();
            self.shared.set_idle(alone);
            return Ok(Decision::Pass);
        }
        if !self.reads {
            return Ok(Decision::Pass);
        }
        match self.ours(tid, fd(args[0])) {
            None => Ok(Decision::Pass),
            // A directory has nothing to write back when it is closed: that cannot fail, not even on
            // a disk that stays broken, and Rust's read_dir panics if it does.
            Some((_, status, _)) if name == "close" && status.kind == Kind::Dir => {
                Ok(Decision::Pass)
            }
            Some(_) if !self.token.is_free() => Ok(Decision::Hold),
            Some((_, _, file)) => Ok(Decision::run(name, Work::Look { file: Some(file) })),
        }
    }

    /// True if the thread reads the driver's empty input.
    fn is_idle(&mut self, tid: pid_t) -> bool {
        let Some((handle, status)) = self.borrow(tid, 0) else { return false };
        status.identity == self.stdin && handle::waiting(&handle) == 0
    }

    /// True if an unmodelled call is about the recorded directory.
    fn touches_root(&mut self, tid: pid_t, name: &str, args: &[u64; 6]) -> bool {
        let inside = |found: Option<Found>, world: &super::world::World| {
            found.is_some_and(|found| {
                found.dir.is_some()
                    || found.status(true).is_ok_and(|status| world.find(&status.identity).is_some())
            })
        };
        match name {
            "setxattr" | "lsetxattr" | "removexattr" | "lremovexattr" => {
                inside(self.find(tid, libc::AT_FDCWD, args[0], true), &self.world)
            }
            "setxattrat" | "removexattrat" | "file_setattr" => {
                inside(self.find(tid, fd(args[0]), args[1], true), &self.world)
            }
            "fsetxattr" | "fremovexattr" | "open_by_handle_at" => {
                self.ours(tid, fd(args[0])).is_some()
            }
            "madvise" | "remap_file_pages" => !self.ranges_of(tid, args[0], args[1]).is_empty(),
            _ => true,
        }
    }
}
