//! The database's own name. Many engines never sync the directory of a new database: under `strict`
//! that alone loses everything. It is judged here and is one finding; everywhere else the names made
//! before the first acknowledged `open` count as durable, and only those. A rename that opening a new
//! database makes is told as any other, and what fails with all names there is no matter of names.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ground::{Ground, Spot};
use super::group::{Group, Member, Terms, group};
use super::prove::Prover;
use super::shrink;
use super::visit::Visitor;
use super::{device, findings, profiles};
use crate::base::Result;
use crate::diagnose::Names;
use crate::explore::Explorer;
use crate::fault::FaultOutcome;
use crate::persistence::{
    CrashState, EffectKind, EffectNo, Loss, Model, Overlay, ProfileSet, View,
};
use crate::scenario::FaultName;
use crate::trace::EventNo;

/// What its loss is called.
const OWN_NAME: &str = "the database's own name is not durable: nothing made sure of the directory in which it \
                        was created before the first promise";
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
    let ground = Rc::new(plain);
    let mut failing: Vec<Member> = Vec::new();
    let explorer =
        Explorer::new(&ground.trace, &ground.model, profiles(ctx), &ctx.rng).starting_at(open);
    let mut builder = crate::image::Builder::new(&ground.model);
    let mut tried = 0;
    let began = ctx.budget.spent();
    let mut seen: BTreeMap<(u128, u64), Option<usize>> = BTreeMap::new();
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
        if !loses_early(&ground.model, early, &visit.state) {
            continue;
        }
        let spot = Spot { ground: Rc::clone(&ground), state: visit.state };
        let image = builder.image(&spot.state);
        let key = ground.court.key(spot.moment(), spot.loss());
        if let Some(known) = seen.get(&(image.hash(), key)) {
            if let Some(at) = *known {
                let member: &mut Member = &mut failing[at];
                member.widen(spot, visit.profiles);
            }
            continue;
        }
        tried += 1;
        let known = seen.entry((image.hash(), key)).or_insert(None);
        let (verdict, _) = shrink::judged(prover, &image, &spot, false)?;
        let Some(violation) = verdict.worst() else { continue };
        // Fails alike with those names there: what else was lost is to blame, and is judged with the
        // others.
        if let Some(state) = with_names(first, early, &spot.state, visit.profiles) {
            let image = builder.image(&state);
            let spot = Spot { ground: Rc::clone(&ground), state };
            let again = shrink::judged(prover, &image, &spot, false)?.0;
            if again.worst().is_some_and(|other| other.kind == violation.kind) {
                continue;
            }
        }
        *known = Some(failing.len());
        failing.push(Member::new(spot, violation.clone(), visit.profiles));
    }
    outcome.totals.states += tried as u64;
    let groups = group(failing, prover, Terms::of(ctx), ctx.budget)?;
    let (created, renamed): (Vec<Group>, Vec<Group>) =
        groups.into_iter().partition(|group| is_creation(group, early));
    // Whichever of the names is lost, one sync of the directory after the last of them is missing.
    let mut created = created.into_iter();
    let own = created.next().map(|mut own| {
        created.for_each(|other| own.absorb(other));
        let path = own.cause.guilty.map_or_else(String::new, |event| named(&ground, early, event));
        own.cause.sentence = OWN_NAME.into();
        own.cause.parts = [("own-name".to_owned(), ground.patterns.path(&path))].into();
        own
    });
    for group in own.into_iter().chain(renamed) {
        outcome.findings.push(findings::finding(ctx, FaultName::Power, &group));
    }
    Ok(())
}

/// True if a state lost a name that was made before the first acknowledged `open`.
fn loses_early(model: &Model, early: u32, state: &CrashState) -> bool {
    let lost = state.loss().into_iter().flat_map(Loss::lost);
    lost.into_iter().any(|effect| is_early_name(model, early, effect))
}

/// True if all that a group's state lost of what counts are names that files were created with.
fn is_creation(group: &Group, early: u32) -> bool {
    let model = &group.spot.ground.model;
    let Some(loss) = group.spot.state.loss() else { return false };
    let names: Vec<EffectNo> =
        loss.lost().filter(|effect| is_early_name(model, early, *effect)).collect();
    let creates = |effect: &EffectNo| {
        model.effect(*effect).is_some_and(|found| matches!(found.kind, EffectKind::Link { .. }))
    };
    let path = |effect: &EffectNo| {
        let event = model.effect(*effect).map(|found| found.event);
        event.map_or_else(String::new, |event| named(&group.spot.ground, early, event))
    };
    // What stands in a folder of the program's own is told as any other name.
    let on_top = |effect: &EffectNo| !path(effect).contains('/');
    !names.is_empty() && names.iter().all(|name| creates(name) && on_top(name))
}

/// The path of the name that an event made.
fn named(ground: &Ground, early: u32, event: EventNo) -> String {
    let names = Names::new(&ground.trace);
    let mut effects = ground.model.effects_of(event).map(EffectNo);
    let name = effects.find(|effect| is_early_name(&ground.model, early, *effect));
    let file = name.and_then(|effect| ground.model.effect(effect)).map(|found| found.kind.file());
    file.map_or_else(String::new, |file| names.path(file, event))
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
