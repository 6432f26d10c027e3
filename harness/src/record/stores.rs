//! Finding stores into shared mappings at the right moment: the other threads stand still, and what
//! is found stands before the event at which it was found.

use std::io;
use std::sync::Arc;

use libc::pid_t;

use super::handle::Borrowed;
use super::mapping::Store;
use super::pending::Work;
use super::ptrace::{self, Change};
use super::timeline::sleeps;
use super::tracer::{At, Tracer};
use super::{handle, status};
use crate::trace::{Call, EventKind, FileId, FileOp, Via, WriteSync};

/// How often a comparison is made anew because a sleeper woke.
const TRIES: usize = 8;

impl Tracer {
    /// Compares what is mapped with what was known. `tid` is the thread whose event comes next, or
    /// nothing at the end of a process.
    pub(super) fn compare_mappings(&mut self, tid: Option<pid_t>) -> io::Result<()> {
        self.mappings.went_on();
        self.compare(tid, true)
    }

    /// The same before a call: files too large to be read at every event are left out unless the
    /// call decides what is durable. Their states in between are not known, which is said.
    pub(super) fn compare_before(&mut self, tid: pid_t, work: &Work) -> io::Result<()> {
        let syncs = matches!(work, Work::Sync { .. } | Work::SyncRanges(_) | Work::SyncAll);
        let own = work.file(|_| None).is_some_and(|file| self.mappings.has(file));
        self.shared.lock().seen.coarse |= !syncs && self.mappings.is_coarse();
        if !syncs {
            self.mappings.went_on();
        }
        self.compare(Some(tid), syncs || own)?;
        if syncs {
            let again = self.mappings.stored_again();
            self.push_stores(Some(tid), again);
        }
        Ok(())
    }

    fn compare(&mut self, tid: Option<pid_t>, must: bool) -> io::Result<()> {
        if self.mappings.is_empty() || self.killed {
            return Ok(());
        }
        let mut stopped = Vec::new();
        let mut stores = Vec::new();
        let mut restless = Vec::new();
        for _ in 0..TRIES {
            let asleep = self.stop_others(tid, &mut stopped, &restless)?;
            stores.extend(self.mappings.compare(must)?);
            // One that woke meanwhile may have stored on both sides of the comparison: it is stopped
            // next time, asleep or not.
            let woke = |(tid, switches): &(pid_t, Option<u64>)| {
                !sleeps(*tid) || switches_of(*tid) != *switches
            };
            let before = restless.len();
            restless.extend(asleep.iter().filter(|sleeper| woke(sleeper)).map(|(tid, _)| *tid));
            if restless.len() == before {
                break;
            }
        }
        self.push_stores(tid, stores);
        for (tid, change) in stopped {
            self.backlog.push_back((tid, change));
        }
        if self.mappings.is_look_due() {
            self.check_mappings();
        }
        Ok(())
    }

    /// Puts stores on the timeline.
    fn push_stores(&mut self, tid: Option<pid_t>, stores: Vec<Store>) {
        let thread = match tid {
            Some(tid) => self.number(tid),
            None => 0,
        };
        for store in stores {
            let op = FileOp::Write {
                file: store.file,
                offset: store.offset,
                bytes: store.bytes.into(),
                sync: WriteSync::None,
                via: Via::Mapping,
            };
            let call = Call { no: 0, name: "store".into(), result: 0, injected: false, op };
            self.push_as(thread, EventKind::Call(call), Arc::default());
        }
    }

    /// Stops every thread that runs. One that sleeps in a call stores nothing, and some calls do not
    /// bear an interruption: those are let sleep and returned, with how often they had slept, unless
    /// they are `restless`.
    fn stop_others(
        &mut self,
        tid: Option<pid_t>,
        stopped: &mut Vec<(pid_t, Change)>,
        restless: &[pid_t],
    ) -> io::Result<Vec<(pid_t, Option<u64>)>> {
        let others: Vec<pid_t> = self
            .threads
            .iter()
            .filter(|(other, known)| Some(**other) != tid && !matches!(known.at, At::Held))
            .map(|(other, _)| *other)
            .filter(|other| !self.backlog.iter().chain(&*stopped).any(|(who, _)| who == other))
            .collect();
        let (mut asleep, mut running) = (Vec::new(), Vec::new());
        for other in others {
            let switches = switches_of(other);
            if sleeps(other) && !restless.contains(&other) {
                asleep.push((other, switches));
            } else if !stands(other) && ptrace::interrupt(other).is_ok() {
                running.push(other);
            }
        }
        while !running.is_empty() {
            let Some((other, change)) = ptrace::wait()? else { break };
            running.retain(|waiting| *waiting != other);
            stopped.push((other, change));
        }
        Ok(asleep)
    }

