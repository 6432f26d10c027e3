//! Failures that rest on what a recovery did in a process that had recovered other stores before: it is
//! recorded again in a process of its own. Where that does otherwise, and always does, a crash after the
//! used process's calls is none that the program's users can meet, and the failure does not stand.
//!
//! A process of its own may cost a hundred times what a used one does, so it is asked for a sample of the
//! recoveries first, for all where one of the sample falls, and always for what is to be reported.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::ask::Failure;
use super::booth::do_the_same;
use super::ground::{Ground, Spot};
use super::record::Studio;
use crate::base::Result;
use crate::image::Builder;
use crate::trace::Trace;

/// How many recoveries are looked at first.
const SAMPLE: usize = 16;

/// Knows which recoveries stand.
#[derive(Debug)]
pub struct Afresh<'a> {
    studio: Studio<'a>,
    /// By the number of the ground's court.
    stands: HashMap<u32, bool>,
}

impl<'a> Afresh<'a> {
    /// Nothing is known yet.
    pub fn new(studio: Studio<'a>) -> Self {
        Self { studio, stands: HashMap::new() }
    }

    /// Takes away what does not stand; how many failing states that were.
    pub fn sift(&mut self, failures: &mut BTreeMap<u64, Failure<Spot>>) -> Result<u64> {
        let mut grounds: BTreeMap<u32, Rc<Ground>> = BTreeMap::new();
        for ask in failures.values().flat_map(|failure| &failure.asks) {
            let ground = &ask.what.ground;
            grounds.entry(ground.number).or_insert_with(|| Rc::clone(ground));
        }
        let step = grounds.len().div_ceil(SAMPLE).max(1);
        self.all_stand(grounds.values().step_by(step))?;
        // One that was found to fall, now or before, makes all doubtful.
        if !self.stands.values().any(|stands| !stands) {
            return Ok(0);
        }
        let before = failures.len();
        self.all_stand(grounds.values())?;
        failures.retain(|_, failure| {
            failure.asks.retain(|ask| self.stands.get(&ask.what.ground.number) != Some(&false));
            !failure.asks.is_empty()
        });
        Ok((before - failures.len()) as u64)
    }

    /// True if every one of these stands; all of them are known then.
    pub fn all_stand<'g>(&mut self, grounds: impl Iterator<Item = &'g Rc<Ground>>) -> Result<bool> {
        let mut all = true;
        for ground in grounds {
            all &= self.stands(ground)?;
        }
        Ok(all)
    }

    /// True unless the recovery of this ground, or of one above it, goes otherwise in a fresh process.
    fn stands(&mut self, ground: &Rc<Ground>) -> Result<bool> {
        let Some((above, state)) = &ground.parent else { return Ok(true) };
        if let Some(known) = self.stands.get(&ground.number) {
            return Ok(*known);
        }
        let before = Spot { ground: Rc::clone(above), state: state.clone() };
        let stands =
            self.stands(above)? && (!ground.in_used_process || self.is_so(ground, &before)?);
        self.stands.insert(ground.number, stands);
        Ok(stands)
    }

    /// True if a fresh process does what the used one did, or fresh ones differ among themselves.
    fn is_so(&self, ground: &Ground, before: &Spot) -> Result<bool> {
        let image = Builder::new(&before.ground.model).image(&before.state);
        let fresh = || -> Result<Trace> { Ok(self.studio.recovery(&image)?.0.trace) };
        let used = ground.own.as_ref().unwrap_or(&ground.trace);
        let first = fresh()?;
        Ok(do_the_same(used, &first) || !do_the_same(&first, &fresh()?))
    }
}
