//! A recovery here and now, outside the bench: for shrinking, diagnosing and settling what the bench
//! raised. What an image recovered to is remembered.

use std::collections::HashMap;

use crate::base::{HarnessError, Result};
use crate::image::Image;
use crate::oracle::{END, Judge, Loss};
use crate::recover::{Recovery, Setup, Worker};
use crate::trace::Trace;

/// The most recoveries that are remembered.
const REMEMBERED: usize = 4096;

/// Recovers images one at a time.
#[derive(Debug)]
pub struct Prover {
    worker: Worker,
    known: HashMap<u128, Recovery>,
    /// How many recoveries were run.
    pub recoveries: u64,
}

impl Prover {
    /// A prover with a driver of its own.
    pub fn new(setup: &Setup) -> Result<Self> {
        Ok(Self { worker: Worker::new(setup)?, known: HashMap::new(), recoveries: 0 })
    }

    /// What the driver makes of `image`.
    pub fn recovery(&mut self, image: &Image) -> Result<Recovery> {
        if let Some(known) = self.known.get(&image.hash()) {
            return Ok(known.clone());
        }
        self.recoveries += 1;
        let recovery = self.worker.recover(image)?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(image.hash(), recovery.clone());
        Ok(recovery)
    }

    /// What the driver makes of `image` in a fresh process and directory.
    pub fn fresh(&mut self, image: &Image) -> Result<Recovery> {
        self.recoveries += 1;
        self.worker.confirm(image)
    }

    /// An error where the recorder could not model every call of a run, and the files that the run left do
    /// not hold what it acknowledged: something else, which no image has, counts for the program.
    pub fn is_all_there(&mut self, left: &Image, judge: &Judge, trace: &Trace) -> Result<()> {
        if trace.unmodelled.is_empty() {
            return Ok(());
        }
        let verdict = judge.at(END, Loss::None, &self.fresh(left)?);
        let Some(worst) = verdict.worst() else { return Ok(()) };
        let calls: Vec<&str> = trace.unmodelled.keys().map(String::as_str).collect();
        Err(HarnessError::NotMeasured(format!(
            "the program needs what calls that are not modelled ({}) leave: from its files alone, {}",
            calls.join(", "),
            worst.sentence
        )))
    }

    /// The worker, for what is looked at besides.
    pub fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }
}
