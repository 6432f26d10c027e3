//! The recorder as a host: its processes are driven like any others.

use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Recorder;
use crate::base::{HarnessError, Result};
use crate::driver::{DriverFault, Hang, Host, Room, Session};

/// How long a program that closed its output may take to die of what ails it.
const DYING: Duration = Duration::from_secs(1);

impl Host for Recorder {
    fn start(&mut self) -> Result<Session> {
        if let Some(session) = self.waiting.take() {
            if self.begin_at_rest()? {
                return Ok(session);
            }
            // It went on unasked: what it did since is of no recording, and a new process is started.
            self.wait(Duration::ZERO);
            drop(self.gather());
            self.begin_again()?;
        }
        let name = self.target.name.clone();
        let machine =
            |errno: nix::errno::Errno| HarnessError::machine(format!("a pipe for {name}"), errno);
        let (stdin, to) = pipe2(OFlag::O_CLOEXEC).map_err(machine)?;
        let (from, stdout) = pipe2(OFlag::O_CLOEXEC).map_err(machine)?;
        let death = self.spawn(stdin, stdout)?;
        let mut session = Session::new(to, from, Some(death), self.options.timeouts)
            .map_err(|error| HarnessError::machine(format!("talking to {name}"), error))?;
        let (dir, limit_bytes) = (self.options.root.clone(), self.options.room_bytes);
        session.limit_room(Room { dir, limit_bytes });
        if let Some(brief) = self.options.brief {
            session.wait_briefly(brief);
        }
        Ok(session)
    }

    fn finish(&mut self, mut session: Session) -> Result<(), DriverFault> {
        let may_stay = self.keeps && session.capabilities().is_some_and(|caps| caps.reopen);
        if may_stay && self.shared.wait_alone() {
            session.take_warnings();
            self.waiting = Some(session);
            return Ok(());
        }
        self.end(session)
    }

    fn explain(&mut self, _session: &mut Session, fault: DriverFault) -> DriverFault {
        let died = matches!(fault, DriverFault::Died { .. });
        let ended = self.wait(if died { DYING } else { Duration::ZERO });
        match fault {
            DriverFault::Died { .. } if ended => self.died(),
            DriverFault::Died { how, .. } => DriverFault::Died { how, stderr: self.stderr.clone() },
            other => other,
        }
    }
}

impl Recorder {
    /// Ends the program's input and waits for its exit.
    pub(super) fn end(&mut self, mut session: Session) -> Result<(), DriverFault> {
        session.end_input();
        let limit = self.options.timeouts.op;
        if !self.wait(limit) {
            self.overdue = true;
            let waiting_for = "its exit after the end of its input".into();
            let (after_ms, hang) = (limit.as_millis() as u64, Hang::Limit);
            return Err(DriverFault::Hung { waiting_for, after_ms, hang });
        }
        if self.shared.lock().status == Some(0) { Ok(()) } else { Err(self.died()) }
    }
}
