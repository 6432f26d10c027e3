//! A recovery here and now, outside the bench: for shrinking, diagnosing and settling what the bench
//! raised. What an image recovered to is remembered.

use std::collections::HashMap;

use crate::base::Result;
use crate::image::Image;
use crate::recover::{Recovery, Setup, Worker};

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

    /// The worker, for what is looked at besides.
    pub fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }
}
