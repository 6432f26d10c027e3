//! One run of the fault, stage by stage: record, visit every strategy that ends, crash inside
//! recoveries, then random states. Where the strategies are through and much of the budget is left,
//! random states have only their share of it: then another workload is recorded and the stages begin
//! again, a round. Then settle, group, report.

use std::rc::Rc;

use super::nested::Nesting;
use super::prove::Prover;
use super::stage::Stage;
use super::visit::{Ended, Share};
use super::{
    clean_close, device, fewer, findings, group, own_name, profiles, settle, source, studio,
};
use crate::base::{HarnessError, Result};
use crate::diagnose::{self, INSIDE};
use crate::explore::Explorer;
use crate::fault::{Context, FaultOutcome, Finding, NONE_HELPS, Progress, asked};
use crate::oracle::{Kind, Loss, called_for};
use crate::record::is_one_line;
use crate::scenario::FaultName;

/// After one state of each group, one recovery of each sort is cut again up to this part of the budget.
const FIRST_NESTED: f64 = 0.4;
/// The strategies have this part of the budget before crashes inside recovery are tried, …
const STRATEGIES: f64 = 0.75;
/// … which then have it up to here; the rest is for random states.
const NESTED: f64 = 0.92;
/// Before another round random states have this part of what the round has spent so far.
const RANDOM: f64 = 0.25;

/// So many states without a new image, and there is nothing left to see.
const BARREN: u64 = 5_000;

/// Another round begins only where at least this part of the budget is left, 0 to 1.
const WORTHWHILE: f64 = 0.15;

/// Where cases are counted, another workload is recorded only while one brings at least one new image
/// for this many cases, …
const SPARSE: u64 = 100;
/// … or this many in a row did not.
const BARREN_ROUNDS: u32 = 3;

/// How many findings get a source line.
const SOURCES: usize = 10;
/// How many findings are looked for with fewer requests.
const FEWER: usize = 3;

/// Runs the fault.
pub fn run(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let mut outcome = FaultOutcome::default();
    outcome.called_for.extend(called_for::of_crashes(Loss::Power, &ctx.control.capabilities));
    outcome.called_for.extend(called_for::of_second_openings());
    let mut stage = Stage::set_up(ctx, FaultName::Power, &mut outcome)?;
    let mut rounds = 1;
    let mut barren = 0;
    loop {
        let is_last = rounds >= asked::rounds(ctx.options) || barren + 1 >= BARREN_ROUNDS;
        let before = stage.visitor.bench.memory.images();
        let ended = explore(&mut stage, &mut outcome, is_last)?;
        let new = stage.visitor.bench.memory.images() - before;
        barren = if new * SPARSE < ctx.budget.cases() { barren + 1 } else { 0 };
        if is_last || ended == Ended::Spent || stage.visitor.spent() >= 1.0 - WORTHWHILE {
            break;
        }
        match stage.record_again(rounds, &mut outcome) {
            // What the recordings before it showed stands.
            Err(HarnessError::NotMeasured(why)) => {
                outcome.blind.push(why);
                break;
            }
            done => done?,
        }
        rounds += 1;
    }
    if rounds > 1 {
        outcome.notes.push(format!("power: {rounds} workloads were recorded, one after the other"));
    }
    conclude(stage, outcome)
}

/// Visits what kills of the recorded run leave, and kills inside the recoveries from them: every crash
/// point, and every write in flight cut at its page boundaries. For the kill fault, which takes its
/// exact moments from here and kills live processes besides.
pub fn kills(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let mut outcome = FaultOutcome::default();
    let mut stage = Stage::set_up(ctx, FaultName::Kill, &mut outcome)?;
    let first = Rc::clone(&stage.first);
    let sorts = diagnose::sorts(&first.trace, &first.model);
    let mut explorer = Explorer::new(&first.trace, &first.model, profiles(ctx), &ctx.rng)
        .only_kills()
        .by_groups(sorts);
    outcome.totals.crash_points += explorer.points().len() as u64;
    let share = |upto| Share { upto, images: u64::MAX, barren: BARREN };
    groups_first(&mut stage, &mut explorer, &mut outcome, share)?;
    let kills = explorer.by_ref().take_while(|visit| visit.kill);
    stage.visitor.visit(&first, kills, share(STRATEGIES))?;
    nesting(ctx).run(&mut stage.visitor, &mut outcome, &mut stage.cut_again, f64::INFINITY)?;
    told(&mut explorer, &mut outcome);
    conclude(stage, outcome)
}

