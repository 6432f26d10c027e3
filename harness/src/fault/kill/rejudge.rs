//! Judging one saved kill again, in a fresh process and directory.

use crate::base::{HarnessError, Result};
use crate::driver::Capabilities;
use crate::oracle::Loss;
use crate::recover::Worker;
use crate::scenario::{Case, CycleText, Strike};
use crate::workload::text::{parse_key, parse_value};
use crate::workload::{Contents, History};

use super::super::context::Context;
use super::super::outcome::Rejudged;
use super::super::{power, second, stored};
use super::tally::{cycles, end, evidence};

/// So few requests after a recovery are left out one by one.
const FEW: usize = 12;

/// The verdict on `case`.
pub(super) fn rejudge(ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
    let Strike::Kill(kill) = &case.strike else {
        return Err(HarnessError::input("the case is no kill"));
    };
    let capabilities = Capabilities::parse(case.capabilities.split_whitespace())
        .map_err(|why| HarnessError::input(format!("capabilities: {why}")))?;
    let earlier = kill.earlier.iter().map(cycle).collect::<Result<Vec<(History, Contents)>>>()?;
    let history = kill.history.parse()?;
    let image = stored::get(&case.files, &kill.image);
    let mut setup = crate::recover::Setup { capabilities: capabilities.clone(), ..ctx.setup() };
    if !kill.then.is_empty() {
        setup.usage = power::requests(&kill.then)?;
    }
    let mut worker = Worker::new(&setup)?;
    let recovery = worker.recover(&image)?;
    let cycles = cycles(&capabilities, &earlier);
    let mut verdict = cycles.judge(&history).at(end(&history), Loss::Kill, &recovery);
    if verdict.violations.is_empty() {
        verdict.merge(second::again(&mut worker, &image)?);
    }
    Ok(Rejudged { verdict, evidence: evidence(&recovery) })
}

fn cycle(text: &CycleText) -> Result<(History, Contents)> {
    let mut shown = Contents::new();
    for (key, value) in &text.shown {
        shown.insert(parse_key(key)?, parse_value(value)?);
    }
    Ok((text.history.parse()?, shown))
}

/// Fewer cycles before; then fewer requests of the last one, where they are not part of what is lost.
pub(super) fn smaller(case: &Case) -> Vec<Case> {
    let Strike::Kill(kill) = &case.strike else { return Vec::new() };
    let with = |change: &dyn Fn(&mut crate::scenario::KillStrike)| {
        let mut kill = kill.clone();
        change(&mut kill);
        Case { strike: Strike::Kill(kill), ..case.clone() }
    };
    let mut smaller = Vec::new();
    if !kill.earlier.is_empty() {
        smaller.push(with(&|kill| kill.earlier.clear()));
        if kill.earlier.len() > 1 {
            smaller.push(with(&|kill| drop(kill.earlier.remove(0))));
        }
    }
    for then in shorter(&kill.then) {
        smaller.push(with(&|kill| kill.then.clone_from(&then)));
    }
    smaller
}

/// Fewer requests after the recovery: what was asked up to the half, and each left out where they are few.
fn shorter(then: &[String]) -> Vec<Vec<String>> {
    let mut shorter = Vec::new();
    if then.len() > 1 {
        shorter.push(then[..then.len() / 2].to_vec());
        shorter.push(then[..then.len() - 1].to_vec());
    }
    if (2..=FEW).contains(&then.len()) {
        shorter.extend((0..then.len()).map(|without| {
            let kept = then.iter().enumerate().filter(|(at, _)| *at != without);
            kept.map(|(_, line)| line.clone()).collect()
        }));
    }
    shorter
}
