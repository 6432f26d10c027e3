//! Does a driver keep the protocol? A fixed conversation that says, point by point, what was asked,
//! what is expected and what came. No fault is injected and no durability judged.

use std::path::{Path, PathBuf};

use super::drive::Host;
use super::{Answered, Capabilities, DriverFault, Processes, Session, Target, Timeouts, Unwatched};
use crate::base::{HarnessError, Result};
use crate::workload::{Answer, Contents, Key, Mutation, OpNo, Request, Value};

/// One point, and what was wrong with it if it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// What must hold.
    pub name: &'static str,
    /// What came instead.
    pub wrong: Option<String>,
}

/// What a check showed.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What the driver says of itself.
    pub capabilities: Option<Capabilities>,
    /// The points in the order in which they were tried. The first that fails is the last.
    pub points: Vec<Point>,
}

impl Checked {
    /// True if every point holds.
    pub fn holds(&self) -> bool {
        self.points.iter().all(|point| point.wrong.is_none())
    }
}

/// Checks `target`, with its stores and private folders below `root`.
pub fn check(target: &Target, timeouts: Timeouts, root: &Path) -> Result<Checked> {
    let store = |name: &str| {
        let path = root.join(name);
        std::fs::create_dir(&path).map_err(|error| HarnessError::at("making", &path, error))?;
        Ok::<_, HarnessError>(path)
    };
    let host = Processes::new(target, timeouts, root);
    let mut talk = Talk { host, session: None, dir: store("first")?, contents: Contents::new() };
    let mut checked = Checked::default();
    let other = store("other")?;
    type Try<'a> = Box<dyn FnOnce(&mut Talk<'a>, &Capabilities) -> Result<Tried> + 'a>;
    let opened = talk.opens()?;
    let failed = opened.is_err();
    checked
        .points
        .push(Point { name: "open of an empty directory is acknowledged", wrong: opened.err() });
    if failed {
        talk.end();
        return Ok(checked);
    }
    let caps = talk.session.as_ref().and_then(|session| session.capabilities().cloned());
    let caps = caps.unwrap_or_default();
    checked.capabilities = Some(caps.clone());
    let tries: Vec<(&'static str, Try<'_>)> = vec![
        ("dump of an empty store shows nothing", Box::new(|talk, _| talk.dump())),
        ("put, and put of the same key again", Box::new(Talk::puts)),
        ("del, of a key that is there and of one that is not", Box::new(Talk::dels)),
        ("batch of puts and dels", Box::new(Talk::batches)),
        ("sync and checkpoint", Box::new(Talk::maintenance)),
        ("the longest value and the longest key", Box::new(Talk::longest)),
        ("as many requests outstanding as threads= says", Box::new(Talk::outstanding)),
        ("close, end of input, exit with success", Box::new(|talk, _| talk.closes())),
        ("a new process shows the same", Box::new(|talk, _| talk.again())),
        (
            "end of input without close: exit with success, nothing lost",
            Box::new(|talk, _| talk.ends_open()),
        ),
        (
            "reopen: another directory, then the first again, in one process",
            Box::new(move |talk, caps| talk.reopens(caps, &other)),
        ),
        ("the store opens under another path", Box::new(|talk, _| talk.moved())),
    ];
    for (name, attempt) in tries {
        let wrong = attempt(&mut talk, &caps)?.err();
        let failed = wrong.is_some();
        checked.points.push(Point { name, wrong });
        if failed {
            break;
        }
    }
    talk.end();
    Ok(checked)
}

/// Nothing, or what was wrong.
type Tried = std::result::Result<(), String>;

struct Talk<'a> {
    host: Processes<'a>,
    session: Option<Session>,
    dir: PathBuf,
    /// What the store should hold.
    contents: Contents,
}

/// Goes on, or returns what was wrong.
macro_rules! must {
    ($tried:expr) => {
        if let Err(wrong) = $tried {
            return Ok(Err(wrong));
        }
    };
}

