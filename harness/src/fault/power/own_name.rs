//! The database's own name. Many engines never sync the directory of a new database: under `strict`
//! that alone loses everything. It is judged here and is one finding; everywhere else the names made
//! before the first acknowledged `open` count as durable, and only those.

use std::rc::Rc;

use super::ground::Ground;
use super::group::Group;
use super::prove::Prover;
use super::shrink;
use super::visit::Visitor;
use super::{device, findings, profiles};
use crate::base::Result;
use crate::diagnose::{Cause, Names, Remedy};
use crate::explore::Explorer;
use crate::fault::FaultOutcome;
use crate::persistence::{CrashState, EffectNo, Loss, Model, Overlay, ProfileSet, View};
use crate::scenario::FaultName;

/// The most states that are tried.
const STATES: usize = 200;
/// The most of the fault's time that they may take, where they are slow …
const SHARE: f64 = 0.15;
/// … after so many.
const SLOW_STATES: usize = 4;
/// The most states that are looked through for them.
const LOOKED: usize = 4_000;

/// Judges states in which a name made before the first acknowledged `open` is lost.
pub fn run(
    visitor: &mut Visitor<'_, '_>,
    first: &Rc<Ground>,
    prover: &mut Prover,
    outcome: &mut FaultOutcome,
) -> Result<()> {
    let ctx = visitor.ctx;
    let Some(open) = first.overlay.durable_names_before else { return Ok(()) };
    let plain = Ground::first(
        first.trace.clone(),
        Overlay::default(),
        device(ctx),
        Rc::clone(&first.court),
    );
    let early = first.model.effects_before(open);
    let lost_early = |model: &Model, state: &CrashState| {
        let loss = state.loss()?;
        loss.lost().find(|effect| is_early_name(model, early, *effect))
    };
    let ground = Rc::new(plain);
    let mut failing: Option<Group> = None;
    let explorer =
        Explorer::new(&ground.trace, &ground.model, profiles(ctx), &ctx.rng).starting_at(open);
    let mut builder = crate::image::Builder::new(&ground.model);
    let mut tried = 0;
    let began = ctx.budget.spent();
    let mut seen = std::collections::BTreeSet::new();
    for visit in explorer.take(LOOKED) {
        let most = (STATES as u64).min(ctx.budget.cases());
        if tried as u64 >= most || ctx.budget.must_confirm() {
            break;
        }
        if tried >= SLOW_STATES && ctx.budget.spent() - began > SHARE {
            outcome.notes.push(format!(
                "power: the database's own name was looked for in {tried} states: then that had taken \
                 {SHARE} of the time"
            ));
            break;
        }
        if lost_early(&ground.model, &visit.state).is_none() {
            continue;
        }
        // Where the same loss is legal with the names durable, it is judged with the others.
        let spot = super::ground::Spot { ground: Rc::clone(&ground), state: visit.state };
        let image = builder.image(&spot.state);
        let key = ground.court.key(spot.moment(), spot.loss());
        if !seen.insert((image.hash(), key)) {
            if let Some(group) = &mut failing
                && group.profiles.union(visit.profiles) != group.profiles
                && let Some(violation) = shrink::judged(prover, &image, &spot, false)?.0.worst()
            {
                group.show(spot, violation, visit.profiles);
            }
            continue;
        }
        tried += 1;
        let (verdict, _) = shrink::judged(prover, &image, &spot, false)?;
        let Some(violation) = verdict.worst() else { continue };
        // Fails alike with those names there: what else was lost is to blame, and is judged with the
        // others.
        if let Some(state) = with_names(first, early, &spot.state, visit.profiles) {
            let image = builder.image(&state);
            let spot = super::ground::Spot { ground: Rc::clone(&ground), state };
            let again = shrink::judged(prover, &image, &spot, false)?.0;
            if again.worst().is_some_and(|other| other.kind == violation.kind) {
                continue;
            }
        }
        match &mut failing {
            Some(group) => {
                group.states += 1;
                group.show(spot, violation, visit.profiles);
            }
            None => {
                failing = Some(Group {
                    kind: violation.kind,
                    note: violation.note,
                    spot,
                    violation: violation.clone(),
                    cause: Cause::default(),
                    profiles: visit.profiles,
                    states: 1,
                    own: 1,
                    members: Rc::from([]),
                    echoes: 0,
                    requests: None,
                });
            }
        }
    }
    outcome.totals.states += tried as u64;
    if let Some(mut group) = failing {
        let lost = lost_early(&ground.model, &group.spot.state);
        let event = lost.and_then(|effect| ground.model.effect(effect)).map(|effect| effect.event);
        let path = event.map_or_else(String::new, |event| {
            let file = lost.and_then(|effect| ground.model.effect(effect)).map(|e| e.kind.file());
            let names = Names::new(&ground.trace);
            file.map_or_else(String::new, |file| names.path(file, event))
        });
        group.cause = Cause {
            sentence: "the database's own name is not durable: nothing made sure of the directory \
                       in which it was created before the first promise"
                .into(),
            parts: [("own-name".to_owned(), crate::diagnose::plain(&path))].into(),
            detail: event.map_or_else(String::new, |event| {
                let point = group.spot.state.point.0;
                format!("stopped before event {point}; lost: the name {path} of event {}", event.0)
            }),
            counterfactual: Some(Remedy::untried(
                "add fsync of the directory after the database was created",
            )),
            guilty: event,
            ..Cause::default()
        };
        outcome.findings.push(findings::finding(ctx, FaultName::Power, &group));
    }
    Ok(())
}

/// True if an effect makes or takes a name before the first acknowledged `open`.
fn is_early_name(model: &Model, early: u32, effect: EffectNo) -> bool {
    effect.0 < early && model.effect(effect).is_some_and(|found| found.kind.is_name())
}

/// The same state but for the names made before the first acknowledged `open`, which survive; nothing
/// where no profile has it.
fn with_names(
    first: &Ground,
    early: u32,
    state: &CrashState,
    profiles: ProfileSet,
) -> Option<CrashState> {
    let loss = state.loss()?;
    let kept = loss.lost().filter(|effect| !is_early_name(&first.model, early, *effect));
    let lost: Vec<u32> = kept.map(|effect| effect.0).collect();
    let state = CrashState::power(state.point, Loss::new(&lost, loss.forms().to_vec()));
    let legal = View::at(&first.model, state.point).legal_in(&state, profiles);
    (!legal.is_empty()).then_some(state)
}
