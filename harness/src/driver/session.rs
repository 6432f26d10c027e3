//! One conversation with one driver process over two descriptors. It starts and ends no process:
//! whoever does hands it the pipes, and a pidfd so that a death is seen even where a grandchild holds
//! the output open.

mod waiting;

use std::collections::{BTreeMap, btree_map::Entry};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::capabilities::Capabilities;
use super::fault::DriverFault;
use super::lines::Lines;
use super::patience::Watching;
use super::protocol::{self, BadLine, Id, Reply};
use super::room::Room;
use super::target::Timeouts;
use super::timeline::Timeline;
use crate::base::interrupt;
use crate::base::limits::{DUMP_BYTES, DUMP_PAIRS, LINE_BYTES, WARNING_BYTES, WARNINGS};
use crate::workload::{Answer, Contents, OpNo, Request};

/// What a `dump` printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The pairs; of a key that came twice the first.
    pub contents: Contents,
    /// A key that came twice with different values, in words.
    pub contradiction: Option<String>,
}

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its number in the history.
    pub op: OpNo,
    /// What was asked.
    pub request: Request,
    /// How it was answered.
    pub answer: Answer,
    /// What it printed, for a `dump` that was acknowledged.
    pub dump: Option<Dump>,
}

#[derive(Debug)]
struct Outstanding {
    op: OpNo,
    request: Request,
    sent: Instant,
    /// The driver is known to have read it.
    is_read: bool,
    /// When it had been read, as far as is known.
    read: Instant,
    /// When anything of its answer was read last; until then when it was read or sent.
    progress: Instant,
    dump: Dump,
    dump_bytes: u64,
}

/// A conversation. Requests get their numbers here, from 1.
#[derive(Debug)]
pub struct Session {
    to: Option<std::fs::File>,
    from: std::fs::File,
    death: Option<OwnedFd>,
    timeouts: Timeouts,
    /// The limits once a request was read.
    brief: Timeouts,
    lines: Lines,
    chunk: Box<[u8]>,
    /// When something was read last.
    read_at: Instant,
    last_id: Id,
    outstanding: BTreeMap<Id, Outstanding>,
    capabilities: Option<Capabilities>,
    warnings: Vec<String>,
    /// How many warnings there were since the last answer, and their bytes.
    warned: (usize, usize),
    room: Option<Room>,
    watching: Option<Watching>,
    asked_to_end: Option<Arc<AtomicBool>>,
    /// The longest that an answer took, of each kind.
    slowest: Timeouts,
    /// When the session began, and how long it took until the first request was read.
    began: Instant,
    start_took: Duration,
    /// How many requests were answered.
    answered: u64,
    ended: bool,
}

