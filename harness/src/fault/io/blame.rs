//! Whether the failing call is to blame. A state that a power cut just before the call could have left,
//! and that fails alike, is nobody's failure: the same loss shows without it.

use super::court::Court;
use super::examined::{Place, alike};
use super::group::{Group, Scene};
use crate::base::Result;
use crate::fault::power::ground::created;
use crate::image::Builder;
use crate::oracle::Loss;
use crate::persistence::{CrashState, Model, View};
use crate::recover::Worker;
use crate::workload::Moment;

/// True if what is wrong with `group` is wrong with a power cut before its call failed.
pub fn is_blameless(worker: &mut Worker, group: &Group, scene: &Scene<'_>) -> Result<bool> {
    let run = &group.run;
    let (Some(hit), Place::State(state)) = (&run.hit, &group.failing.place) else {
        return Ok(false);
    };
    let Some(loss) = state.loss() else { return Ok(false) };
    let model = Model::with(&run.trace, &created(&run.trace), scene.device);
    let known = model.effects_before(hit.event);
    let late = |effect: u32| effect >= known;
    if loss.lost().any(|effect| late(effect.0))
        || loss.forms().iter().any(|(effect, _)| late(*effect))
    {
        return Ok(false);
    }
    let earlier = CrashState::power(hit.event, loss.clone());
    let legal = View::at(&model, hit.event).legal_in(&earlier, group.failing.profiles);
    if legal.is_empty() || legal != group.failing.profiles {
        return Ok(false);
    }
    let recovery = worker.recover(&Builder::new(&model).image(&earlier))?;
    let before = scene.stages[group.stage].before.as_ref();
    let court = Court::new(before, run.history.clone(), &run.driven.dumps, scene.capabilities);
    let verdict = court.at(Moment(u64::from(hit.event.0)), Loss::Power, &recovery);
    let same = |verdict: crate::oracle::Verdict| {
        verdict.violations.iter().any(|found| alike(found, &group.failing.violation))
    };
    Ok(verdict.is_some_and(same))
}
