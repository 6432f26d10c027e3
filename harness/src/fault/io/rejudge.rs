//! One saved case, judged again from nothing. What a restart or a power cut showed is judged from the
//! recording, so that the very same bytes are recovered from; what the running store showed is run again
//! with the same plan, or judged from the recording where several requests were outstanding.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::case::loss_word;
use super::court::Court;
use super::examined::Examined;
use super::run::{Before, Hit, Stage, first_hit};
use super::running::{living, running};
use crate::base::{HarnessError, Result, limits};
use crate::driver::{DriverFault, Dump, End, Hang, Timeouts};
use crate::fault::power::ground::{created, loss_of};
use crate::fault::power::record::Studio;
use crate::fault::power::{device, studio};
use crate::fault::{Context, Rejudged, second, stored};
use crate::image::Builder;
use crate::oracle::Verdict;
use crate::persistence::{CrashState, Model, Profile, ProfileSet, View};
use crate::record::{Extent, Plan, Strike as Blow};
use crate::recover::{Recovery, Worker};
use crate::scenario::{Case, IoStrike, PowerStrike, ShownText, Strike};
use crate::trace::{Trace, file};
use crate::workload::text::{parse_key, parse_value};
use crate::workload::{Contents, History, Moment, OpNo, Workload};

/// Judges the case.
pub fn rejudge(ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
    let Strike::Io(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected a failing call"));
    };
    let plan: Plan = strike.plan.parse()?;
    let lines = strike.workload.iter().map(String::as_str);
    let requests = Workload::parse(lines)
        .map_err(|error| HarnessError::input(format!("case.strike.workload: {error}")))?
        .requests;
    let before = match &strike.before {
        None => None,
        Some(text) => Some(Before {
            history: text.history.parse()?,
            image: stored::get(&case.files, &text.image),
        }),
    };
    let threads = strike.threads.unwrap_or(1);
    if !(1..=limits::THREADS).contains(&threads) {
        let text = format!("case.strike.threads: expected 1 to {}", limits::THREADS);
        return Err(HarnessError::input(text));
    }
    let stage = Stage { before, ..Stage::new(requests, threads) };
    match (&strike.power, &strike.trace) {
        (Some(power), _) => recorded(ctx, case, strike, power, &stage),
        (None, Some(name)) => {
            let trace = read(case, ("case.strike.trace", name))?;
            let (history, dumps) = (trace.history(), dumps(&strike.shown)?);
            Ok(shown(ctx, &stage, history, &dumps, first_hit(&trace, &stage.patterns).as_ref()))
        }
        (None, None) => anew(ctx, &stage, &plan),
    }
}

/// What the dumps of a recorded run show.
fn shown(
    ctx: &Context<'_>,
    stage: &Stage,
    history: History,
    dumps: &[(OpNo, Dump)],
    hit: Option<&Hit>,
) -> Rejudged {
    let court = Court::new(stage.before.as_ref(), history, dumps, &ctx.control.capabilities);
    let mut seen = Examined::default();
    living(&court, dumps, hit, &mut seen);
    found(seen)
}

/// What a restart or a power cut leaves, from the recording.
fn recorded(
    ctx: &Context<'_>,
    case: &Case,
    strike: &IoStrike,
    power: &PowerStrike,
    stage: &Stage,
) -> Result<Rejudged> {
    let trace = read(case, ("case.strike.power.trace", &power.trace))?;
    let state: CrashState = power.state.parse()?;
    if state.point.0 != power.point || power.loss != loss_word(&state) {
        return Err(HarnessError::input(format!(
            "case.strike.power: point {} and loss `{}`: the state says {} and `{}`",
            power.point,
            power.loss.escape_default(),
            state.point.0,
            loss_word(&state)
        )));
    }
    let model = Model::with(&trace, &created(&trace), device(ctx));
    if state.point > model.last_point() {
        return Err(HarnessError::input(format!(
            "case.strike.power.point: {}: the trace has {} events",
            state.point.0,
            model.last_point().0
        )));
    }
    let view = View::at(&model, state.point);
    if view.legal_in(&state, ProfileSet::ALL).is_empty()
        && let Err(breach) = view.check(&state, Profile::Strict)
    {
        return Err(HarnessError::input(format!(
            "case.strike.power.state: no profile allows it: {breach}"
        )));
    }
    let image = Builder::new(&model).image(&state);
    let dumps = dumps(&strike.shown)?;
    let capabilities = &ctx.control.capabilities;
    let court = Court::new(stage.before.as_ref(), trace.history(), &dumps, capabilities);
    let mut worker = Worker::new(&ctx.setup())?;
    let recovery = worker.recover(&image)?;
    let moment = Moment(u64::from(state.point.0));
    let mut verdict = court.at(moment, loss_of(&state), &recovery).unwrap_or_default();
    // Whatever else was found: what a second opening shows is a finding of its own.
    if state.is_kill() && matches!(recovery, Recovery::Opened(_)) {
        verdict.merge(second::again(&mut worker, &image)?);
    }
    Ok(Rejudged { verdict, evidence: recovery.words() })
}

