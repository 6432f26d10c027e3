//! Two opinions about one image. It is recovered in fresh processes again: if fresh processes agree
//! with each other and not with the worker, the harness is broken; if they differ among themselves the
//! driver is not deterministic, which is said. Each of its answers was judged.

use super::ask::Disagreement;
use super::ground::Spot;
use super::prove::Prover;
use super::visit::Visitor;
use crate::base::{HarnessError, Result};
use crate::fault::FaultOutcome;
use crate::recover::Recovery;

/// How often an image is recovered again.
const TRIES: usize = 5;
/// How many disagreements are looked into.
const LOOKED_INTO: usize = 8;

/// Looks into disagreements; an error where they are the harness's own.
pub fn settle(
    visitor: &mut Visitor<'_, '_>,
    prover: &mut Prover,
    outcome: &mut FaultOutcome,
) -> Result<()> {
    let all = std::mem::take(&mut visitor.bench.disagreements);
    let beyond = all.len().saturating_sub(LOOKED_INTO);
    outcome.totals.skip("second opinions not looked into", beyond as u64);
    let mut unsteady = 0;
    for (_, one) in all.into_iter().take(LOOKED_INTO) {
        if visitor.ctx.budget.must_confirm() {
            outcome.totals.skip("second opinions not looked into", 1);
            continue;
        }
        unsteady += u64::from(is_driver(&one, prover)?);
    }
    if unsteady > 0 {
        outcome.notes.push(format!(
            "power: recovery is not deterministic: {unsteady} images recovered to different contents \
             in different processes"
        ));
    }
    Ok(())
}

/// True if the driver disagrees with itself, false if only time told the two apart; an error if the
/// harness does.
fn is_driver(one: &Disagreement<Spot>, prover: &mut Prover) -> Result<bool> {
    let hung = |recovery: &Recovery| matches!(recovery, Recovery::Hung { .. });
    if hung(&one.first) || hung(&one.second) {
        return Ok(false);
    }
    let mut fresh: Vec<Recovery> = Vec::new();
    for _ in 0..TRIES {
        fresh.push(prover.fresh(&one.image)?);
    }
    if fresh.iter().any(hung) {
        return Ok(false);
    }
    let differ = fresh.windows(2).any(|pair| !pair[0].is_like(&pair[1]));
    // `second` came from a fresh process too: unless that is what all of them say, they differ.
    if differ || !fresh[0].is_like(&one.second) {
        return Ok(true);
    }
    Err(HarnessError::broken(format!(
        "one image was recovered in a used and in a fresh process with different results, and \
         {TRIES} fresh processes agree with each other (a driver that says `reopen` must have \
         finished with a store when it answers `close`): state `{}`, used: {}, fresh: {}",
        one.ask.what.state,
        brief(&one.first),
        brief(&one.second)
    )))
}

/// A recovery in a few words.
fn brief(recovery: &Recovery) -> String {
    match recovery {
        Recovery::Opened(recovered) => format!("it opened with {} keys", recovered.contents.len()),
        Recovery::Refused { text, .. } => format!("it did not open ({text})"),
        Recovery::Crashed { how, .. } => format!("it crashed ({how})"),
        Recovery::Hung { .. } => "it hung".into(),
    }
}
