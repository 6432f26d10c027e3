//! The check command on one crash state, and a pool of threads that run it.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::filled;
use crate::base::{HarnessError, Result};
use crate::driver::command::{self, Ran};
use crate::image::{Image, Workdir};

/// Runs checks, one after the other, in a directory of its own.
#[derive(Debug)]
pub struct Checker {
    check: String,
    limit: Duration,
    folder: tempfile::TempDir,
    store: Workdir,
}

impl Checker {
    /// A checker with a directory below `root`.
    pub fn new(check: &str, limit: Duration, root: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("check-")
            .tempdir_in(root)
            .map_err(|error| HarnessError::at("making a folder in", root, error))?;
        let store = Workdir::new(folder.path().join("store"))?;
        Ok(Self { check: check.to_owned(), limit, folder, store })
    }

    /// Runs the check on `image` with these lines.
    pub fn run(&mut self, image: &Image, lines: &str) -> Result<Ran> {
        self.store.become_image(image)?;
        self.store.lend();
        let out = self.folder.path().join("out");
        std::fs::write(&out, lines).map_err(|error| HarnessError::at("writing", &out, error))?;
        let text =
            filled(&self.check, self.store.path()).replace("{out}", &out.display().to_string());
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), text];
        // Where the workload ran too: the user's own folder, so that paths in both commands mean the same.
        command::run(&argv, &[], self.limit)
    }
}

/// A state that was checked.
#[derive(Debug)]
pub struct Checked {
    /// The number that it was submitted with.
    pub id: u64,
    /// The check's result; of a failing state the second one's, in a fresh directory.
    pub ran: Ran,
    /// True if it failed once and passed when it was run again.
    pub unsteady: bool,
}

struct Job {
    id: u64,
    image: Image,
    lines: String,
}

/// Threads that check.
#[derive(Debug)]
pub struct Pool {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<Checked>>,
    threads: Vec<JoinHandle<()>>,
    waiting: u64,
}

impl Pool {
    /// Starts so many threads.
    pub fn start(check: &str, limit: Duration, root: &Path, workers: usize) -> Result<Self> {
        let (jobs, queue) = bounded::<Job>(workers.max(1) * 2);
        let (results, done) = unbounded();
        let mut threads = Vec::new();
        for _ in 0..workers.max(1) {
            let mut checker = Checker::new(check, limit, root)?;
            let (queue, results) = (queue.clone(), results.clone());
            let (check, root) = (check.to_owned(), PathBuf::from(root));
            threads.push(std::thread::spawn(move || {
                for job in queue {
                    let checked = one(&mut checker, &job, &check, limit, &root);
                    if results.send(checked).is_err() {
                        return;
                    }
                }
            }));
        }
        Ok(Self { jobs: Some(jobs), done, threads, waiting: 0 })
    }

    /// Submits a state; waits while the queue is full.
    pub fn submit(&mut self, id: u64, image: Image, lines: String) -> Result<()> {
        match self.jobs.as_ref().map(|jobs| jobs.send(Job { id, image, lines })) {
            Some(Ok(())) => {
                self.waiting += 1;
                Ok(())
            }
            _ => Err(HarnessError::broken("every checking thread is gone")),
        }
    }

    /// The next that is done; waits for it if `wait`.
    pub fn next(&mut self, wait: bool) -> Result<Option<Checked>> {
        if self.waiting == 0 {
            return Ok(None);
        }
        let done = match wait {
            true => self.done.recv().ok(),
            false => match self.done.try_recv() {
                Ok(done) => Some(done),
                Err(_) => return Ok(None),
            },
        };
        self.waiting -= 1;
        done.ok_or_else(|| HarnessError::broken("every checking thread is gone"))?.map(Some)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Checks a state; what fails is checked again in a fresh directory.
fn one(
    checker: &mut Checker,
    job: &Job,
    check: &str,
    limit: Duration,
    root: &Path,
) -> Result<Checked> {
    let ran = checker.run(&job.image, &job.lines)?;
    if ran.success {
        return Ok(Checked { id: job.id, ran, unsteady: false });
    }
    let again = Checker::new(check, limit, root)?.run(&job.image, &job.lines)?;
    Ok(Checked { id: job.id, unsteady: again.success, ran: again })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sees_the_directory_and_the_lines() {
        let root = tempfile::tempdir().unwrap();
        let mut image = Image::empty();
        assert!(image.put("log", b"one\n"));
        let limit = Duration::from_secs(10);
        let mut pool = Pool::start("cmp {out} {dir}/log", limit, root.path(), 2).unwrap();
        pool.submit(1, image.clone(), "one\n".into()).unwrap();
        pool.submit(2, image, "one\ntwo\n".into()).unwrap();
        let mut results = Vec::new();
        while let Some(checked) = pool.next(true).unwrap() {
            results.push((checked.id, checked.ran.success, checked.unsteady));
        }
        results.sort_unstable();
        assert_eq!(results, [(1, true, false), (2, false, false)]);
        drop(pool);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