    /// A mapping that can be stored to is there from now on.
    pub(super) fn mapped(&mut self, tid: pid_t, what: Option<(FileId, Borrowed)>) {
        let added = match what {
            Some((file, handle)) => {
                handle::reopen(&handle).and_then(|reader| self.mappings.add(file, reader))
            }
            None => self.find_writable(tid),
        };
        if added.is_err() {
            self.blind("a shared mapping could not be watched");
        }
    }

    /// After a change of protection: which shared mappings of the recorded files are writable now.
    fn find_writable(&mut self, tid: pid_t) -> io::Result<()> {
        for area in areas(tid)? {
            if !area.shared || !area.writable {
                continue;
            }
            if let Some((file, reader)) = self.open_area(&area)
                && !self.mappings.has(file)
            {
                self.mappings.add(file, reader)?;
            }
        }
        Ok(())
    }

    /// The recorded file behind a mapped area, by its path and checked by its identity.
    fn open_area(&self, area: &Area) -> Option<(FileId, std::fs::File)> {
        let reader = std::fs::File::open(&area.path).ok()?;
        let status = status::of(&reader).ok()?;
        let file = self.world.find(&status.identity)?;
        (status.identity.ino == area.ino).then_some((file, reader))
    }

    /// Forgets the files that nobody has mapped any more.
    pub(super) fn check_mappings(&mut self) {
        if self.mappings.is_empty() {
            return;
        }
        let mut live = Vec::new();
        let processes: Vec<pid_t> = self.shared.lock().processes.iter().copied().collect();
        for process in processes {
            let areas = areas(process).unwrap_or_default();
            live.extend(areas.iter().filter(|area| area.shared).map(|area| area.ino));
        }
        self.mappings.keep(&live);
    }

    /// The ranges of recorded files that are mapped shared at `address`.
    pub(super) fn ranges_of(
        &mut self,
        tid: pid_t,
        address: u64,
        len: u64,
    ) -> Vec<(FileId, u64, u64)> {
        let end = address.saturating_add(len);
        let Ok(areas) = areas(tid) else { return Vec::new() };
        let mut ranges = Vec::new();
        for area in areas {
            let (from, to) = (address.max(area.start), end.min(area.end));
            if !area.shared || from >= to {
                continue;
            }
            let known = self.mappings.by_inode(area.ino);
            let file = known.or_else(|| self.open_area(&area).map(|(file, _)| file));
            if let Some(file) = file {
                ranges.push((file, area.offset + (from - area.start), to - from));
            }
        }
        ranges
    }
}

/// How often a thread has gone to sleep.
fn switches_of(tid: pid_t) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// True if the thread is stopped.
fn stands(tid: pid_t) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('t' | 'T') | None)
}

/// One mapped area of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub start: u64,
    pub end: u64,
    pub writable: bool,
    pub shared: bool,
    pub executable: bool,
    pub offset: u64,
    pub ino: u64,
    pub path: String,
}

pub(super) fn areas(tid: pid_t) -> io::Result<Vec<Area>> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/maps"))?;
    Ok(text.lines().filter_map(area).filter(|area| area.ino != 0).collect())
}

fn area(line: &str) -> Option<Area> {
    // start-end perms offset device inode path, the path after a run of spaces.
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?.as_bytes();
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let _device = words.next()?;
    let ino = words.next()?.parse().ok()?;
    Some(Area {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        writable: rights.get(1) == Some(&b'w'),
        executable: rights.get(2) == Some(&b'x'),
        shared: rights.get(3) == Some(&b's'),
        offset,
        ino,
        path: words.next().unwrap_or_default().trim_start().replace("\\012", "\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_maps_file_is_read() {
        let line = "7f10-7f20 rw-s 00001000 08:01 42                         /a dir/file";
        let expected = Area {
            start: 0x7f10,
            end: 0x7f20,
            writable: true,
            shared: true,
            executable: false,
            offset: 0x1000,
            ino: 42,
            path: "/a dir/file".into(),
        };
        assert_eq!(area(line), Some(expected));
        assert_eq!(area("garbage"), None);
    }
}
