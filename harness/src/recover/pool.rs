//! A pool of workers, one a core: images in, recoveries out, in whatever order they are done.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::outcome::{Recovery, Used};
use super::worker::{Setup, Tried, Worker};
use crate::base::{HarnessError, Result};
use crate::image::Image;

/// One recovery in so many that passed is done again in a fresh process and directory.
pub const RECHECK_EVERY: u64 = 100;

/// So much work waits for each worker: enough that none is idle while whoever submits is busy with
/// something else, and little enough that the end of a budget is not missed by much.
const AHEAD: Duration = Duration::from_millis(20);
/// The same in images, whatever they take.
const AHEAD_IMAGES: std::ops::RangeInclusive<u64> = 2..=32;

/// What to do with an image besides recovering from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Close and open again, and compare.
    pub stable: bool,
    /// Put, reopen, and look.
    pub writable: bool,
    /// Ask ordinary requests of the recovered store.
    pub used: bool,
    /// Keep the directory as recovery left it.
    pub left: bool,
    /// A refusal is an honest answer here (damage) and needs no second opinion.
    pub may_refuse: bool,
}

/// An image that was recovered.
#[derive(Clone, Debug)]
pub struct Done {
    /// The number that it was submitted with.
    pub id: u64,
    /// What the driver made of it.
    pub recovery: Recovery,
    /// The same in a fresh process and directory: for all that did not open, and one in
    /// [`RECHECK_EVERY`] of those that did.
    pub again: Option<Recovery>,
    /// What [`Worker::stable`] said, if it was asked.
    pub stable: Option<(Recovery, Option<Recovery>)>,
    /// What [`Worker::writable`] said, if it was asked.
    pub writable: Option<Tried>,
    /// What [`Worker::used`] said, if it was asked.
    pub used: Option<Used>,
    /// The directory as recovery left it, if it was asked for.
    pub left: Option<Image>,
}

struct Job {
    id: u64,
    image: Image,
    extra: Extra,
}

/// Workers and their queue. Dropping it ends them.
#[derive(Debug)]
pub struct Pool {
    jobs: Option<Sender<Job>>,
    /// The other end of it, to empty it.
    queue: Receiver<Job>,
    done: Receiver<Result<Done>>,
    /// Taken from `done` while there was no room for another job.
    ready: VecDeque<Result<Done>>,
    threads: Vec<JoinHandle<()>>,
    waiting: u64,
    pace: Arc<Pace>,
}

/// How long a job took lately, in nanoseconds: it says how far ahead work is queued, and nothing else.
#[derive(Debug, Default)]
struct Pace(AtomicU64);

impl Pace {
    fn took(&self, time: Duration) {
        let time = time.as_nanos() as u64;
        let before = self.0.load(Ordering::Relaxed);
        let now = if before == 0 { time } else { before - before / 8 + time / 8 };
        self.0.store(now, Ordering::Relaxed);
    }

    /// How many jobs may wait for each worker.
    fn ahead(&self) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => *AHEAD_IMAGES.start(),
            took => {
                (AHEAD.as_nanos() as u64 / took).clamp(*AHEAD_IMAGES.start(), *AHEAD_IMAGES.end())
            }
        }
    }
}

impl Pool {
    /// Starts `workers` workers. Each keeps to one processor together with its driver: a message then
    /// costs a switch and not a wake-up across processors.
    pub fn start(setup: &Setup, workers: usize) -> Result<Pool> {
        let workers = workers.max(1);
        let (jobs, queue) = unbounded::<Job>();
        let (results, done) = unbounded();
        let processors = processors();
        let mut threads = Vec::new();
        let pace = Arc::new(Pace::default());
        for number in 0..workers {
            let mut worker = Worker::new(setup)?;
            let (queue, results, pace) = (queue.clone(), results.clone(), Arc::clone(&pace));
            let processor = processors.get(number % processors.len().max(1)).copied();
            threads.push(std::thread::spawn(move || {
                if let Some(processor) = processor.filter(|_| workers <= processors_count()) {
                    pin(processor);
                }
                for job in queue {
                    let began = Instant::now();
                    let done = work(&mut worker, &job);
                    pace.took(began.elapsed());
                    if results.send(done).is_err() {
                        return;
                    }
                }
            }));
        }
        let ready = VecDeque::new();
        Ok(Pool { jobs: Some(jobs), queue, done, ready, threads, waiting: 0, pace })
    }

