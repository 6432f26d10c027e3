//! What a call is about to do, decided at its entry while its thread stands still: is it about the
//! recorded directory, must it wait for the token, and what must be known now to say later what it did.

use super::handle::Borrowed;
use std::io;
use std::sync::Arc;

use libc::{c_int, pid_t};

use super::calls::{CLONE_IOCTLS, CLONE_UNTRACED, Class};
use super::pending::{Pending, Work};
use super::ptrace::{CallEntry, Stopped};
use super::resolve::{Found, Resolver};
use super::status::{self, Kind, Status};
use super::tracer::Tracer;
use super::{arch, handle, memory};
use crate::trace::{FileId, NodeKind, SyncScope, WriteSync};

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
    fn run(name: &'static str, work: Work) -> Decision {
        Self::with(name, work, true)
    }

    /// A call that may wait for another thread, or that changes no file: without the token.
    fn free(name: &'static str, work: Work) -> Decision {
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
fn fd(argument: u64) -> c_int {
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
    fn ours(&mut self, tid: pid_t, fd: c_int) -> Option<(Borrowed, Status, FileId)> {
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
        let Some((handle, status, file)) = self.ours(tid, fd(args[target])) else {
            return Ok(Decision::Pass);
        };
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

    fn resolver(&self, tid: pid_t) -> Resolver {
        let tgid = self.threads.get(&tid).map_or(tid, |known| known.tgid);
        Resolver { tid, tgid }
    }

    /// Where the path at `address` leads.
    fn find(&self, tid: pid_t, dir: c_int, address: u64, follow: bool) -> Option<Found> {
        let path = memory::read_path(tid, address).ok()?;
        self.resolver(tid).resolve(&self.world, dir, &path, follow)
    }

    fn decide_open(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let creat = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64;
        let (dir, path, flags) = match name {
            "open" => (libc::AT_FDCWD, args[0], args[1]),
            "creat" => (libc::AT_FDCWD, args[0], creat),
            "openat" => (fd(args[0]), args[1], args[2]),
            // struct open_how begins with its flags.
            _ => (fd(args[0]), args[1], memory::read_u64(tid, args[2])?),
        };
        let has = |flag: c_int| flags & flag as u64 == flag as u64;
        let exclusive = has(libc::O_CREAT | libc::O_EXCL);
        let follow = !exclusive && !has(libc::O_NOFOLLOW);
        let Some(mut found) = self.find(tid, dir, path, follow) else {
            return Ok(Decision::Pass);
        };
        let unnamed = has(libc::O_TMPFILE);
        let status = found.status(follow).ok();
        let before = status.as_ref().and_then(|status| self.world.find(&status.identity));
        // A directory in which an unnamed file is made, or the file itself, or the place of a new one.
        let inside = before.is_some() || found.dir.is_some() && !unnamed;
        let writes = has(libc::O_CREAT) || has(libc::O_TRUNC) || flags & 3 != 0;
        if !inside {
            return Ok(self.decide_outside(tid, name, &found, status.as_ref(), writes));
        }
        let special = status
            .as_ref()
            .is_some_and(|status| !status.is_file_or_dir() && status.kind != Kind::Symlink);
        if special || has(libc::O_PATH) {
            return Ok(Decision::Pass);
        }
        if before.is_some() && found.dir.is_none() {
            // Reached through /proc or a descriptor: it has no place there.
            found.name.clear();
        }
        let before = match (&status, before) {
            (Some(status), Some(file)) => Some((file, status.size)),
            _ => None,
        };
        Ok(Decision::run(name, Work::Open { found, before, flags }))
    }

    /// Files outside that the recording writes cannot be part of an image: named, so that a recovery
    /// that reads them is known.
    fn decide_outside(
        &mut self,
        _tid: pid_t,
        name: &'static str,
        found: &Found,
        status: Option<&Status>,
        writes: bool,
    ) -> Decision {
        let regular = status.is_none_or(|status| status.kind == Kind::File);
        if !regular || found.name.is_empty() || (!writes && status.is_none()) {
            return Decision::Pass;
        }
        let mut path = handle::path_of(&found.parent);
        if path.starts_with(b"/proc") || path.starts_with(b"/dev") || path.starts_with(b"/sys") {
            return Decision::Pass;
        }
        path.push(b'/');
        path.extend_from_slice(&found.name);
        if writes {
            Decision::free(name, Work::Outside(path))
        } else {
            self.seen.outside_read.insert(path);
            Decision::Pass
        }
    }

    fn decide_names(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let here = libc::AT_FDCWD;
        let make = |found: Option<Found>, node: NodeKind| match found {
            Some(found) if found.place().is_some() => {
                Decision::run(name, Work::Make { found, node })
            }
            _ => Decision::Pass,
        };
        let file_or_special = |mode: u64| match mode as u32 & libc::S_IFMT {
            0 | libc::S_IFREG => NodeKind::File,
            _ => NodeKind::Special,
        };
        Ok(match name {
            "mkdir" => make(self.find(tid, here, args[0], false), NodeKind::Dir),
            "mkdirat" => make(self.find(tid, fd(args[0]), args[1], false), NodeKind::Dir),
            "mknod" => make(self.find(tid, here, args[0], false), file_or_special(args[1])),
            "mknodat" => {
                make(self.find(tid, fd(args[0]), args[1], false), file_or_special(args[2]))
            }
            "symlink" | "symlinkat" => {
                let target = memory::read_path(tid, args[0]).unwrap_or_default();
                let (dir, path) =
                    if name == "symlink" { (here, args[1]) } else { (fd(args[1]), args[2]) };
                make(self.find(tid, dir, path, false), NodeKind::Symlink(target.into()))
            }
            "bind" => {
                // struct sockaddr_un: a family and a path; an abstract one begins with NUL.
                let address = memory::read(tid, args[1], args[2].min(110) as usize)?;
                let local = address.first() == Some(&(libc::AF_UNIX as u8));
                let path = address.get(2..).unwrap_or_default();
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                if !local || path.is_empty() {
                    return Ok(Decision::Pass);
                }
                let found = self.resolver(tid).resolve(&self.world, here, path, false);
                make(found, NodeKind::Special)
            }
            "link" | "linkat" => {
                let (dir, path) =
                    if name == "link" { (here, args[1]) } else { (fd(args[2]), args[3]) };
                match self.find(tid, dir, path, false) {
                    Some(found) if found.place().is_some() => {
                        Decision::run(name, Work::Link { found })
                    }
                    _ => Decision::Pass,
                }
            }
            "unlink" | "rmdir" | "unlinkat" => {
                let (dir, path) =
                    if name == "unlinkat" { (fd(args[0]), args[1]) } else { (here, args[0]) };
                match self.find(tid, dir, path, false) {
                    Some(found) if found.place().is_some() => {
                        Decision::run(name, Work::Unlink { found })
                    }
                    _ => Decision::Pass,
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to, flags) = match name {
                    "rename" => ((here, args[0]), (here, args[1]), 0),
                    "renameat" => ((fd(args[0]), args[1]), (fd(args[2]), args[3]), 0),
                    _ => ((fd(args[0]), args[1]), (fd(args[2]), args[3]), args[4] as u32),
                };
                let from = self.find(tid, from.0, from.1, false);
                let to = self.find(tid, to.0, to.1, false);
                match (from, to) {
                    (Some(from), Some(to)) if from.dir.is_some() || to.dir.is_some() => {
                        Decision::run(name, Work::Rename { from, to, flags })
                    }
                    _ => Decision::Pass,
                }
            }
            "truncate" => {
                let found = self.find(tid, here, args[0], true);
                let status = found.as_ref().and_then(|found| found.status(true).ok());
                match (found, status) {
                    (Some(found), Some(status)) => match self.world.find(&status.identity) {
                        Some(file) if status.kind == Kind::File => {
                            let (from, to) = (status.size, args[1]);
                            let handle = Borrowed::from(found.parent);
                            Decision::run(name, Work::Truncate { file, handle, from, to })
                        }
                        _ => Decision::Pass,
                    },
                    _ => Decision::Pass,
                }
            }
            _ => Decision::Pass,
        })
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
            Some(_) if !self.token.is_free() => Ok(Decision::Hold),
            Some((_, _, file)) => Ok(Decision::run(name, Work::Look { file: Some(file) })),
        }
    }

    /// True if the thread reads the driver's empty input.
    fn is_idle(&mut self, tid: pid_t) -> bool {
        let Some((handle, status)) = self.borrow(tid, 0) else { return false };
        status.identity == self.stdin && handle::waiting(&handle) == 0
    }

    fn decide_watched(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        match name {
            "mmap" => {
                let Some((handle, _, file)) = self.ours(tid, fd(args[4])) else {
                    return Ok(Decision::Pass);
                };
                if handle::flags(&handle) & libc::O_ACCMODE == libc::O_RDONLY {
                    return Ok(Decision::Pass);
                }
                if args[2] as c_int & libc::PROT_WRITE != 0 {
                    Ok(Decision::free(name, Work::Map(Some((file, handle)))))
                } else {
                    self.mappings.expect_protection_change();
                    Ok(Decision::Pass)
                }
            }
            "mprotect" | "pkey_mprotect" if self.mappings.may_gain() => {
                Ok(Decision::free(name, Work::Map(None)))
            }
            "mprotect" | "pkey_mprotect" | "execve" | "execveat" => Ok(Decision::Pass),
            "clone" if args[0] as u32 & CLONE_UNTRACED != 0 => {
                // The kernel would hide the new thread from us: it does not get that wish.
                let thread = Stopped::new(tid);
                arch::set_argument(&thread, 0, args[0] & !u64::from(CLONE_UNTRACED))?;
                Ok(Decision::Pass)
            }
            "clone3" => {
                let flags = memory::read_u64(tid, args[0])?;
                if flags & u64::from(CLONE_UNTRACED) != 0 {
                    memory::poke(&Stopped::new(tid), args[0], flags & !u64::from(CLONE_UNTRACED))?;
                }
                Ok(Decision::Pass)
            }
            "seccomp" | "prctl" => {
                // SECCOMP_GET_ACTION_AVAIL and _NOTIF_SIZES only ask.
                if name == "prctl" || args[0] <= 1 {
                    self.blind("the program set a seccomp filter of its own");
                }
                Ok(Decision::Pass)
            }
            "ptrace" => {
                self.blind("the program traces, or asks to be traced, by ptrace itself");
                Ok(Decision::Pass)
            }
            "io_submit" | "io_uring_enter" => {
                self.blind("asynchronous I/O was submitted on a ring that was there before");
                Ok(Decision::Pass)
            }
            "unshare" => {
                let spaces = libc::CLONE_NEWNS | libc::CLONE_FS | libc::CLONE_FILES;
                if args[0] as c_int & spaces != 0 {
                    self.blind("the program gave itself a mount namespace or tables of its own");
                }
                Ok(Decision::Pass)
            }
            "sched_getaffinity" if self.own_mask.is_some() => {
                Ok(Decision::free(name, Work::Affinity { address: args[2], len: args[1] }))
            }
            // Success, without moving: tracer and program stay together.
            "sched_setaffinity" if self.own_mask.is_some() => Ok(Decision::Answer(0)),
            "sched_getaffinity" | "sched_setaffinity" => Ok(Decision::Pass),
            _ => {
                self.blind(format!(
                    "the program called {name}: paths may lead elsewhere from then on"
                ));
                Ok(Decision::Pass)
            }
        }
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
