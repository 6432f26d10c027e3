//! A saved case of a whole program asked of today's: the workload is recorded again, and the same calls'
//! effects are lost in the new recording. The check judges.

use std::rc::Rc;

use super::check::Checker;
use super::check_of;
use super::promises::{NoCourt, Promises};
use super::run::{begin, violation};
use crate::base::{HarnessError, Result};
use crate::fault::power::ground::{Ground, Spot};
use crate::fault::power::replayed;
use crate::fault::power::today::search::{Judging, Saved, Search};
use crate::fault::power::today::{counted, same, seen, told};
use crate::fault::today::{Effort, RECORDINGS, Today, files};
use crate::fault::{Context, FaultOutcome, asked};
use crate::image::Image;
use crate::oracle::{Kind, Verdict};
use crate::persistence::{ProfileSet, View};
use crate::scenario::{Case, Strike};

/// Asks today's program about the case.
pub fn today(ctx: &Context<'_>, case: &Case) -> Result<Today> {
    let Strike::Power(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a power cut"));
    };
    if !strike.nested.is_empty() {
        return Err(HarnessError::input(
            "case.strike.nested: a whole program has no crashes inside recovery",
        ));
    }
    let (spot, _) = replayed(ctx, case, strike, Rc::new(NoCourt))?;
    let view = View::at(&spot.ground.model, spot.state.point);
    let legal = view.legal_in(&spot.state, ProfileSet::ALL);
    let profiles = counted(ctx, std::iter::once(legal));
    let some = legal.intersection(profiles);
    let saved = Saved { profiles: if some.is_empty() { legal } else { some }, spot };
    let limit = asked::timeouts(ctx.options).open;
    let mut effort = Effort::new(ctx.budget);
    let mut made: Vec<(Rc<Ground>, Promises)> = Vec::new();
    for _ in 0..RECORDINGS {
        let one = begin(ctx, &mut FaultOutcome::default())?;
        seen(&one.0.trace)?;
        made.push(one);
    }
    let stable = made.iter().map(|(one, _)| files(&one.trace)).reduce(|all, some| &all & &some);
    let mut answered: Option<Today> = None;
    for (nth, (ground, promises)) in made.iter().enumerate() {
        if made[..nth].iter().any(|(other, _)| same(&other.trace, &ground.trace)) {
            continue;
        }
        let checker = Checker::new(check_of(ctx.target)?, limit, ctx.image_root)?;
        let mut checking = Checking { ctx, checker, promises: promises.clone(), runs: 0 };
        let upto = effort.upto(1.0 / f64::from(RECORDINGS - nth as u32));
        let mut search = Search {
            judging: &mut checking,
            effort: &mut effort,
            kind: Some(Kind::LostAck),
            profiles,
            stable: stable.clone().unwrap_or_default(),
            rng: ctx.rng.fork("today"),
            notes: Vec::new(),
        };
        let found = search.on(&saved, ground, upto)?;
        let notes = std::mem::take(&mut search.notes);
        let one = told(found, notes);
        if Today::gather(&mut answered, one) {
            break;
        }
    }
    let mut today =
        answered.ok_or_else(|| HarnessError::NotMeasured("nothing was recorded".into()))?;
    today.states = effort.states;
    Ok(today)
}

/// Judges by the check.
struct Checking<'a, 'c> {
    ctx: &'a Context<'c>,
    checker: Checker,
    promises: Promises,
    runs: u64,
}

impl Checking<'_, '_> {
    fn judged(&self, spot: &Spot, ran: &crate::driver::command::Ran) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.judged.insert(Kind::LostAck);
        if !ran.success {
            verdict.violations.push(violation(spot, &self.promises, ran));
        }
        verdict
    }

    fn text(&self, spot: &Spot) -> String {
        self.promises.text(self.promises.before(spot.state.point.0))
    }
}

impl Judging for Checking<'_, '_> {
    fn verdict(&mut self, spot: &Spot, image: &Image, _besides: bool) -> Result<(Verdict, String)> {
        self.runs += 1;
        let text = self.text(spot);
        let ran = self.checker.run(image, &text)?;
        Ok((self.judged(spot, &ran), ran.output))
    }

    fn afresh(&mut self, spot: &Spot, image: &Image, _besides: bool) -> Result<Verdict> {
        self.runs += 1;
        let limit = asked::timeouts(self.ctx.options).open;
        let mut checker = Checker::new(check_of(self.ctx.target)?, limit, self.ctx.image_root)?;
        let ran = checker.run(image, &self.text(spot))?;
        Ok(self.judged(spot, &ran))
    }

    fn recoveries(&self) -> u64 {
        self.runs
    }
}