    /// Submits an image; waits while so much is queued that another would be too far ahead.
    pub fn submit(&mut self, id: u64, image: Image, extra: Extra) -> Result<()> {
        let workers = self.threads.len() as u64;
        while self.waiting - self.ready.len() as u64 > self.pace.ahead() * workers {
            match self.done.recv() {
                Ok(done) => self.ready.push_back(done),
                Err(_) => return Err(HarnessError::broken("every recovery worker is gone")),
            }
        }
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(Job { id, image, extra }));
        match sent {
            Some(Ok(())) => {
                self.waiting += 1;
                Ok(())
            }
            _ => Err(HarnessError::broken("every recovery worker is gone")),
        }
    }

    /// How many were submitted and not yet taken.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The next that is done, if one is. What was given up is left out.
    pub fn try_next(&mut self) -> Result<Option<Done>> {
        loop {
            let next = self.ready.pop_front().or_else(|| self.done.try_recv().ok());
            self.waiting -= u64::from(next.is_some());
            match next {
                Some(Err(HarnessError::Interrupted)) => {}
                next => return next.transpose(),
            }
        }
    }

    /// Waits for the next that is done; nothing if none was submitted. What was given up is left out.
    #[expect(clippy::should_implement_trait, reason = "it fails, and goes on after nothing")]
    pub fn next(&mut self) -> Result<Option<Done>> {
        let gone = |_| HarnessError::broken("every recovery worker is gone");
        while self.waiting > 0 {
            self.waiting -= 1;
            let done = match self.ready.pop_front() {
                Some(done) => done,
                None => self.done.recv().map_err(gone)?,
            };
            if !matches!(done, Err(HarnessError::Interrupted)) {
                return done.map(Some);
            }
        }
        Ok(None)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        // What was not begun is not wanted any more.
        while self.queue.try_recv().is_ok() {}
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(worker: &mut Worker, job: &Job) -> Result<Done> {
    let recovery = worker.recover(&job.image)?;
    let left = job.extra.left.then(|| worker.left()).transpose()?;
    let opened = matches!(recovery, Recovery::Opened(_));
    let refused = job.extra.may_refuse && matches!(recovery, Recovery::Refused { .. });
    // A hang was confirmed already, or is like one that was.
    let hung = matches!(recovery, Recovery::Hung { .. });
    let again = if !(opened || refused || hung) || job.id % RECHECK_EVERY == RECHECK_EVERY - 1 {
        Some(worker.confirm(&job.image)?)
    } else {
        None
    };
    let stable = (opened && job.extra.stable).then(|| worker.stable(&job.image)).transpose()?;
    let writable = match &recovery {
        Recovery::Opened(shown) if job.extra.writable => {
            Some(worker.writable(&job.image, &shown.contents)?)
        }
        _ => None,
    };
    let used = (opened && job.extra.used).then(|| worker.used(&job.image)).transpose()?;
    Ok(Done { id: job.id, recovery, again, stable, writable, used, left })
}

/// The processors that this process may use.
pub fn processors() -> Vec<usize> {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

fn processors_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keeps the calling thread, and what it starts, on one processor. A machine that forbids it is slower.
pub fn pin(processor: usize) {
    let mut set = nix::sched::CpuSet::new();
    if set.set(processor).is_ok() {
        let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
    }
}

/// A folder for temporary directories that is in memory where the machine has one.
pub fn memory_folder() -> &'static Path {
    let shm = Path::new("/dev/shm");
    let writable = nix::unistd::access(shm, nix::unistd::AccessFlags::W_OK).is_ok();
    if writable && shm.is_dir() { shm } else { Path::new("/tmp") }
}

#[cfg(test)]
mod tests;
