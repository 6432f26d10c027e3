//! Failures that rest on what a recovery did in a process that had recovered other stores before: it is
//! recorded again in a process of its own. Where that does otherwise, and always does, a crash after the
//! used process's calls is none that the program's users can meet, and the failure does not stand.

use std::collections::HashMap;
use std::rc::Rc;

use super::booth::do_the_same;
use super::ground::{Ground, Spot};
use super::record::Studio;
use super::studio;
use super::visit::Visitor;
use crate::base::Result;
use crate::fault::FaultOutcome;
use crate::image::Builder;
use crate::trace::Trace;

/// Takes away what does not stand; it is counted.
pub fn afresh(visitor: &mut Visitor<'_, '_>, outcome: &mut FaultOutcome) -> Result<()> {
    let mut known = Known { studio: studio(visitor.ctx), stands: HashMap::new() };
    let mut fallen = 0;
    for (visit, mut failure) in std::mem::take(&mut visitor.bench.failures) {
        let mut standing = Vec::new();
        for ask in failure.asks {
            if known.stands(&ask.what.ground)? {
                standing.push(ask);
            }
        }
        failure.asks = standing;
        if failure.asks.is_empty() {
            fallen += 1;
        } else {
            visitor.bench.failures.insert(visit, failure);
        }
    }
    let what = "failing states of recoveries that go otherwise in a process of their own";
    outcome.totals.skip(what, fallen);
    Ok(())
}

struct Known<'a> {
    studio: Studio<'a>,
    /// By the number of the ground's court.
    stands: HashMap<u32, bool>,
}

impl Known<'_> {
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
        let fresh =
            || Ok::<Trace, crate::base::HarnessError>(self.studio.recovery(&image)?.0.trace);
        let used = ground.own.as_ref().unwrap_or(&ground.trace);
        let first = fresh()?;
        Ok(do_the_same(used, &first) || !do_the_same(&first, &fresh()?))
    }
}
