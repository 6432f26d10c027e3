//! What a call is about to do, decided at its entry while its thread stands still: is it about the
//! recorded directory, must it wait for the token, and what must be known now to say later what it did.

use std::io;
use std::sync::Arc;

use libc::{c_int, pid_t};

use super::calls::{CLONE_IOCTLS, Class};
use super::handle::Borrowed;
use super::pending::{Pending, Work};
use super::ptrace::CallEntry;
use super::resolve::Found;
use super::status::{self, Kind, Status};
use super::tracer::Tracer;
use super::{handle, memory};
use crate::trace::{FileId, SyncScope, WriteSync};

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

    fn with(name: &'static str, work: Work, token: bool) -> Decision {
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
                    *self.seen.unmodelled.entry(name.to_string()).or_default() += 1;
                }
                Ok(Decision::Pass)
            }
            Class::Watched(_) => self.decide_watched(tid, name, &entry.args),
            Class::Refused | Class::Harmless => Ok(Decision::Pass),
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
            "open" | "openat" | "openat2" | "creat" => self.decide_open(tid, name, args),
            _ => self.decide_names(tid, name, args),
        }
    }

    /// The descriptor's file and what it is, borrowed from the thread.
    fn borrow(&mut self, tid: pid_t, fd: c_int) -> Option<(Borrowed, Status)> {
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

    fn decide_write(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let Some((handle, status)) = self.borrow(tid, fd(args[0])) else {
            return Ok(Decision::Pass);
        };
        let spoken = status.identity == self.stdout && status.kind != Kind::File;
        let file = match self.world.find(&status.identity) {
            _ if spoken => None,
            Some(file) if status.kind == Kind::File => Some(file),
            _ => return Ok(Decision::Pass),
        };
        if file.is_some() && !self.token.is_free() {
            return Ok(Decision::Hold);
        }
        let bytes = if matches!(name, "write" | "pwrite64") {
            let len = usize::try_from(args[2]).unwrap_or(usize::MAX).min(memory::MOVE_BYTES);
            memory::read(tid, args[1], len).unwrap_or_default()
        } else {
            memory::read_vectors(tid, args[1], args[2])
                .and_then(|vectors| memory::gather(tid, &vectors))
                .unwrap_or_default()
        };
        let Some(file) = file else {
            return Ok(self.decide_speech(tid, name, &handle, bytes));
        };
        let flags = handle::flags(&handle);
        let per_call = if name == "pwritev2" { args[5] as c_int } else { 0 };
        let append = flags & libc::O_APPEND != 0 && per_call & libc::RWF_NOAPPEND == 0
            || per_call & libc::RWF_APPEND != 0;
        let at_position =
            matches!(name, "write" | "writev") || name == "pwritev2" && args[3] == u64::MAX;
        let offset = if append {
            status.size
        } else if at_position {
            handle::position(&handle)
        } else {
            args[3]
        };
        let sync = if per_call & libc::RWF_SYNC != 0 {
            WriteSync::Full
        } else if per_call & libc::RWF_DSYNC != 0 && handle::sync_of(flags) == WriteSync::None {
            WriteSync::Data
        } else {
            handle::sync_of(flags)
        };
        Ok(Decision::run(name, Work::Write { file, handle, offset, bytes, sync }))
    }

    /// Standard output. Where the pipe has room the whole write happens at once and its exit need not
    /// be seen; else what counts is what the call returns.
    fn decide_speech(
        &mut self,
        tid: pid_t,
        name: &'static str,
        handle: &Borrowed,
        bytes: Vec<u8>,
    ) -> Decision {
        // The smallest capacity of a pipe; an atomic write of up to PIPE_BUF needs a free page.
        const ROOM: usize = 4096;
        let small = bytes.len() + handle::waiting(handle) <= ROOM;
        if small || handle::flags(handle) & libc::O_NONBLOCK == 0 {
            if self.compare_mappings(Some(tid)).is_ok() {
                self.say(tid, &bytes);
            }
            return Decision::Pass;
        }
        Decision::free(name, Work::Say(bytes))
    }

    fn decide_copy(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let (target, source) = match name {
            "splice" => (2, 0),
            "copy_file_range" => (2, 0),
            "sendfile" => (0, 1),
            _ => (0, 2),
        };
        let Some((handle, status)) = self.borrow(tid, fd(args[target])) else {
            return Ok(Decision::Pass);
        };
        if name != "ioctl" && status.identity == self.stdout && status.kind != Kind::File {
            self.blind(format!("the program printed by {name}: what it said was not read"));
        }
        let file = self.world.find(&status.identity).filter(|_| status.is_file_or_dir());
        let Some(file) = file else { return Ok(Decision::Pass) };
        if name == "ioctl" && !CLONE_IOCTLS.contains(&(args[1] as u32)) {
            *self.seen.unmodelled.entry(format!("ioctl {:#x}", args[1] as u32)).or_default() += 1;
            return Ok(Decision::Pass);
        }
        if status.kind != Kind::File {
            return Ok(Decision::Pass);
        }
        // What comes out of a pipe or a socket may have to wait for another thread, which must not
        // wait for the token then.
        let source_fd = match name {
            "ioctl" if args[1] as u32 == CLONE_IOCTLS[1] => {
                memory::read_u64(tid, args[2])? as c_int
            }
            _ => fd(args[source]),
        };
        let source = self.borrow(tid, source_fd).map(|(_, status)| status);
        let token = source.as_ref().is_some_and(|source| source.kind == Kind::File);
        if token && !self.token.is_free() {
            return Ok(Decision::Hold);
        }
        let flags = handle::flags(&handle);
        let sync = handle::sync_of(flags);
        let size = source.map_or(0, |source| source.size);
        let (offset, len) = match name {
            "ioctl" if args[1] as u32 == CLONE_IOCTLS[0] => (0, Some(size)),
            "ioctl" => {
                // struct file_clone_range: source descriptor, its offset, length, target offset.
                let from = memory::read_u64(tid, args[2] + 8)?;
                let len = memory::read_u64(tid, args[2] + 16)?;
                let offset = memory::read_u64(tid, args[2] + 24)?;
                (offset, Some(if len == 0 { size.saturating_sub(from) } else { len }))
            }
            "sendfile" => (handle::position(&handle), None),
            _ if args[3] == 0 => (handle::position(&handle), None),
            _ => (memory::read_u64(tid, args[3])?, None),
        };
        let offset =
            if flags & libc::O_APPEND != 0 && len.is_none() { status.size } else { offset };
        let work = Work::Copy { file, handle, offset, sync, len };
        Ok(Decision::with(name, work, token))
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
            self.shared.set_idle();
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