/// Visits the states of the latest recording, and crashes inside the recoveries from them. In the last
/// round, or where too little would be left for another, until the budget is spent.
fn explore(stage: &mut Stage<'_, '_>, outcome: &mut FaultOutcome, is_last: bool) -> Result<Ended> {
    let (ctx, first) = (stage.visitor.ctx, Rc::clone(&stage.first));
    let rng = ctx.rng.fork(&format!("round {}", first.round));
    let mut explorer = Explorer::new(&first.trace, &first.model, profiles(ctx), &rng)
        .by_groups(diagnose::sorts(&first.trace, &first.model));
    outcome.totals.crash_points += explorer.points().len() as u64;
    let spent = stage.visitor.spent();
    let share =
        |part: f64| Share { upto: spent + (1.0 - spent) * part, images: u64::MAX, barren: BARREN };
    groups_first(stage, &mut explorer, outcome, share)?;
    let ends = std::iter::from_fn(|| if explorer.is_endless() { None } else { explorer.next() });
    stage.visitor.visit(&first, ends, share(STRATEGIES))?;
    explorer.give_back();
    if first.round == 0 {
        own_name::run(&mut stage.visitor, &first, &mut stage.prover, outcome)?;
    }
    let upto = share(NESTED).upto;
    nesting(ctx).run(&mut stage.visitor, outcome, &mut stage.cut_again, upto)?;
    let now = stage.visitor.spent();
    let upto = match now + (now - spent) * RANDOM {
        upto if is_last || upto > 1.0 - WORTHWHILE => f64::INFINITY,
        upto => upto,
    };
    let ended = stage.visitor.visit(&first, explorer.by_ref(), Share { upto, ..share(1.0) })?;
    told(&mut explorer, outcome);
    Ok(ended)
}

/// Visits the states of the groups of the latest recording, then some of one recovery of each sort.
fn groups_first(
    stage: &mut Stage<'_, '_>,
    explorer: &mut Explorer<'_>,
    outcome: &mut FaultOutcome,
    share: impl Fn(f64) -> Share,
) -> Result<()> {
    let first = Rc::clone(&stage.first);
    let chosen = std::iter::from_fn(|| if explorer.is_choosing() { explorer.next() } else { None });
    stage.visitor.visit(&first, chosen, share(STRATEGIES))?;
    explorer.give_back();
    let (visitor, again) = (&mut stage.visitor, &mut stage.cut_again);
    nesting(visitor.ctx).first_of_each(visitor, outcome, again, share(FIRST_NESTED).upto)
}

fn nesting<'a>(ctx: &'a Context<'_>) -> Nesting<'a> {
    Nesting {
        studio: studio(ctx),
        device: device(ctx),
        profiles: profiles(ctx),
        rng: ctx.rng.fork("nested"),
    }
}

/// Adds what the exploration of one recording skipped and covered.
fn told(explorer: &mut Explorer<'_>, outcome: &mut FaultOutcome) {
    explorer.give_back();
    if let Some(covered) = explorer.covered() {
        outcome.totals.covered.add(&covered);
    }
    for (reason, count) in explorer.skipped() {
        outcome.totals.skip(reason, *count);
    }
}

