//! Waiting for a driver: until it says something, can be written to, is gone, or its time is over.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Outstanding, Session};
use crate::base::limits::DUMP_PATIENCE;
use crate::driver::fault::DriverFault;
use crate::driver::protocol::word;
use crate::driver::room::{LOOK_EVERY, Room};

/// How long an answer is waited for after unplug was asked to end.
const GRACE: Duration = Duration::from_secs(1);

impl Session {
    /// Waits until something can be read (or written), the process ended, or the time is over.
    pub(super) fn wait(&mut self, writing: bool) -> Result<(), DriverFault> {
        let (deadline, waiting_for, limit) = self.deadline();
        let left = deadline.saturating_duration_since(Instant::now());
        let looks = self.room.is_some() || self.asked_to_end.is_some();
        let left = if looks { left.min(LOOK_EVERY) } else { left };
        // One millisecond more, because poll counts in whole ones.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1))
            .unwrap_or(PollTimeout::from(u16::MAX));
        let mut fds = vec![PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.death.as_ref().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        if let (true, Some(to)) = (writing, self.to.as_ref()) {
            fds.push(PollFd::new(to.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut fds, timeout) {
            Ok(0) if Instant::now() >= deadline => {
                let after_ms = limit.as_millis() as u64;
                Err(DriverFault::Hung { waiting_for, after_ms })
            }
            Ok(0) if self.is_abandoned() => Err(DriverFault::Abandoned),
            Ok(0) => self.room.as_ref().map_or(Ok(()), Room::check),
            Err(nix::errno::Errno::EINTR) => Ok(()),
            Ok(_) => {
                let ready = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
                let readable = ready(&fds[0]);
                let died = self.death.is_some() && ready(&fds[1]);
                if readable {
                    self.fill();
                    // A driver that prints without end must not outrun its time.
                    if Instant::now() >= deadline {
                        let after_ms = limit.as_millis() as u64;
                        return Err(DriverFault::Hung { waiting_for, after_ms });
                    }
                } else if died {
                    self.ended = true;
                }
                Ok(())
            }
            Err(errno) => {
                let how = format!("its pipes cannot be watched: {errno}");
                Err(DriverFault::Died { how, stderr: String::new() })
            }
        }
    }

    /// True if unplug was asked to end and the answers are not just about to come.
    fn is_abandoned(&self) -> bool {
        let asked = self.asked_to_end.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
        let slow = |entry: &Outstanding| entry.progress.elapsed() > GRACE;
        asked && self.outstanding.values().all(slow)
    }

    /// The nearest deadline among the outstanding requests, with what is waited for and the limit.
    fn deadline(&self) -> (Instant, String, Duration) {
        let of = |entry: &Outstanding| {
            let limit = self.timeouts.of(&entry.request);
            (entry.progress + limit).min(entry.sent + limit * DUMP_PATIENCE)
        };
        match self.outstanding.iter().min_by_key(|(_, entry)| of(entry)) {
            Some((id, entry)) => {
                let what = format!("request {id} ({})", word(&entry.request));
                (of(entry), what, self.timeouts.of(&entry.request))
            }
            None => (Instant::now(), "nothing".into(), Duration::ZERO),
        }
    }

    /// Reads what is there. False at the end of the output.
    pub(super) fn fill(&mut self) -> bool {
        match self.from.read(&mut self.chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.lines.push(&self.chunk[..count]);
                self.read_at = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.ended = true,
        }
        !self.ended
    }
}
