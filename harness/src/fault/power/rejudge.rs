//! One saved case again, from nothing: the trace's file, the crash state's text, fresh processes and
//! directories. Everything was read from files and is not believed.

use std::rc::Rc;
use std::sync::Arc;

use super::court::Court;
use super::device;
use super::ground::{Ground, Spot, parse_state};
use super::prove::Prover;
use super::shrink;
use crate::base::{HarnessError, Result};
use crate::fault::{Context, Rejudged};
use crate::image::{Builder, Image};
use crate::oracle::Judge;
use crate::persistence::{Overlay, Profile, ProfileSet, View};
use crate::scenario::{Case, PowerStrike, Strike};
use crate::trace::{Trace, file};
use crate::workload::{Request, Workload};

/// The deepest nesting that is replayed.
pub(super) const DEPTH: usize = 8;

/// Judges the case.
pub fn rejudge(ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
    let Strike::Power(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a power cut"));
    };
    judge(ctx, case, strike)
}

/// Judges a power cut, of this fault or another.
pub fn judge(ctx: &Context<'_>, case: &Case, strike: &PowerStrike) -> Result<Rejudged> {
    if strike.nested.len() > DEPTH {
        return Err(HarnessError::input(format!("case.strike.nested: more than {DEPTH} deep")));
    }
    let capabilities = &ctx.control.capabilities;
    let mut setup = ctx.setup();
    if !strike.then.is_empty() {
        setup.usage = requests(&strike.then)?;
    }
    let mut prover = Prover::new(&setup)?;
    let trace = read(case, strike)?;
    let court = Rc::new(Judge::new(&trace.history(), capabilities));
    let mut ground = Rc::new(Ground::first(trace, Overlay::default(), device(ctx), court));
    let mut at = strike;
    for nested in &strike.nested {
        let (spot, image) = spot(&ground, at)?;
        let shown = prover.fresh(&image)?;
        let recording = read(case, nested)?;
        let below = Ground::below(&spot, recording, &shown, None, capabilities, device(ctx));
        ground = Rc::new(below);
        at = nested;
    }
    let (spot, image) = spot(&ground, at)?;
    let (verdict, recovery) = shrink::judged(&mut prover, &image, &spot, true)?;
    Ok(Rejudged { verdict, evidence: recovery.words() })
}

/// What a recovered store is asked, from a case.
pub fn requests(lines: &[String]) -> Result<Arc<[Request]>> {
    Ok(Workload::parse(lines.iter().map(String::as_str))?.requests.into())
}

/// The outermost crash state of a case, judged by `court`, with its image.
pub fn replayed(
    ctx: &Context<'_>,
    case: &Case,
    strike: &PowerStrike,
    court: Rc<dyn Court>,
) -> Result<(Spot, Image)> {
    let trace = read(case, strike)?;
    let ground = Rc::new(Ground::first(trace, Overlay::default(), device(ctx), court));
    spot(&ground, strike)
}

pub(super) fn read(case: &Case, strike: &PowerStrike) -> Result<Trace> {
    let name = &strike.trace;
    let bytes = case.files.get(name).ok_or_else(|| {
        HarnessError::input(format!("case.strike.trace: no file `{}`", name.escape_default()))
    })?;
    file::decode(bytes)
        .map_err(|bad| HarnessError::input(format!("{}: {bad}", name.escape_default())))
}

/// The state on its ground with its image. One that no profile allows proves nothing.
pub(super) fn spot(ground: &Rc<Ground>, strike: &PowerStrike) -> Result<(Spot, Image)> {
    let state = parse_state(strike)?;
    let last = ground.model.last_point();
    if state.point > last {
        return Err(HarnessError::input(format!(
            "case.strike.point: {}: the trace has {} events",
            state.point.0, last.0
        )));
    }
    let view = View::at(&ground.model, state.point);
    if view.legal_in(&state, ProfileSet::ALL).is_empty()
        && let Err(breach) = view.check(&state, Profile::Strict)
    {
        return Err(HarnessError::input(format!(
            "case.strike.state: no profile allows it: {breach}"
        )));
    }
    let image = Builder::new(&ground.model).image(&state);
    Ok((Spot { ground: Rc::clone(ground), state }, image))
}