/// Settles what is under way; from what was seen to what is reported.
fn conclude(stage: Stage<'_, '_>, mut outcome: FaultOutcome) -> Result<FaultOutcome> {
    let Stage { mut visitor, mut prover, requests, cut_again, .. } = stage;
    visitor.ctx.observer.on(Progress::Concluding(visitor.fault));
    visitor.bench.settle()?;
    settle::settle(&mut visitor, &mut prover, &mut outcome)?;
    let ctx = visitor.ctx;
    let counted = visitor.totals();
    let totals = &mut outcome.totals;
    totals.requests += requests;
    totals.states += counted.states;
    totals.distinct_images += counted.distinct_images;
    totals.recoveries += counted.recoveries;
    totals.first_failure = counted.first_failure;
    let bench = &mut visitor.bench;
    let unknown = "kills between the looks at a large shared mapping: what they leave is not known";
    totals.skip(unknown, visitor.unknown_kills);
    totals.skip("failing states over the limit, counted and not grouped", bench.beyond);
    outcome.judged.extend(bench.judged.iter().copied());
    outcome.undecided += bench.undecided;
    outcome.notes.push(format!(
        "{}: {} legal states visited, {} of them answered from memory (image and promise seen \
         before); {} distinct recoveries",
        visitor.fault,
        visitor.visited,
        bench.repeated,
        bench.memory.recoveries()
    ));
    outcome.totals.covered.again = cut_again.covered();
    if cut_again.recorded > 0 {
        outcome.notes.push(format!(
            "{}: {} recoveries were recorded and cut again",
            visitor.fault, cut_again.recorded
        ));
    }
    let failures = std::mem::take(&mut bench.failures);
    let confirmed = std::mem::take(&mut bench.confirmed);
    let failures = clean_close::subtract(ctx, failures, &bench.memory, &mut prover, &mut outcome)?;
    let terms = group::Terms::of(ctx);
    let members = failures.values().filter_map(group::Member::of);
    let groups = group::group(members, &mut prover, terms, ctx.budget)?;
    for (nth, mut group) in groups.into_iter().enumerate() {
        let in_use = group.kind == Kind::DiedInUse;
        let first = nth < FEWER && !group.note && visitor.fault == FaultName::Power && !in_use;
        if first && !ctx.budget.must_confirm() {
            with_fewer(ctx, &mut prover, &mut group)?;
        }
        let mut finding = findings::finding(ctx, visitor.fault, &group);
        if confirmed.contains(&finding.kind) {
            finding.frequency = Some((1, 1));
        }
        let wanted = outcome.findings.len() < SOURCES && !in_use;
        if wanted && !ctx.budget.must_confirm() {
            let guilty = source::of(ctx, &group, group.cause.guilty)?;
            let behind = source::of(ctx, &group, group.cause.comes_before())?;
            (finding.lines.at, finding.lines.before) = guilty.told_apart(&behind);
            let remedy = group.cause.counterfactual.as_ref();
            let drops = remedy.and_then(|remedy| remedy.whole).is_some_and(|whole| whole.appended);
            let none_helps = finding.cause.parts.contains_key(NONE_HELPS);
            if drops || none_helps || is_of_recovery(group.kind) {
                finding.lines.recovery = source::recovery(ctx, &group)?;
            }
        }
        // Recovery's loss, or that after it, by the same line of the program is the same flaw; and one remedy is
        // told once.
        let known = outcome.findings.iter_mut().find(|known| {
            let remedy = |of: &Finding| of.cause.parts.get("remedy").cloned();
            let lines = known.lines.at.as_deref().zip(finding.lines.at.as_deref());
            let line = lines.is_some_and(|(one, other)| is_one_line(one, other));
            let cured = remedy(known).is_some() && remedy(known) == remedy(&finding);
            // Where no lines are known, the same sync that is missing.
            let lineless = known.lines.at.is_none() && finding.lines.at.is_none();
            let cured =
                cured || lineless && added(known).is_some() && added(known) == added(&finding);
            let half = finding.cause.parts.contains_key(INSIDE);
            (line || cured || half) && known.is_one_flaw(&finding)
        });
        match known {
            Some(known) => known.stand_for(finding),
            None => outcome.findings.push(finding),
        }
    }
    Ok(outcome)
}

/// The sync that a finding's remedy adds: `add fsync of log`, wherever that is.
fn added(finding: &Finding) -> Option<&str> {
    let remedy = finding.cause.counterfactual.as_deref()?;
    let place = [" after ", " before ", " in recovery", " at the start"];
    let end = place.iter().filter_map(|place| remedy.find(place)).min()?;
    remedy.get(..end).filter(|sync| sync.starts_with("add "))
}

/// True if what recovery did with what the crash left is worth a word: not where it is gone, nor where recovery
/// does not come to an end.
fn is_of_recovery(kind: Kind) -> bool {
    match kind {
        Kind::LostAck | Kind::Vanished | Kind::LostBeforeDamage | Kind::SilentLoss => false,
        Kind::RecoveryHung | Kind::DiedInUse | Kind::NotWritable | Kind::CrashedOnError => false,
        Kind::CorruptValue | Kind::GhostKey | Kind::TornBatch | Kind::Hole => true,
        Kind::Resurrected | Kind::Unstable | Kind::RecoveryCrashed => true,
        Kind::Refused | Kind::RefusedUnborn => true,
    }
}

/// Has the smallest recording that shows a group stand for it.
fn with_fewer(ctx: &Context<'_>, prover: &mut Prover, group: &mut group::Group) -> Result<()> {
    let Some(profile) = group::legal_profile(group) else { return Ok(()) };
    match fewer::fewer(ctx, prover, group, profile)? {
        Some(found) => group.adopt(found, prover, group::Terms::of(ctx), ctx.budget),
        None => Ok(()),
    }
}
