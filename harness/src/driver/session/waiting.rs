//! Waiting for a driver: until it says something, can be written to, is gone, or its time is over.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Outstanding, Session};
use crate::base::interrupt;
use crate::base::limits::{self, DUMP_PATIENCE};
use crate::driver::fault::DriverFault;
use crate::driver::patience::{Hang, Look};
use crate::driver::protocol::{Id, word};
use crate::driver::room::{LOOK_EVERY, Room};

/// How often a request that was not read yet is looked for in the pipe.
const READ_WITHIN: Duration = Duration::from_millis(2);

/// What is waited for.
struct Wanted {
    /// The driver hangs once this moment is over.
    deadline: Instant,
    /// Since when it has been silent.
    silent: Instant,
    /// Which request: its number and word.
    request: Option<(Id, &'static str)>,
    limit: Duration,
    /// The first limit for it, where its silence is looked into.
    first: Option<Duration>,
    /// When to look again.
    slice: Duration,
}

impl Session {
    /// Waits until something can be read (or written), the process ended, or the time is over.
    pub(super) fn wait(&mut self, writing: bool) -> Result<(), DriverFault> {
        let waited = self.wait_once(writing);
        if let (Err(_), Some(watching)) = (&waited, &mut self.watching) {
            watching.vigil.forget();
        }
        waited
    }

    fn wait_once(&mut self, writing: bool) -> Result<(), DriverFault> {
        let wanted = self.wanted();
        let left = wanted.deadline.saturating_duration_since(Instant::now()).min(wanted.slice);
        // One millisecond more, because poll counts in whole ones.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1))
            .unwrap_or(PollTimeout::from(u16::MAX));
        let mut fds = vec![PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.death.as_ref().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        if let (true, Some(to)) = (writing, self.to.as_ref()) {
            fds.push(PollFd::new(to.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut fds, timeout) {
            Ok(0) if self.is_abandoned() => Err(DriverFault::Abandoned),
            Ok(0) if Instant::now() >= wanted.deadline => Err(wanted.hung(Hang::Limit)),
            Ok(0) => {
                self.note_read();
                self.room.as_ref().map_or(Ok(()), Room::check)?;
                self.look(&wanted, writing)
            }
            Err(nix::errno::Errno::EINTR) => Ok(()),
            Ok(_) => {
                let ready = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
                let readable = ready(&fds[0]);
                let died = self.death.is_some() && ready(&fds[1]);
                if readable {
                    self.fill();
                    // A driver that prints without end must not outrun its time.
                    if interrupt::is_final() {
                        return Err(DriverFault::Abandoned);
                    }
                    if Instant::now() >= wanted.deadline {
                        return Err(wanted.hung(Hang::Limit));
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
        let flag = self.asked_to_end.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
        let waited = self.outstanding.values().map(|entry| entry.progress.elapsed());
        let waited = waited.min().unwrap_or_default();
        interrupt::gives_up(waited) || flag && waited >= limits::INTERRUPTED_SLOW
    }

    /// Looks into a silence of more than the first limit.
    fn look(&mut self, wanted: &Wanted, writing: bool) -> Result<(), DriverFault> {
        let silent = wanted.silent.elapsed();
        let (Some(watching), Some(first)) = (&mut self.watching, wanted.first) else {
            return Ok(());
        };
        // A driver that does not read may wait for unplug to write on.
        if silent < first || writing {
            return Ok(());
        }
        let burned = if watching.judges_time { first } else { Duration::MAX };
        let seen = watching.vigil.look(burned);
        if let Look::Hangs(hang) = seen {
            return Err(wanted.hung(hang));
        }
        let Some(until) = watching.until else { return Ok(()) };
        let hopeless = silent >= first * watching.hopeless && seen == Look::Nothing;
        let grace = if seen == Look::Perhaps { limits::PROOF_OVERRUNS } else { Duration::ZERO };
        match wanted.deadline > until && (hopeless || Instant::now() >= until + grace) {
            true => Err(wanted.hung(Hang::Cut { after: silent, of: wanted.limit })),
            false => Ok(()),
        }
    }

    /// Notes that the driver has read all that was sent, if it has. Until then it may still be starting.
    fn note_read(&mut self) {
        let Some(to) = &self.to else { return };
        let mut unread: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int to a valid place.
        let asked = unsafe { libc::ioctl(to.as_raw_fd(), libc::FIONREAD, &raw mut unread) };
        if asked != 0 {
            return;
        }
        let now = Instant::now();
        for entry in self.outstanding.values_mut().filter(|entry| !entry.is_read) {
            // Not before now: a quick answer may come before the next look.
            entry.read = now;
            if unread > 0 {
                continue;
            }
            entry.is_read = true;
            if entry.progress == entry.sent {
                entry.progress = now;
            }
        }
    }

    /// The request whose deadline is the nearest.
    fn wanted(&self) -> Wanted {
        let limit = |entry: &Outstanding| {
            let limits = if entry.is_read { &self.brief } else { &self.timeouts };
            limits.of(&entry.request)
        };
        let of = |entry: &Outstanding| {
            let whole = self.timeouts.of(&entry.request);
            (entry.progress + limit(entry)).min(entry.sent + whole * DUMP_PATIENCE)
        };
        let now = Instant::now();
        let Some((id, entry)) = self.outstanding.iter().min_by_key(|(_, entry)| of(entry)) else {
            let limit = Duration::ZERO;
            let (request, first) = (None, None);
            return Wanted { deadline: now, silent: now, request, limit, first, slice: limit };
        };
        let first = self.watching.as_ref().map(|watching| watching.first.of(&entry.request));
        Wanted {
            deadline: of(entry),
            silent: entry.progress,
            request: Some((*id, word(&entry.request))),
            limit: limit(entry),
            first: first.filter(|_| entry.is_read),
            slice: if entry.is_read { LOOK_EVERY } else { READ_WITHIN },
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

impl Wanted {
    fn hung(&self, hang: Hang) -> DriverFault {
        let after = match hang {
            Hang::Cut { after, .. } => after,
            _ => self.limit,
        };
        let after_ms = after.as_millis() as u64;
        let waiting_for = match self.request {
            Some((id, word)) => format!("request {id} ({word})"),
            None => "nothing".into(),
        };
        DriverFault::Hung { waiting_for, after_ms, hang }
    }
}
