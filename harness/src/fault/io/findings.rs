//! From groups of failing runs to findings: whose door each is laid at, which groups are one, and what is
//! told of the worst.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::blame::{shown_before, without_a_failure};
use super::court::Court;
use super::examined::Place;
use super::group::{Group, Key, Scene, cause};
use super::remedy::remedy;
use super::run::Run;
use crate::base::Result;
use crate::diagnose::{self, Sites, lost_effects, mechanism};
use crate::fault::power;
use crate::fault::power::ground::{Ground, Spot, created};
use crate::fault::power::group::Member;
use crate::fault::power::prove::Prover;
use crate::fault::power::record::Studio;
use crate::fault::{Context, Finding};
use crate::image::Builder;
use crate::oracle::Kind;
use crate::persistence::Model;
use crate::recover::Worker;

/// How many findings get a source line and a remedy.
const EXPLAINED: usize = 8;

/// The part of a cause for which there was no time left that names what was lost, the guilty loss among it.
pub const LOSES: &str = "loses";

/// Said of a cause for which there was no time left.
const UNTRIED: &str = " (not looked into: the time was over)";

/// The findings, worst first; the worst ones with the source line of the call that failed and what would
/// have helped.
pub fn findings(
    ctx: &Context<'_>,
    rig: &Studio<'_>,
    groups: BTreeMap<Key, Group>,
    plain: &[Run],
    scene: &Scene<'_>,
) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut worker = Worker::new(&ctx.setup())?;
    let groups = guilty(ctx, &mut worker, groups, plain, scene)?;
    // The longest that one of them took.
    let mut longest = Duration::ZERO;
    let mut begun = Instant::now();
    for (nth, (mut key, mut group)) in by_reason(groups).into_iter().enumerate() {
        if nth > 0 {
            longest = longest.max(begun.elapsed());
        }
        begun = Instant::now();
        if ctx.budget.is_too_late_for(longest) {
            let mut finding = group.finding(&key, scene);
            finding.cause.blameless = group.run.hit.is_none();
            finding.cause.sentence.push_str(UNTRIED);
            let loses = loses(&group, scene).filter(|loses| !loses.is_empty());
            finding.cause.parts.extend(loses.map(|loses| (LOSES.to_owned(), loses)));
            findings.push(finding);
            continue;
        }
        let before = shown_before(&mut worker, &group, scene)?;
        if let Some(how) = before {
            key.sentence = format!("{how} before any call failed shows the same");
        }
        let told = match group.run.hit {
            None => cut(ctx, &mut group, scene)?,
            Some(_) => None,
        };
        if let Some(told) = &told {
            key.sentence.clone_from(&told.sentence);
        }
        let mut finding = group.finding(&key, scene);
        finding.cause.blameless = before.is_some() || group.run.hit.is_none();
        if before.is_some() {
            let same = |known: &&mut Finding| {
                known.cause.blameless && (known.kind, known.note) == (finding.kind, finding.note)
            };
            if let Some(known) = findings.iter_mut().find(same) {
                known.stand_for(finding);
                continue;
            }
        }
        if let Some(told) = told {
            let cause = &mut finding.cause;
            cause.mechanism = told.mechanism();
            cause.parts.extend(told.parts);
            cause.counterfactual = told.counterfactual.map(|remedy| remedy.to_string());
            finding.id = Finding::stable_id(finding.fault, finding.kind, &finding.cause);
            finding.cause.sentence.push_str(&format!(" ({})", told.detail));
        } else if findings.len() < EXPLAINED {
            let stage = &scene.stages[group.stage];
            if let Some(hit) = &group.run.hit {
                finding.lines.at = rig.line(stage, &group.plan, hit)?;
            }
            if !finding.note {
                finding.cause.counterfactual =
                    remedy(&mut worker, &group, &plain[group.stage], scene)?;
            }
        }
        // One flaw shows in several kinds of failures, and in the workload as in a recovery; a call that two
        // places of the program make is none.
        let one_line = |known: &Finding| match (&known.lines.at, &finding.lines.at) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let known = findings.iter_mut().find(|known: &&mut Finding| {
            (known.is_one_flaw(&finding) || finding.is_one_flaw(known)) && one_line(known)
                || is_one_mistake(known, &finding)
        });
        match known {
            Some(known) if finding.note || !known.note => known.stand_for(finding),
            Some(known) => {
                let less = std::mem::replace(known, finding);
                known.stand_for(less);
            }
            None => findings.push(finding),
        }
    }
    Ok(findings)
}