impl Talk<'_> {
    fn send(&mut self, request: &Request) -> Result<Tried> {
        if self.session.is_none() {
            self.session = Some(self.host.start()?);
        }
        let Some(session) = self.session.as_mut() else { return Ok(Ok(())) };
        match session.ask(OpNo(0), request, &self.dir, &mut Unwatched) {
            Ok(()) => Ok(Ok(())),
            Err(fault) => Ok(Err(self.failed(fault))),
        }
    }

    fn receive(&mut self) -> std::result::Result<Answered, String> {
        let Some(session) = self.session.as_mut() else { return Err("no process".into()) };
        match session.answer(&mut Unwatched) {
            Ok(answered) => match &answered.answer {
                Answer::Ack => Ok(answered),
                Answer::Err(text) => Err(format!("it answered err: {text}")),
                Answer::Refused(text) => Err(format!("it answered refused: {text}")),
            },
            Err(fault) => Err(self.failed(fault)),
        }
    }

    fn failed(&mut self, fault: DriverFault) -> String {
        let fault = match self.session.take() {
            Some(mut session) => self.host.explain(&mut session, fault),
            None => fault,
        };
        match fault {
            DriverFault::Hung { .. } => {
                format!("{fault}; is the output flushed after each answer?")
            }
            fault => fault.to_string(),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<std::result::Result<Answered, String>> {
        Ok(match self.send(request)? {
            Ok(()) => self.receive(),
            Err(wrong) => Err(wrong),
        })
    }

    fn end(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = self.host.finish(session);
        }
    }

    fn opens(&mut self) -> Result<Tried> {
        Ok(self.ask(&Request::Open)?.map(drop))
    }

    fn dump(&mut self) -> Result<Tried> {
        let shown = match self.ask(&Request::Dump)? {
            Ok(answered) => answered.dump.unwrap_or_default(),
            Err(wrong) => return Ok(Err(wrong)),
        };
        if let Some(twice) = shown.contradiction {
            return Ok(Err(format!("a key is shown twice: {twice}")));
        }
        let keys = shown.contents.keys().chain(self.contents.keys());
        for key in keys {
            let (came, expected) = (shown.contents.get(key), self.contents.get(key));
            if came != expected {
                return Ok(Err(format!("{key} should be {expected:?} and is {came:?}")));
            }
        }
        Ok(Ok(()))
    }

    fn write(&mut self, mutations: &[Mutation]) -> Result<Tried> {
        let request = match mutations {
            [one] => Request::Write(one.clone()),
            many => Request::Batch(many.to_vec()),
        };
        must!(self.ask(&request)?);
        mutations.iter().for_each(|mutation| {
            crate::workload::contents::apply(&mut self.contents, mutation);
        });
        Ok(Ok(()))
    }

    fn puts(&mut self, _: &Capabilities) -> Result<Tried> {
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("B", "4")] {
            must!(self.write(&[put(key, value)])?);
        }
        self.dump()
    }

    fn dels(&mut self, caps: &Capabilities) -> Result<Tried> {
        if caps.del {
            must!(self.write(&[Mutation::Del("b".into())])?);
            must!(self.write(&[Mutation::Del("never.there".into())])?);
        }
        self.dump()
    }

    fn batches(&mut self, caps: &Capabilities) -> Result<Tried> {
        if caps.batch {
            let mut batch = vec![put("c", "5"), put("a", "6")];
            if caps.del {
                batch.push(Mutation::Del("B".into()));
            }
            must!(self.write(&batch)?);
        }
        self.dump()
    }

    fn maintenance(&mut self, caps: &Capabilities) -> Result<Tried> {
        for request in [Request::Sync, Request::Checkpoint] {
            if caps.allow(&request) {
                must!(self.ask(&request)?);
            }
        }
        self.dump()
    }

    fn longest(&mut self, caps: &Capabilities) -> Result<Tried> {
        let value = "v".repeat(caps.max_value);
        must!(self.write(&[put(&"K".repeat(crate::base::limits::KEY_BYTES), &value)])?);
        must!(self.write(&[put("short", "!")])?);
        self.dump()
    }

    fn outstanding(&mut self, caps: &Capabilities) -> Result<Tried> {
        let requests: Vec<Mutation> =
            (0..caps.threads.min(64)).map(|n| put(&format!("t{n}"), &n.to_string())).collect();
        for mutation in &requests {
            must!(self.send(&Request::Write(mutation.clone()))?);
        }
        for mutation in &requests {
            must!(self.receive());
            crate::workload::contents::apply(&mut self.contents, mutation);
        }
        self.dump()
    }

    fn closes(&mut self) -> Result<Tried> {
        must!(self.ask(&Request::Close)?);
        self.exits()
    }

    fn exits(&mut self) -> Result<Tried> {
        let Some(session) = self.session.take() else { return Ok(Ok(())) };
        Ok(self.host.finish(session).map_err(|fault| fault.to_string()))
    }

    fn again(&mut self) -> Result<Tried> {
        must!(self.opens()?);
        self.dump()
    }

    fn ends_open(&mut self) -> Result<Tried> {
        must!(self.write(&[put("late", "7")])?);
        must!(self.exits()?);
        self.again()
    }

    fn reopens(&mut self, caps: &Capabilities, other: &Path) -> Result<Tried> {
        must!(self.ask(&Request::Close)?);
        if !caps.reopen {
            must!(self.exits()?);
            return self.again();
        }
        let first = (std::mem::replace(&mut self.dir, other.into()), self.contents.clone());
        self.contents.clear();
        must!(self.opens()?);
        must!(self.dump()?);
        must!(self.write(&[put("elsewhere", "8")])?);
        must!(self.ask(&Request::Close)?);
        (self.dir, self.contents) = first;
        must!(self.opens()?);
        self.dump()
    }

    fn moved(&mut self) -> Result<Tried> {
        must!(self.ask(&Request::Close)?);
        must!(self.exits()?);
        let to = self.dir.with_file_name("moved");
        std::fs::rename(&self.dir, &to)
            .map_err(|error| HarnessError::at("renaming", &self.dir, error))?;
        self.dir = to;
        self.again()
    }
}

fn put(key: &str, value: &str) -> Mutation {
    Mutation::Put(Key::from(key), Value::from(value))
}

#[cfg(test)]
mod tests;