pub(super) fn read(case: &Case, (field, name): (&str, &str)) -> Result<Trace> {
    let shown = name.escape_default();
    let bytes = case
        .files
        .get(name)
        .ok_or_else(|| HarnessError::input(format!("{field}: no file `{shown}`")))?;
    file::decode(bytes).map_err(|why| HarnessError::input(format!("{shown}: {why}")))
}

fn dumps(shown: &[ShownText]) -> Result<Vec<(OpNo, Dump)>> {
    let one = |text: &ShownText| {
        let mut contents = Contents::new();
        for (key, value) in &text.pairs {
            contents.insert(parse_key(key)?, parse_value(value)?);
        }
        Ok((OpNo(text.op), Dump { contents, ..Dump::default() }))
    };
    shown.iter().map(one).collect()
}

/// What the running store shows, run again. A hang is waited for as long as the user says where it is
/// confirmed, as far as the run's time goes.
fn anew(ctx: &Context<'_>, stage: &Stage, plan: &Plan) -> Result<Rejudged> {
    let rig = studio(ctx);
    if !ctx.budget.confirms() {
        let brief = Some(ctx.brief_timeouts());
        return one_run(&Studio { brief, ..rig }, stage, plan, None);
    }
    let whole = rig.timeouts;
    let left = ctx.budget.deadline().map(|end| end.saturating_duration_since(Instant::now()));
    match left {
        Some(left) if left < whole.open.max(whole.op) => {
            let left = Timeouts { open: left, op: left };
            let brief = Some(left.max(&ctx.brief_timeouts()).min(&whole));
            one_run(&Studio { brief, ..rig }, stage, plan, Some(whole))
        }
        _ => one_run(&rig, stage, plan, None),
    }
}

/// One run; `cut` are the user's limits where those of the run are shorter.
fn one_run(
    rig: &Studio<'_>,
    stage: &Stage,
    plan: &Plan,
    cut: Option<Timeouts>,
) -> Result<Rejudged> {
    let mut run = rig.run(stage, plan, false)?;
    if let (Some(whole), End::Failed(DriverFault::Hung { after_ms, hang, .. })) =
        (cut, &mut run.driven.end)
    {
        *hang = Hang::Cut { after: Duration::from_millis(*after_ms), of: whole.op };
    }
    let history = run.history.clone();
    let court = Court::new(stage.before.as_ref(), history, &run.driven.dumps, rig.capabilities);
    let mut seen = Examined::default();
    running(&run, &court, &mut seen);
    Ok(found(seen))
}

/// All that is wrong.
fn found(seen: Examined) -> Rejudged {
    let mut verdict = Verdict { judged: seen.judged, ..Verdict::default() };
    let mut evidence = String::new();
    for failing in seen.failing {
        evidence.push_str(&failing.evidence);
        verdict.violations.push(failing.violation);
    }
    verdict.violations.sort_by_key(|violation| (violation.note, violation.kind));
    Rejudged { verdict, evidence }
}

/// Fewer requests after the failure, and a failure that lasts no longer than it must. What is judged
/// from a recording is as small as it gets.
pub fn smaller(case: &Case) -> Vec<Case> {
    let Strike::Io(strike) = &case.strike else { return Vec::new() };
    if strike.power.is_some() || strike.trace.is_some() {
        return Vec::new();
    }
    let with = |change: &dyn Fn(&mut IoStrike)| {
        let mut strike = strike.clone();
        change(&mut strike);
        Case { strike: Strike::Io(strike), ..case.clone() }
    };
    let mut smaller = Vec::new();
    let lines = strike.workload.len();
    let mut kept: BTreeMap<usize, ()> = BTreeMap::new();
    for part in [2, 4, 8] {
        kept.insert(lines - lines / part, ());
    }
    kept.insert(lines.saturating_sub(1), ());
    for (keep, ()) in kept {
        if keep > 0 && keep < lines {
            smaller.push(with(&|strike| strike.workload.truncate(keep)));
        }
    }
    if let Ok(plan) = strike.plan.parse::<Plan>() {
        let once = Plan(plan.0.iter().map(|blow| shorter(*blow)).collect());
        if once != plan {
            smaller.push(with(&|strike| strike.plan = once.to_string()));
        }
    }
    smaller
}

fn shorter(blow: Blow) -> Blow {
    match blow {
        Blow::Fail { nth, errno, .. } => Blow::Fail { nth, errno, extent: Extent::Once },
        other => other,
    }
}
