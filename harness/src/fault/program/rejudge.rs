//! One saved case of a whole program again.

use super::check::Checker;
use super::check_of;
use super::promises::{NoCourt, Promises};
use super::run::violation;
use crate::base::{HarnessError, Result};
use crate::fault::power::replayed;
use crate::fault::{Context, Rejudged, asked};
use crate::oracle::{Kind, Verdict};
use crate::scenario::{Case, Strike};
use std::rc::Rc;

/// Runs the check on the case's crash state, in a fresh directory.
pub fn rejudge(ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
    let Strike::Power(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a power cut"));
    };
    if !strike.nested.is_empty() {
        return Err(HarnessError::input(
            "case.strike.nested: a whole program has no crashes inside recovery",
        ));
    }
    let (spot, image) = replayed(ctx, case, strike, Rc::new(NoCourt))?;
    let promises = Promises::new(&spot.ground.trace);
    let count = promises.before(spot.state.point.0);
    let limit = asked::timeouts(ctx.options).open;
    let mut checker = Checker::new(check_of(ctx.target)?, limit, ctx.image_root)?;
    let ran = checker.run(&image, &promises.text(count))?;
    let mut verdict = Verdict::default();
    verdict.judged.insert(Kind::LostAck);
    if !ran.success {
        verdict.violations.push(violation(&spot, &promises, &ran));
    }
    Ok(Rejudged { verdict, evidence: ran.output })
}