/// True if one call of one source line fails in two ways, and the same helps.
fn is_one_mistake(one: &Finding, other: &Finding) -> bool {
    // The number of the request is the run's.
    let remedy = |of: &Finding| {
        let remedy = of.cause.counterfactual.as_ref()?;
        Some(remedy.chars().filter(|c| !c.is_ascii_digit()).collect::<String>())
    };
    let part = |of: &Finding, name: &str| of.cause.parts.get(name).cloned();
    let same = |name| part(one, name).is_some() && part(one, name) == part(other, name);
    one.lines.at.is_some()
        && one.lines.at == other.lines.at
        && same("call")
        && same("file")
        && remedy(one).is_some()
        && remedy(one) == remedy(other)
}

/// What the failing state of a group lost, whatever of it is to blame; nothing where the running store shows it.
fn loses(group: &Group, scene: &Scene<'_>) -> Option<String> {
    let Place::State(state) = &group.failing.place else { return None };
    let trace = &group.run.trace;
    let model = Model::with(trace, &created(trace), scene.device);
    let sites = Sites::knowing(trace, &model, &scene.stages[group.stage].patterns);
    let lost = lost_effects(state).into_iter().filter_map(|effect| sites.of(effect).cloned());
    Some(mechanism(&lost.collect()))
}

/// Why a crash alone shows what is wrong with a group, no call having failed, as the power fault tells it,
/// which makes the case as small as it goes; nothing where the running store shows it.
fn cut(ctx: &Context<'_>, group: &mut Group, scene: &Scene<'_>) -> Result<Option<diagnose::Cause>> {
    let Place::State(state) = &group.failing.place else { return Ok(None) };
    let (run, stage) = (&group.run, &scene.stages[group.stage]);
    let before = stage.before.as_ref();
    let court = Court::new(before, run.history.clone(), &run.driven.dumps, scene.capabilities);
    let ground =
        Ground::first(run.trace.clone(), created(&run.trace), scene.device, Rc::new(court))
            .knowing(&Rc::new((*stage.patterns).clone()));
    let spot = Spot { ground: Rc::new(ground), state: state.clone() };
    let (violation, profiles) = (group.failing.violation.clone(), group.failing.profiles);
    let member = Member::new(spot, violation, profiles);
    let mut prover = Prover::new(&ctx.setup())?;
    let terms = power::group::Terms::of(ctx);
    let told = power::group::group([member], &mut prover, terms, ctx.budget)?;
    let Some(told) = told.into_iter().next() else { return Ok(None) };
    let image = Builder::new(&told.spot.ground.model).image(&told.spot.state);
    let failing = &mut group.failing;
    failing.evidence = prover.recovery(&image)?.words();
    failing.place = Place::State(told.spot.state);
    failing.violation = told.violation;
    Ok(Some(told.cause))
}

/// The groups, where what a run without failures shows as well is laid at no call's door.
fn guilty(
    ctx: &Context<'_>,
    worker: &mut Worker,
    groups: BTreeMap<Key, Group>,
    plain: &[Run],
    scene: &Scene<'_>,
) -> Result<BTreeMap<Key, Group>> {
    let mut told: BTreeMap<Key, Group> = BTreeMap::new();
    for (mut key, mut group) in groups {
        if !ctx.budget.must_confirm() {
            let stage = group.stage;
            if let Some(same) = without_a_failure(worker, &group, &plain[stage], scene)? {
                let recovers = scene.stages[stage].before.is_some();
                key.sentence = cause(None, recovers);
                group = same;
            }
        }
        match told.entry(key) {
            Entry::Vacant(place) => drop(place.insert(group)),
            Entry::Occupied(mut known) => known.get_mut().join(group),
        }
    }
    Ok(told)
}

/// Where a store says itself why it does not open, one reason is one group, whichever calls failed; a
/// program that dies of its errors does so by one policy, and one that serves what failed, or has it come
/// back later, by one habit, where that is worth a note: the group of the mildest grade, and of these the one that
/// most states show, stands for all and names the calls of the others.
fn by_reason(groups: BTreeMap<Key, Group>) -> Vec<(Key, Group)> {
    let mut told: Vec<(Key, Group)> = Vec::new();
    for (key, group) in groups {
        let same = told.iter_mut().find(|(other, known)| {
            let one_reason = match key.kind {
                Kind::Refused | Kind::RecoveryCrashed | Kind::CrashedOnError => {
                    known.is_alike(&group)
                }
                Kind::Vanished | Kind::Resurrected => key.note && other.kind == key.kind,
                _ => false,
            };
            let struck = group.run.hit.is_some() && known.run.hit.is_some();
            one_reason && struck && other.note == key.note
        });
        match same {
            Some((first, known)) if group.stands_for(known) => {
                let less = std::mem::replace(known, group);
                let sentence = std::mem::replace(first, key).sentence;
                known.absorb(sentence, less);
            }
            Some((_, known)) => known.absorb(key.sentence, group),
            None => told.push((key, group)),
        }
    }
    told
}