impl Session {
    /// A session that writes to `to` (the driver's standard input) and reads from `from` (its
    /// standard output). `death` becomes readable when the process ends (a pidfd).
    pub fn new(
        to: OwnedFd,
        from: OwnedFd,
        death: Option<OwnedFd>,
        timeouts: Timeouts,
    ) -> io::Result<Self> {
        for fd in [to.as_fd(), from.as_fd()] {
            let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
            fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            to: Some(to.into()),
            from: from.into(),
            death,
            timeouts,
            brief: timeouts,
            lines: Lines::default(),
            chunk: vec![0; 64 << 10].into(),
            read_at: Instant::now(),
            last_id: 0,
            outstanding: BTreeMap::new(),
            capabilities: None,
            warnings: Vec::new(),
            warned: (0, 0),
            room: None,
            watching: None,
            asked_to_end: None,
            slowest: Timeouts { open: Duration::ZERO, op: Duration::ZERO },
            began: Instant::now(),
            start_took: Duration::ZERO,
            answered: 0,
            ended: false,
        })
    }

    /// What the driver said of itself at its first acknowledged `open` here.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// How many requests are not answered yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The `warn` texts since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// From now on a driver that has read its request is waited for only this long. How long a process takes
    /// to start says nothing of the store.
    pub fn wait_briefly(&mut self, brief: Timeouts) {
        self.brief = brief.min(&self.timeouts);
    }

    /// From now on a driver that makes its directory take more than this is not waited for.
    pub fn limit_room(&mut self, room: Room) {
        self.room = Some(room);
    }

    /// From now on a silence of the driver is looked into.
    pub fn watch(&mut self, watching: Watching) {
        self.watching = Some(watching);
    }

    /// The longest that an answer took so far, of each kind, from when its request had been read.
    pub fn slowest(&self) -> Timeouts {
        self.slowest
    }

    /// How long the process took until it read its first request, once that was answered.
    pub fn start_took(&self) -> Duration {
        self.start_took
    }

    /// From now on a driver that is slow to answer is not waited for once this is set.
    pub fn heed(&mut self, asked_to_end: Arc<AtomicBool>) {
        self.asked_to_end = Some(asked_to_end);
    }

    /// Ends the driver's input: it closes its store and exits.
    pub fn end_input(&mut self) {
        self.to = None;
    }

    /// Sends a request. Answers that arrive meanwhile are kept for [`Session::answer`]: while the
    /// pipe is full the driver's output is read, so that two full pipes never wait for each other.
    pub fn ask(
        &mut self,
        op: OpNo,
        request: &Request,
        dir: &Path,
        timeline: &mut dyn Timeline,
    ) -> Result<(), DriverFault> {
        if interrupt::is_final() {
            return Err(DriverFault::Abandoned);
        }
        let id = self.last_id + 1;
        let mut line = Vec::with_capacity(64);
        protocol::encode_request(&mut line, id, request, dir);
        self.last_id = id;
        timeline.numbered(op, id);
        timeline.asking(op, request);
        let now = Instant::now();
        let (request, dump) = (request.clone(), Dump::default());
        let (sent, is_read, progress) = (now, false, now);
        let entry =
            Outstanding { op, request, sent, is_read, read: now, progress, dump, dump_bytes: 0 };
        self.outstanding.insert(id, entry);
        let mut left = &line[..];
        while !left.is_empty() {
            let Some(to) = self.to.as_mut() else { return Err(self.closed()) };
            match to.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(true)?,
                // The reader is gone: what it still said is worth more than EPIPE.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Waits for the next answer. Must not be called with nothing outstanding.
    pub fn answer(&mut self, timeline: &mut dyn Timeline) -> Result<Answered, DriverFault> {
        loop {
            if let Some(answered) = self.next_answer(timeline)? {
                return Ok(answered);
            }
            if self.ended {
                return Err(self.closed());
            }
            self.wait(false)?;
        }
    }

    /// After the process is gone: the next answer that it had still written, if any. What was
    /// acknowledged before a kill was promised, read or not.
    pub fn leftover(&mut self, timeline: &mut dyn Timeline) -> Option<Answered> {
        loop {
            match self.next_answer(timeline) {
                Ok(Some(answered)) => return Some(answered),
                Ok(None) if !self.ended && self.fill() => {}
                _ => return None,
            }
        }
    }

    /// Notes how long an answer took, and that the driver is not silent.
    fn note_time(&mut self, entry: &Outstanding) {
        if self.answered == 0 {
            self.start_took = entry.read.saturating_duration_since(self.began);
        }
        self.answered += 1;
        let took = self.read_at.saturating_duration_since(entry.read);
        let slowest = match entry.request {
            Request::Open => &mut self.slowest.open,
            _ => &mut self.slowest.op,
        };
        *slowest = took.max(*slowest);
        if let Some(watching) = &mut self.watching {
            watching.vigil.forget();
        }
    }

    fn closed(&self) -> DriverFault {
        DriverFault::Died { how: "it closed its output".into(), stderr: String::new() }
    }

    fn next_answer(
        &mut self,
        timeline: &mut dyn Timeline,
    ) -> Result<Option<Answered>, DriverFault> {
        loop {
            let line = match self.lines.next_line(LINE_BYTES) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(long) => {
                    let why = format!("a line has at most {} bytes", long.limit_bytes);
                    return Err(BadLine::new(self.lines.rest(), why).into());
                }
            };
            let wrong = |why: String| Err(BadLine::new(line, why).into());
            let (id, answer, words) = match protocol::parse_reply(line)? {
                Reply::Warn(text) => {
                    self.warned.0 += 1;
                    self.warned.1 += text.len();
                    if self.warned.0 > WARNINGS || self.warned.1 > WARNING_BYTES {
                        return wrong(format!(
                            "there are at most {WARNINGS} warnings of together {WARNING_BYTES} bytes \
                             before one answer"
                        ));
                    }
                    timeline.warned(&text);
                    self.warnings.push(text);
                    continue;
                }
                Reply::Have { id, key, value } => {
                    let Some(entry) = self.outstanding.get_mut(&id) else {
                        return wrong(format!("no request {id} is outstanding"));
                    };
                    if entry.request != Request::Dump {
                        return wrong(format!("request {id} is no dump"));
                    }
                    entry.progress = self.read_at;
                    entry.dump_bytes += line.len() as u64;
                    if entry.dump_bytes > DUMP_BYTES {
                        return wrong(format!("a dump has at most {DUMP_BYTES} bytes"));
                    }
                    if entry.dump.contents.len() >= DUMP_PAIRS {
                        return wrong(format!("a dump has at most {DUMP_PAIRS} pairs"));
                    }
                    match entry.dump.contents.entry(key) {
                        Entry::Occupied(first) if *first.get() != value => {
                            let text =
                                format!("{} is {:?} and {value:?}", first.key(), first.get());
                            entry.dump.contradiction.get_or_insert(text);
                        }
                        Entry::Occupied(_) => {}
                        Entry::Vacant(place) => drop(place.insert(value)),
                    }
                    continue;
                }
                Reply::Ack { id, words } => (id, Answer::Ack, words),
                Reply::Err { id, text } => (id, Answer::Err(text), Vec::new()),
                Reply::Refused { id, text } => (id, Answer::Refused(text), Vec::new()),
            };
            let Some(entry) = self.outstanding.get(&id) else {
                return wrong(format!("no request {id} is outstanding"));
            };
            if matches!(answer, Answer::Refused(_)) && entry.request != Request::Open {
                return wrong("refused answers open alone".into());
            }
            if entry.request == Request::Open && answer == Answer::Ack {
                let caps = match Capabilities::parse(words.iter().map(String::as_str)) {
                    Ok(caps) => caps,
                    Err(why) => return wrong(why),
                };
                if self.capabilities.as_ref().is_some_and(|first| *first != caps) {
                    return wrong("the capabilities differ from those of the first open".into());
                }
                self.capabilities = Some(caps);
            } else if !words.is_empty() && entry.request != Request::Open {
                return wrong("only the ack of open is followed by words".into());
            }
            let Some(entry) = self.outstanding.remove(&id) else { continue };
            self.warned = (0, 0);
            self.note_time(&entry);
            timeline.answered(entry.op, &answer);
            let dump =
                (entry.request == Request::Dump && answer == Answer::Ack).then_some(entry.dump);
            return Ok(Some(Answered { op: entry.op, request: entry.request, answer, dump }));
        }
    }
}
