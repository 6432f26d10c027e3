//! A pool of workers: images in, recoveries out, in whatever order they are done. There is one worker a core
//! at first, and more where recoveries mostly sleep and so leave processors idle.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::outcome::{Recovery, Used};
use super::worker::{Setup, Tried, Worker};
use crate::base::{HarnessError, Result, limits};
use crate::image::Image;

/// One recovery in so many that passed is done again in a fresh process and directory.
pub const RECHECK_EVERY: u64 = 100;

/// So much work waits for each worker: enough that none is idle while whoever submits is busy with
/// something else, and little enough that the end of a budget is not missed by much.
const AHEAD: Duration = Duration::from_millis(20);
/// Processors that are idle for this part of the time have room for more workers.
const IDLE: f64 = 0.3;
/// How long that is looked at.
const IDLE_FOR: Duration = Duration::from_millis(150);
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
    /// The same in a fresh process and directory: for what did not open, as long as its reason is not believed, and
    /// for one in [`RECHECK_EVERY`].
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
    /// The other end of it, for more workers, and to empty it.
    queue: Receiver<Job>,
    done: Receiver<Result<Done>>,
    /// For more workers; nothing once it is to end.
    results: Option<Sender<Result<Done>>>,
    setup: Setup,
    idle: Idle,
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

    /// How long one takes.
    fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
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

/// How idle the machine's processors are.
#[derive(Debug)]
struct Idle {
    /// When it was looked at, and the ticks that were idle and all of them until then.
    looked: Instant,
    ticks: Option<(u64, u64)>,
}

impl Idle {
    fn new() -> Self {
        Self { looked: Instant::now(), ticks: ticks() }
    }

    /// The idle part of the time since the last answer, 0 to 1; nothing while too little has passed.
    fn share(&mut self) -> Option<f64> {
        if self.looked.elapsed() < IDLE_FOR {
            return None;
        }
        let now = ticks();
        let (before, after) = (std::mem::replace(&mut self.ticks, now)?, now?);
        self.looked = Instant::now();
        let all = after.1.checked_sub(before.1).filter(|all| *all > 0)?;
        Some(after.0.saturating_sub(before.0) as f64 / all as f64)
    }
}

/// The idle ticks of all processors so far, and all their ticks.
fn ticks() -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().sum()))
}

impl Pool {
    /// Starts `workers` workers. Each keeps to one processor together with its driver: a message then
    /// costs a switch and not a wake-up across processors.
    pub fn start(setup: &Setup, workers: usize) -> Result<Pool> {
        let workers = workers.max(1);
        let (jobs, queue) = unbounded::<Job>();
        let (results, done) = unbounded();
        let mut pool = Pool {
            jobs: Some(jobs),
            queue,
            done,
            results: Some(results),
            setup: setup.clone(),
            idle: Idle::new(),
            ready: VecDeque::new(),
            threads: Vec::new(),
            waiting: 0,
            pace: Arc::new(Pace::default()),
        };
        let processors = processors();
        for number in 0..workers {
            let processor = processors.get(number % processors.len().max(1)).copied();
            pool.add(processor.filter(|_| workers <= processors_count()))?;
        }
        Ok(pool)
    }

    /// Starts one more worker, on one processor where one is given.
    fn add(&mut self, processor: Option<usize>) -> Result<()> {
        let Some(results) = self.results.clone() else { return Ok(()) };
        let mut worker = Worker::new(&self.setup)?;
        let (queue, pace) = (self.queue.clone(), Arc::clone(&self.pace));
        self.threads.push(std::thread::spawn(move || {
            if let Some(processor) = processor {
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
        Ok(())
    }

    /// Doubles the workers where there is more work than they take and processors are idle all the same:
    /// then recoveries sleep. How many there are changes nothing but how soon results come.
    fn grow(&mut self) -> Result<()> {
        let workers = self.threads.len();
        if workers >= limits::WORKERS || self.pace.mean() < limits::SLEEPY_RECOVERY {
            return Ok(());
        }
        if self.idle.share().is_some_and(|share| share >= IDLE) {
            for _ in 0..workers.min(limits::WORKERS - workers) {
                self.add(None)?;
            }
        }
        Ok(())
    }

    /// Submits an image; waits while so much is queued that another would be too far ahead.
    pub fn submit(&mut self, id: u64, image: Image, extra: Extra) -> Result<()> {
        let ahead = |pool: &Pool| pool.pace.ahead() * pool.threads.len() as u64;
        while self.waiting - self.ready.len() as u64 > ahead(self) {
            self.grow()?;
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
        self.results = None;
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
    let again = if job.id % RECHECK_EVERY == RECHECK_EVERY - 1 {
        Some(worker.confirm(&job.image)?)
    } else if opened || refused || hung {
        None
    } else {
        worker.second_opinion(&job.image, &recovery)?
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
