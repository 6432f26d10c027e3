//! A saved power cut, or a kill of a recorded run, asked of today's program: its requests are recorded
//! again, and the same calls' effects are lost in the new recording.

mod nested;
pub mod search;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ground::{Ground, Spot, created};
use super::prove::Prover;
use super::record::Recorded;
use super::rejudge::{DEPTH, read, spot};
use super::shrink::{judged, second_openings};
use super::stage::{finished, reproduces};
use super::{device, studio};
use crate::base::{HarnessError, Result};
use crate::fault::Context;
use crate::fault::today::{Answer, Effort, RECORDINGS, Today, align, files};
use crate::image::Image;
use crate::oracle::{Judge, Kind, Verdict};
use crate::persistence::{Overlay, Profile, ProfileSet, View};
use crate::recover::{Recovered, Recovery};
use crate::scenario::{Case, PowerStrike, Strike};
use crate::trace::{FileId, Trace};
use crate::workload::Request;
use nested::Nested;
use search::{Found, Judging, Saved, Search};

/// Asks today's program about the case; `kind` is what it showed.
pub fn today(ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
    let Strike::Power(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a power cut"));
    };
    let levels = saved(ctx, case, strike)?;
    let first = &levels[0].spot.ground;
    let new_store = first.trace.initial.iter().all(|node| node.file == FileId::ROOT);
    if !new_store {
        return Err(HarnessError::NotMeasured(
            "its recording begins with a store whose making was not recorded; --recorded judges it"
                .into(),
        ));
    }
    let history = first.trace.history();
    let requests: Vec<Request> =
        history.operations.iter().map(|operation| operation.request.clone()).collect();
    let named = first.overlay != Overlay::default();
    let mut prover = Prover::new(&ctx.setup())?;
    let mut effort = Effort::new(ctx.budget);
    let nested = Nested { studio: studio(ctx), device: device(ctx) };
    let mut made: Vec<Recorded> = Vec::new();
    for _ in 0..RECORDINGS {
        made.push(record(ctx, &requests)?);
    }
    let at_once = ctx.options.threads.min(ctx.control.capabilities.threads) > 1;
    let differs = at_once || made.iter().any(|one| !same(&made[0].trace, &one.trace));
    while differs && (made.len() as u32) < 2 * RECORDINGS {
        made.push(record(ctx, &requests)?);
    }
    let stable = made.iter().map(|one| files(&one.trace)).reduce(|all, some| &all & &some);
    let mut answered: Option<Today> = None;
    for (nth, recorded) in made.iter().enumerate() {
        // Another recording of the same calls has the same states.
        if made[..nth].iter().any(|other| same(&other.trace, &recorded.trace)) {
            continue;
        }
        let judge = Rc::new(Judge::new(&recorded.history, &ctx.control.capabilities));
        let overlay = if named { created(&recorded.trace) } else { Overlay::default() };
        let ground = Rc::new(Ground::first(recorded.trace.clone(), overlay, device(ctx), judge));
        reproduces(&ground, recorded)?;
        let upto = effort.upto(if nth == 0 && differs { 0.7 } else { 1.0 });
        let mut search = Search {
            judging: &mut prover,
            effort: &mut effort,
            kind,
            profiles: counted(ctx, levels.iter().map(|level| level.profiles)),
            stable: stable.clone().unwrap_or_default(),
            rng: ctx.rng.fork("today"),
            notes: Vec::new(),
        };
        let found = nested.search(&mut search, &levels, &ground, upto)?;
        let notes = std::mem::take(&mut search.notes);
        let one = told(found, notes);
        if Today::gather(&mut answered, one) {
            break;
        }
    }
    let mut today =
        answered.ok_or_else(|| HarnessError::NotMeasured("nothing was recorded".into()))?;
    today.states = effort.states;
    if differs {
        let text = "the program may make other calls each time: it was recorded ";
        today.notes.push(format!("{text}{} times", made.len()));
    }
    Ok(today)
}

/// What was found, as an answer.
pub fn told(found: Found, notes: Vec<String>) -> Today {
    let (answer, evidence) = match (found.wrong, found.matched) {
        (Some((violation, words)), true) => (Answer::StillFails(violation), words),
        (Some((violation, words)), false) => (Answer::Changed(Some(violation)), words),
        (None, true) => (Answer::Fixed, String::new()),
        (None, false) => (Answer::Changed(None), String::new()),
    };
    Today { answer, why: found.why, states: 0, notes, evidence }
}

