//! Calls that move bytes into a file, at their entry: what they are about to write where, and what a program
//! says on its standard output.

use std::io;

use libc::{c_int, pid_t};

use super::calls::CLONE_IOCTLS;
use super::entry::{Decision, fd};
use super::handle::Borrowed;
use super::pending::Work;
use super::status::Kind;
use super::tracer::Tracer;
use super::{handle, memory};
use crate::trace::WriteSync;

impl Tracer {
    pub(super) fn decide_write(
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

    pub(super) fn decide_copy(
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
            self.unmodelled(format!("ioctl {:#x}", args[1] as u32));
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
}
