//! Births and deaths: threads and processes that are seen for the first time, that end, and that become
//! another program.

use std::io;
use std::sync::Arc;

use libc::{c_int, pid_t};

use super::ptrace::{Resume, Stopped};
use super::tracer::{At, Thread, Tracer};
use super::warden;
use crate::trace::EventKind;

impl Tracer {
    /// A thread is seen for the first time: the report of its own stop may come before its parent's.
    pub(super) fn know(&mut self, tid: pid_t) {
        if self.threads.contains_key(&tid) {
            return;
        }
        let tgid = process_of(tid).unwrap_or(tid);
        self.threads.insert(tid, Thread { tgid, number: None, pidfd: None, at: At::Free });
        let mut state = self.shared.lock();
        state.threads.insert(tid);
        state.processes.insert(tgid);
        drop(state);
        if self.killed {
            self.shared.kill_all();
        }
        if self.threads.len() > 1 && self.warden.is_none() {
            self.warden = warden::start(&self.shared);
        }
    }

    /// A thread ended. A call that it was inside of may have happened: the files say so.
    pub(super) fn gone(&mut self, tid: pid_t, status: c_int) -> io::Result<()> {
        let known = self.threads.remove(&tid);
        self.shared.lock().threads.remove(&tid);
        let Some(known) = known else { return Ok(()) };
        let number = known.number;
        if let At::Inside(pending) = known.at
            && !self.killed
        {
            self.exit_unseen(tid, number, *pending)?;
        }
        self.token.forget(tid);
        if tid == known.tgid {
            self.process_gone(tid, number, status)?;
        }
        Ok(())
    }

    fn process_gone(&mut self, tgid: pid_t, number: Option<u32>, status: c_int) -> io::Result<()> {
        self.shared.lock().processes.remove(&tgid);
        self.unwinding.forget(tgid);
        if !self.killed {
            self.compare_mappings(None)?;
            self.check_mappings();
        }
        let thread = number.unwrap_or(0);
        let text =
            format!("process {} {}", if tgid == self.main { "main" } else { "child" }, say(status));
        self.push_as(thread, EventKind::Exit(text.into()), Arc::default());
        if tgid == self.main {
            let mut shared = self.shared.lock();
            shared.status = Some(status);
            shared.seen.cut_off = shared.processes.len() as u32;
            drop(shared);
            // The program's children belong to it: they are killed with it.
            self.shared.kill_all();
        }
        Ok(())
    }

    /// A new program: other threads of the process are gone without a word, and the one that called
    /// has the number of the first.
    pub(super) fn exec(&mut self, thread: Stopped) -> io::Result<()> {
        let tid = thread.tid();
        let former = thread.message().unwrap_or(tid as u64) as pid_t;
        let number = self.threads.get(&former).and_then(|known| known.number);
        let gone: Vec<pid_t> = self
            .threads
            .iter()
            .filter(|(other, known)| known.tgid == tid && **other != tid)
            .map(|(other, _)| *other)
            .collect();
        for other in gone {
            self.threads.remove(&other);
            self.token.forget(other);
            self.shared.lock().threads.remove(&other);
        }
        self.token.forget(tid);
        if let Some(known) = self.threads.get_mut(&tid) {
            known.at = At::Free;
            known.pidfd = None;
            known.number = number.or(known.number);
        }
        self.compare_mappings(Some(tid))?;
        self.check_mappings();
        self.unwinding.forget(tid);
        if is_set_id(tid) {
            self.blind("a set-id program was started: it runs without its rights here");
        }
        thread.resume(Resume::Free, 0)
    }
}

fn process_of(tid: pid_t) -> Option<pid_t> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

fn is_set_id(tid: pid_t) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{tid}/exe"))
        .is_ok_and(|program| program.mode() & (libc::S_ISUID | libc::S_ISGID) != 0)
}

/// A wait status in words.
pub fn say(status: c_int) -> String {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        match nix::sys::signal::Signal::try_from(signal) {
            Ok(known) => format!("was killed by {known}"),
            Err(_) => format!("was killed by signal {signal}"),
        }
    } else {
        format!("exited with status {}", libc::WEXITSTATUS(status))
    }
}