/// True if two recordings of the same requests are of the same calls.
pub fn same(one: &Trace, other: &Trace) -> bool {
    align(one, other, (0, 0), &BTreeSet::new()).is_whole(other)
}

/// The profiles under which a state counts: those of the run that are no harsher than what makes a
/// finding; all of the run's where the case itself takes a harsher one.
pub fn counted(ctx: &Context<'_>, legal: impl Iterator<Item = ProfileSet>) -> ProfileSet {
    let all: ProfileSet = ctx.options.profiles.iter().copied().collect();
    let mild = |profile: &Profile| *profile <= ctx.options.fail_on;
    let some: ProfileSet = all.iter().filter(mild).collect();
    let enough = |legal: ProfileSet| legal.iter().any(|profile| some.contains(profile));
    let mut legal = legal.peekable();
    if !some.is_empty() && legal.all(|legal| legal.is_empty() || enough(legal)) {
        some
    } else {
        all
    }
}

/// The saved states with their recordings, outermost first.
fn saved(ctx: &Context<'_>, case: &Case, strike: &PowerStrike) -> Result<Vec<Saved>> {
    if strike.nested.len() > DEPTH {
        return Err(HarnessError::input(format!("case.strike.nested: more than {DEPTH} deep")));
    }
    let trace = read(case, strike)?;
    let capabilities = &ctx.control.capabilities;
    let court = Rc::new(Judge::new(&trace.history(), capabilities));
    let plain =
        Rc::new(Ground::first(trace.clone(), Overlay::default(), device(ctx), court.clone()));
    let (state, _) = spot(&plain, strike)?;
    let overlay = created(&trace);
    let usual = Rc::new(Ground::first(trace, overlay, device(ctx), court));
    // A loss of the database's own name is legal only where names do not count as durable.
    let legal = |ground: &Ground| {
        View::at(&ground.model, state.state.point).legal_in(&state.state, ProfileSet::ALL)
    };
    let is_named = state.state.is_kill() || !legal(&usual).is_empty();
    let mut ground = if is_named { usual } else { plain };
    let mut levels = Vec::new();
    for strike in std::iter::once(strike).chain(&strike.nested) {
        if let Some(Saved { spot, .. }) = levels.last() {
            // Nobody judges here: what that recovery showed does not matter.
            let shown = Recovery::Opened(Recovered::default());
            let recording = read(case, strike)?;
            let below = Ground::below(spot, recording, &shown, None, capabilities, device(ctx));
            ground = Rc::new(below);
        }
        let (spot, _) = spot(&ground, strike)?;
        let view = View::at(&ground.model, spot.state.point);
        let profiles = match spot.state.is_kill() {
            true => ProfileSet::EMPTY,
            false => view.legal_in(&spot.state, ProfileSet::ALL),
        };
        levels.push(Saved { spot, profiles });
    }
    let counted = counted(ctx, levels.iter().map(|level| level.profiles));
    for level in &mut levels {
        let some = level.profiles.intersection(counted);
        level.profiles = if some.is_empty() { level.profiles } else { some };
    }
    Ok(levels)
}

/// Records the requests on a new store. What the recorder cannot see past makes every answer worthless.
fn record(ctx: &Context<'_>, requests: &[Request]) -> Result<Recorded> {
    let recorded = studio(ctx).record(None, requests, ctx.options.threads)?;
    finished(&recorded.driven.end, "the case's requests were recorded again")?;
    seen(&recorded.trace)?;
    Ok(recorded)
}

/// An error where a recording has something that the recorder cannot see past.
pub fn seen(trace: &Trace) -> Result<()> {
    let calls = trace.unmodelled.keys().map(|call| format!("not modelled: {call}"));
    let unseen: Vec<String> = trace.blind.iter().cloned().chain(calls).collect();
    if unseen.is_empty() { Ok(()) } else { Err(HarnessError::NotMeasured(unseen.join("; "))) }
}

impl Judging for Prover {
    fn verdict(&mut self, spot: &Spot, image: &Image, besides: bool) -> Result<(Verdict, String)> {
        let (verdict, recovery) = judged(self, image, spot, besides)?;
        Ok((verdict, recovery.words()))
    }

    fn afresh(&mut self, spot: &Spot, image: &Image, besides: bool) -> Result<Verdict> {
        let recovery = self.fresh(image)?;
        let mut verdict = spot.ground.court.at(spot.moment(), spot.loss(), &recovery);
        if besides {
            verdict.merge(second_openings(self, image, &recovery)?);
        }
        Ok(verdict)
    }

    fn recoveries(&self) -> u64 {
        self.recoveries
    }
}
