//! Whether the failing call is to blame. A state that a power cut just before the call could have left,
//! and that fails alike, is nobody's failure: the same loss shows without it.

use super::court::Court;
use super::examined::{Place, alike};
use super::group::{Group, Scene};
use crate::base::Result;
use crate::fault::power::ground::created;
use crate::image::Builder;
use crate::oracle::Loss;
use crate::persistence::{CrashState, Model, ProfileSet, View};
use crate::recover::Worker;
use crate::trace::EventNo;
use crate::workload::Moment;

/// True if what is wrong with `group` is wrong with a power cut before its call failed.
pub fn is_blameless(worker: &mut Worker, group: &Group, scene: &Scene<'_>) -> Result<bool> {
    let run = &group.run;
    let (Some(hit), Place::State(state)) = (&run.hit, &group.failing.place) else {
        return Ok(false);
    };
    let model = Model::with(&run.trace, &created(&run.trace), scene.device);
    let Some(earlier) = earlier(&model, hit.event, state, group.failing.profiles) else {
        return Ok(false);
    };
    let recovery = worker.recover(&Builder::new(&model).image(&earlier))?;
    let before = scene.stages[group.stage].before.as_ref();
    let court = Court::new(before, run.history.clone(), &run.driven.dumps, scene.capabilities);
    let verdict = court.at(Moment(u64::from(hit.event.0)), Loss::Power, &recovery);
    let same = |verdict: crate::oracle::Verdict| {
        verdict.violations.iter().any(|found| alike(found, &group.failing.violation))
    };
    Ok(verdict.is_some_and(same))
}

/// The same loss by a power cut right before the event at which the call failed; nothing where it takes
/// what came later, or where a profile that allows the one does not allow the other.
fn earlier(
    model: &Model,
    failed: EventNo,
    state: &CrashState,
    profiles: ProfileSet,
) -> Option<CrashState> {
    let loss = state.loss()?;
    let known = model.effects_before(failed);
    let late = |effect: u32| effect >= known;
    if loss.lost().any(|effect| late(effect.0))
        || loss.forms().iter().any(|(effect, _)| late(*effect))
    {
        return None;
    }
    let earlier = CrashState::power(failed, loss.clone());
    let legal = View::at(model, failed).legal_in(&earlier, profiles);
    (!legal.is_empty() && legal == profiles).then_some(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::persistence::{Loss, Profile};
    use crate::trace::EventKind;

    /// A write, what failed then, another write: the state at the end that lost these of the writes.
    fn told(lost: [bool; 2], synced_before: bool) -> Option<CrashState> {
        let mut script = Script::new();
        script.create("log");
        script.fsync("log");
        script.fsync("");
        let first = script.write("log", 0, b"first");
        if synced_before {
            script.fsync("log");
        }
        let failed = script.event(EventKind::Warn("here a call failed".into()));
        let second = script.write("log", 8192, b"second");
        let model = script.model();
        let lost: Vec<u32> = [first, second]
            .into_iter()
            .zip(lost)
            .filter(|(_, lost)| *lost)
            .flat_map(|(event, _)| model.effects_of(event))
            .collect();
        let end = EventNo(script.trace.events.len() as u32);
        let state = CrashState::power(end, Loss::new(&lost, Vec::new()));
        let strict: ProfileSet = [Profile::Strict].into_iter().collect();
        let earlier = earlier(&model, failed, &state, strict);
        if let Some(earlier) = &earlier {
            assert_eq!((earlier.point, earlier.loss()), (failed, state.loss()));
        }
        earlier
    }

    #[test]
    fn a_call_is_blameless_where_its_failure_took_nothing_that_was_not_already_at_stake() {
        assert!(told([true, false], false).is_some());
        assert!(told([true, true], false).is_none(), "what came later was not at stake before");
        assert!(told([false, true], false).is_none());
        assert!(told([true, false], true).is_none(), "what was durable cannot be lost by a cut");
    }

    #[test]
    fn a_kill_loses_nothing_that_could_have_been_lost_before() {
        let mut script = Script::new();
        script.create("log");
        let model = script.model();
        assert!(
            earlier(&model, EventNo(1), &CrashState::kill(EventNo(1)), ProfileSet::ALL).is_none()
        );
    }
}
