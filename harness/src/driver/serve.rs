//! The driver's side of the protocol, for engines in Rust: an engine says how it opens and what it
//! does; [`serve`] reads requests, keeps the order that the protocol asks for, and answers.
//!
//! A `dump` that directly follows its `open` is *recovery's dump*: the engine is dropped and opened
//! again before it, so that what is shown comes from what recovery left on disk and never from what it
//! built in memory. A dump with any other request between is that of a living store.

mod pool;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool::{EndOnDrop, Job, Pool};

use super::capabilities::Capabilities;
use super::lines::Lines;
use super::protocol::{self, Ask, Id, Reply};
use crate::base::limits::LINE_BYTES;
use crate::workload::{Mutation, Request};

/// Why a store did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// The store found something wrong and will not open: `refused`.
    Refused(String),
    /// Something failed: `err`.
    Failed(String),
}

/// How a store of one kind is opened.
pub trait Opener: Sync {
    /// What this kind of store promises.
    fn capabilities(&self) -> Capabilities;
    /// Opens the store in `dir`, creating it where it is missing. `warn` reports what was lost,
    /// dropped, repaired or ignored.
    fn open(&self, dir: &Path, warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened>;
}

/// An open store. Methods are called from several threads at once if its opener says `threads=N`.
pub trait Engine: Send + Sync {
    /// One put or delete, or several together.
    fn write(&self, mutations: &[Mutation]) -> Result<(), String>;
    /// Makes everything acknowledged durable.
    fn sync(&self) -> Result<(), String>;
    /// The store's own maintenance.
    fn checkpoint(&self) -> Result<(), String> {
        Ok(())
    }
    /// Gives every pair.
    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String>;
    /// Closes the store cleanly.
    fn close(self: Box<Self>) -> Result<(), String>;
}

/// Speaks the protocol until the input ends; then closes what is open. An error is one of the two
/// pipes, or input that is not the protocol.
pub fn serve(opener: &dyn Opener, input: impl Read, output: impl Write + Send) -> io::Result<()> {
    let output = Output(Mutex::new(output));
    let caps = opener.capabilities();
    let threads = caps.threads.max(1) as usize;
    let pool = Pool::default();
    std::thread::scope(|scope| {
        // Also when the engine panics: the threads would wait for ever.
        let _end = EndOnDrop(&pool);
        if threads > 1 {
            for _ in 0..threads {
                scope.spawn(|| pool.work(&output));
            }
        }
        let mut server =
            Server { opener, words: caps.words(), output: &output, store: None, pool: &pool };
        server.run(input, threads)
    })
}

struct Server<'a, W: Write> {
    opener: &'a dyn Opener,
    words: Vec<String>,
    output: &'a Output<W>,
    store: Option<Store>,
    pool: &'a Pool,
}

struct Store {
    engine: Arc<Box<dyn Engine>>,
    dir: PathBuf,
    /// True until something other than a dump is asked.
    just_recovered: bool,
}

impl<W: Write> Server<'_, W> {
    fn run(&mut self, mut input: impl Read, threads: usize) -> io::Result<()> {
        let mut lines = Lines::default();
        let mut chunk = vec![0; 64 << 10];
        loop {
            while let Some(line) = lines.next_line(LINE_BYTES).map_err(|long| {
                io::Error::other(format!("a request is longer than {} bytes", long.limit_bytes))
            })? {
                let ask = protocol::parse_request(line).map_err(io::Error::other)?;
                self.answer(ask, threads)?;
            }
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => lines.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pool.idle();
        match self.store.take() {
            Some(store) => store.close().map_err(io::Error::other),
            None => Ok(()),
        }
    }

    fn answer(&mut self, ask: Ask, threads: usize) -> io::Result<()> {
        let Ask { id, request, dir } = ask;
        if request.is_exclusive() || threads == 1 {
            self.pool.idle();
        }
        let result = match (&request, &mut self.store) {
            (Request::Open, Some(_)) => Err("a store is open already".to_string()),
            (Request::Open, None) => return self.open(id, dir.unwrap_or_default()),
            (_, None) => Err("no store is open".into()),
            (Request::Write(_) | Request::Batch(_), Some(store)) => {
                store.just_recovered = false;
                if threads > 1 {
                    let engine = Arc::clone(&store.engine);
                    self.pool.give(Job { engine, id, request }, threads);
                    return Ok(());
                }
                store.engine.write(request.mutations())
            }
            (Request::Sync, Some(store)) => {
                store.just_recovered = false;
                store.engine.sync()
            }
            (Request::Checkpoint, Some(store)) => {
                store.just_recovered = false;
                store.engine.checkpoint()
            }
            (Request::Dump, Some(_)) => return self.dump(id),
            (Request::Close, Some(_)) => match self.store.take() {
                Some(store) => store.close(),
                None => Ok(()),
            },
        };
        self.output.reply(&done(id, result))
    }

    fn open(&mut self, id: Id, dir: PathBuf) -> io::Result<()> {
        let reply = match self.opener.open(&dir, &|text| self.output.warn(text)) {
            Ok(engine) => {
                let engine = Arc::new(engine);
                self.store = Some(Store { engine, dir, just_recovered: true });
                Reply::Ack { id, words: self.words.clone() }
            }
            Err(NotOpened::Refused(text)) => Reply::Refused { id, text },
            Err(NotOpened::Failed(text)) => Reply::Err { id, text },
        };
        self.output.reply(&reply)
    }

    fn dump(&mut self, id: Id) -> io::Result<()> {
        if let Some(store) = self.store.take_if(|store| store.just_recovered) {
            let dir = store.dir;
            drop(store.engine);
            match self.opener.open(&dir, &|text| self.output.warn(text)) {
                Ok(engine) => {
                    let engine = Arc::new(engine);
                    self.store = Some(Store { engine, dir, just_recovered: false });
                }
                Err(NotOpened::Refused(text) | NotOpened::Failed(text)) => {
                    let text = format!("opened once more it did not open: {text}");
                    return self.output.reply(&Reply::Err { id, text });
                }
            }
        }
        let mut out = Vec::new();
        let result = match &self.store {
            Some(store) => {
                store.engine.dump(&mut |key, value| protocol::encode_have(&mut out, id, key, value))
            }
            None => Err("no store is open".into()),
        };
        if result.is_err() {
            out.clear();
        }
        protocol::encode_reply(&mut out, &done(id, result));
        self.output.write(&out)
    }
}

impl Store {
    fn close(self) -> Result<(), String> {
        match Arc::into_inner(self.engine) {
            Some(engine) => engine.close(),
            None => Err("a request is still running".into()),
        }
    }
}

fn done(id: Id, result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => Reply::Ack { id, words: Vec::new() },
        Err(text) => Reply::Err { id, text },
    }
}

/// The output: one message, one write, flushed.
struct Output<W>(Mutex<W>);

impl<W: Write> Output<W> {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut output = lock(&self.0);
        output.write_all(bytes)?;
        output.flush()
    }

    fn reply(&self, reply: &Reply) -> io::Result<()> {
        let mut out = Vec::with_capacity(32);
        protocol::encode_reply(&mut out, reply);
        self.write(&out)
    }

    fn warn(&self, text: &str) {
        // A reader that is gone is noticed at the next answer.
        let _ = self.reply(&Reply::Warn(text.to_string()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
