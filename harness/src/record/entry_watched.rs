//! Calls that are no file operations and matter all the same, decided at their entry: mappings, what
//! would hide threads or change what paths mean, and the question on which processors one may run.

use std::io;

use libc::{c_int, pid_t};

use super::calls::CLONE_UNTRACED;
use super::entry::{Decision, fd};
use super::pending::Work;
use super::ptrace::Stopped;
use super::status::Kind;
use super::tracer::Tracer;
use super::{arch, handle, memory};

impl Tracer {
    pub(super) fn decide_watched(
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
            "tee" | "vmsplice" => {
                let target = if name == "tee" { args[1] } else { args[0] };
                if let Some((_, status)) = self.borrow(tid, fd(target))
                    && status.identity == self.stdout
                    && status.kind != Kind::File
                {
                    self.blind(format!("the program printed by {name}: what it said was not read"));
                }
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
            "sched_setaffinity" if self.own_mask.is_some() => {
                self.answer_for_the_kernel(name);
                Ok(Decision::Answer(0))
            }
            "sched_getaffinity" | "sched_setaffinity" => Ok(Decision::Pass),
            _ => {
                self.blind(format!(
                    "the program called {name}: paths may lead elsewhere from then on"
                ));
                Ok(Decision::Pass)
            }
        }
    }
}
