//! Whether the failing call is to blame. A state that a power cut just before the call could have left,
//! and that fails alike, is nobody's failure: the same loss shows without it. Nor is one whose twin in the
//! run without failures fails alike: a write that is torn long after a call failed is torn without it too.

use super::court::Court;
use super::examined::{self, Failing, Place};
use super::group::{Group, Scene};
use super::run::Run;
use super::twin::{Timeline, alike, twin};
use crate::base::Result;
use crate::fault::power::ground::{created, loss_of};
use crate::image::Builder;
use crate::oracle::Violation;
use crate::persistence::{CrashState, Model, ProfileSet, View};
use crate::record::Plan;
use crate::recover::{Recovery, Worker};
use crate::trace::EventNo;
use crate::workload::Moment;

/// So many states of the run without failures that lose the same sorts of things are looked at.
const ALIKE: usize = 40;

/// What is wrong with `group`, shown by `plain`, the run of its stage without a failing call, if it is.
pub fn without_a_failure(
    worker: &mut Worker,
    group: &Group,
    plain: &Run,
    scene: &Scene<'_>,
) -> Result<Option<Group>> {
    let (Some(_), Place::State(state)) = (&group.run.hit, &group.failing.place) else {
        return Ok(None);
    };
    let (overlay, there) = (created(&group.run.trace), created(&plain.trace));
    let model = Model::with(&group.run.trace, &overlay, scene.device);
    let other = Model::with(&plain.trace, &there, scene.device);
    let (struck, whole) = (
        Timeline { trace: &group.run.trace, model: &model },
        Timeline { trace: &plain.trace, model: &other },
    );
    let asked = group.failing.profiles;
    let needed = legal(&model, state, asked);
    let twins = twin(state, struck, whole).into_iter();
    let all = twins.chain(alike(state, struck, whole, needed).into_iter().take(ALIKE));
    let mut builder = Builder::new(&other);
    for same in all {
        let profiles = legal(&other, &same, asked);
        if !same.is_kill() && !as_mild(profiles, needed) {
            continue;
        }
        let recovery = worker.recover(&builder.image(&same))?;
        let Some(violation) = wrong(group, plain, &same, &recovery, scene) else {
            continue;
        };
        let (place, evidence) = (Place::State(same), recovery.words());
        let failing = Failing { violation, place, profiles, evidence, ..group.failing.clone() };
        return Ok(Some(Group::new(group.stage, &Plan::none(), plain, &failing)));
    }
    Ok(None)
}

/// How a crash before its call failed shows what is wrong with `group`, if it does: by a kill, by a power cut.
pub fn shown_before(
    worker: &mut Worker,
    group: &Group,
    scene: &Scene<'_>,
) -> Result<Option<&'static str>> {
    let run = &group.run;
    let Some(hit) = &run.hit else { return Ok(None) };
    let model = Model::with(&run.trace, &created(&run.trace), scene.device);
    let cut = match &group.failing.place {
        Place::State(state) => earlier(&model, hit.event, state, group.failing.profiles),
        Place::Running => None,
    };
    let kill = (CrashState::kill(hit.event), "a kill");
    let mut builder = Builder::new(&model);
    for (state, how) in [kill].into_iter().chain(cut.map(|state| (state, "a power cut"))) {
        let recovery = worker.recover(&builder.image(&state))?;
        if wrong(group, run, &state, &recovery, scene).is_some() {
            return Ok(Some(how));
        }
    }
    Ok(None)
}

/// Under which of these profiles a power cut can leave the state.
fn legal(model: &Model, state: &CrashState, asked: ProfileSet) -> ProfileSet {
    View::at(model, state.point).legal_in(state, asked)
}

/// True if `one` can be wherever `other` can.
fn as_mild(one: ProfileSet, other: ProfileSet) -> bool {
    !other.is_empty() && one.intersection(other) == other
}

/// What is wrong with a state of `run` as it is with `group`.
fn wrong(
    group: &Group,
    run: &Run,
    state: &CrashState,
    recovery: &Recovery,
    scene: &Scene<'_>,
) -> Option<Violation> {
    let before = scene.stages[group.stage].before.as_ref();
    let court = Court::new(before, run.history.clone(), &run.driven.dumps, scene.capabilities);
    let verdict = court.at(Moment(u64::from(state.point.0)), loss_of(state), recovery)?;
    let known = &group.failing.violation;
    let same = |found: &Violation| examined::alike(found, known) && found.note == known.note;
    verdict.violations.into_iter().find(same)
}

/// The same loss by a power cut right before the event at which the call failed; nothing where it takes
/// what came later, or where a profile that allows the one does not allow the other.
fn earlier(
    model: &Model,
    failed: EventNo,
    state: &CrashState,
    profiles: ProfileSet,
) -> Option<CrashState> {
    // What had not happened by then could not be lost: no profile has such a state.
    let earlier = CrashState::power(failed, state.loss()?.clone());
    as_mild(legal(model, &earlier, profiles), profiles).then_some(earlier)
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
