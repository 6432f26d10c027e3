//! One run: record the workload, visit its crash states, check each, group what failed.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::check::{Checked, Checker, Pool};
use super::promises::{NoCourt, Promises};
use super::{WORKLOAD_LIMIT, check_of, filled};
use crate::base::{HarnessError, Result};
use crate::diagnose;
use crate::driver::command::Ran;
use crate::driver::{Capabilities, PowerPromise, reason};
use crate::explore::Explorer;
use crate::fault::power::ground::{Ground, Spot};
use crate::fault::power::group::{Member, Terms, group};
use crate::fault::power::trial::Trial;
use crate::fault::power::{device, finding, profiles};
use crate::fault::{Context, Control, FaultOutcome, Progress, Timing, Totals, asked, unseen};
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Violation};
use crate::persistence::{CrashState, Overlay, ProfileSet};
use crate::record::{RecordOptions, record_whole, shell};
use crate::scenario::FaultName;
use crate::trace::Trace;

/// So many states in a row without a new one to check end the run.
const BARREN: u64 = 20_000;
/// How many failing states are kept to be grouped.
const FAILURES: usize = 20_000;

/// What the control run of a whole program showed: there is none but the recording itself, whose end
/// must pass the check.
pub fn control() -> (Control, FaultOutcome) {
    let control = Control {
        capabilities: Capabilities::default(),
        history: crate::workload::History::default(),
        contents: crate::workload::Contents::new(),
        warnings: Vec::new(),
        timing: Timing::default(),
        opens: true,
        forks: false,
        clean: Default::default(),
        slowest: None,
    };
    (control, FaultOutcome::default())
}

/// A state that the check refused.
struct Failed {
    state: CrashState,
    profiles: ProfileSet,
    ran: Ran,
}

/// Runs it.
pub fn run(ctx: &Context<'_>) -> Result<FaultOutcome> {
    let mut outcome = FaultOutcome::default();
    outcome.called_for.insert(Kind::LostAck);
    let check = check_of(ctx.target)?.to_owned();
    let limit = asked::timeouts(ctx.options).open;
    let (ground, promises) = begin(ctx, &mut outcome)?;
    let model = &ground.model;
    let mut builder = Builder::new(model);
    if promises.count() == 0 {
        let nothing = "the workload printed no line on its standard output: nothing was promised";
        outcome.blind.push(nothing.into());
    }

    let mut pool = Pool::start(&check, limit, ctx.image_root, ctx.options.workers)?;
    let mut explorer = Explorer::new(&ground.trace, model, profiles(ctx), &ctx.rng)
        .by_groups(diagnose::sorts(&ground.trace, model));
    outcome.totals.crash_points = explorer.points().len() as u64;
    let mut seen: HashSet<(u128, usize)> = HashSet::new();
    let mut images: HashSet<u128> = HashSet::new();
    let mut asked: BTreeMap<u64, (CrashState, ProfileSet)> = BTreeMap::new();
    let mut failed: BTreeMap<u64, Failed> = BTreeMap::new();
    let (mut visited, mut since_new) = (0u64, 0u64);
    for visit in explorer.by_ref() {
        if ctx.budget.stopped().is_some() || since_new > BARREN {
            break;
        }
        visited += 1;
        let image = builder.image(&visit.state);
        let count = promises.before(visit.state.point.0);
        if seen.contains(&(image.hash(), count)) {
            since_new += 1;
            continue;
        }
        if !ctx.budget.take() {
            break;
        }
        since_new = 0;
        seen.insert((image.hash(), count));
        images.insert(image.hash());
        let under = if visit.state.is_kill() { ProfileSet::EMPTY } else { visit.profiles };
        asked.insert(visited, (visit.state, under));
        pool.submit(visited, image, promises.text(count))?;
        outcome.totals.recoveries += 1;
        while let Some(done) = pool.next(false)? {
            take(done, &mut asked, &mut failed, &mut outcome.totals);
        }
        if outcome.totals.recoveries % 200 == 0 {
            ctx.observer.on(Progress::Working {
                fault: FaultName::Power,
                totals: &outcome.totals,
                findings: failed.len().min(1),
                budget: ctx.budget,
            });
        }
    }
    while let Some(done) = pool.next(true)? {
        take(done, &mut asked, &mut failed, &mut outcome.totals);
    }
    drop(pool);
    outcome.totals.states = seen.len() as u64;
    outcome.totals.distinct_images = images.len() as u64;
    if ctx.budget.stopped().is_some() {
        explorer.give_back();
    }
    if let Some(covered) = explorer.covered() {
        outcome.totals.covered.add(&covered);
    }
    for (reason, count) in explorer.skipped() {
        outcome.totals.skip(reason, *count);
    }
    if !failed.is_empty() {
        ctx.budget.note_failure();
    }
    if !seen.is_empty() {
        outcome.judged.insert(Kind::LostAck);
    }
    outcome.notes.push(format!("power: {visited} legal states visited"));
    let mut checker = Checker::new(&check, limit, ctx.image_root)?;
    findings(ctx, &ground, &promises, failed, &mut checker, &mut outcome)?;
    Ok(outcome)
}

/// Records the workload, and checks what it left without any fault.
pub(super) fn begin(
    ctx: &Context<'_>,
    outcome: &mut FaultOutcome,
) -> Result<(Rc<Ground>, Promises)> {
    let limit = asked::timeouts(ctx.options).open;
    let (trace, left) = record(ctx, outcome)?;
    let promises = Promises::new(&trace);
    let ground = Rc::new(Ground::first(trace, Overlay::default(), device(ctx), Rc::new(NoCourt)));
    let last = CrashState::kill(ground.model.last_point());
    let whole = Builder::new(&ground.model).image(&last);
    if whole.hash() != left.hash() {
        return Err(HarnessError::NotMeasured(
            "the recording does not give the directory that the workload left".into(),
        ));
    }
    let all = promises.text(promises.count());
    let ran = Checker::new(check_of(ctx.target)?, limit, ctx.image_root)?.run(&whole, &all)?;
    if !ran.success {
        return Err(HarnessError::EndsOtherwise(format!(
            "the check does not pass on what the workload left without any fault: {}\n{}",
            ran.how, ran.output
        )));
    }
    Ok((ground, promises))
}

/// Records the workload once; the recording, and the directory as it was left.
fn record(ctx: &Context<'_>, outcome: &mut FaultOutcome) -> Result<(Trace, Image)> {
    let folder = tempfile::Builder::new()
        .prefix("record-")
        .tempdir_in(ctx.image_root)
        .map_err(|error| HarnessError::at("making a folder in", ctx.image_root, error))?;
    let dir = folder.path().join("store");
    std::fs::create_dir(&dir).map_err(|error| HarnessError::at("making", &dir, error))?;
    let command = ctx.target.argv.first().map(String::as_str).unwrap_or_default();
    let target = shell(&filled(command, &dir));
    let mut options = RecordOptions::new(&dir).pinned();
    options.seed = ctx.options.seed;
    let whole = record_whole(&target, &options, WORKLOAD_LIMIT)?;
    let recording = whole.recording;
    if whole.hung {
        let seconds = WORKLOAD_LIMIT.as_secs();
        return Err(HarnessError::setup(format!("the workload did not end in {seconds} s")));
    }
    unseen::refuse(&unseen::of(&recording.trace))?;
    if !recording.clean {
        let why = format!(
            "the workload failed without any fault: it {}\n{}",
            recording.exit, recording.stderr
        );
        return Err(unseen::excused(HarnessError::EndsOtherwise(why), &recording.answered));
    }
    if recording.weakened > 0 {
        outcome.notes.push(format!(
            "power: {} lines were printed together with a later one: weakened promises, each known \
             only from that write on",
            recording.weakened
        ));
    }
    if recording.cut_off > 0 {
        outcome.notes.push(format!(
            "power: the command ended while {} of its processes still ran: they were ended with it, and \
             what they would have done is not judged (a command that ends with `wait` waits for them)",
            recording.cut_off
        ));
    }
    outcome.unmodelled.extend(recording.trace.unmodelled.clone());
    Ok((recording.trace, Image::load(&dir)?))
}

fn take(
    done: Checked,
    asked: &mut BTreeMap<u64, (CrashState, ProfileSet)>,
    failed: &mut BTreeMap<u64, Failed>,
    totals: &mut Totals,
) {
    let Some((state, profiles)) = asked.remove(&done.id) else { return };
    if done.unsteady {
        totals.skip("checks that failed and, run again, passed", 1);
    } else if !done.ran.success {
        failed.insert(done.id, Failed { state, profiles, ran: done.ran });
        if failed.len() > FAILURES {
            failed.pop_last();
            totals.skip("failing states over the limit, not grouped", 1);
        }
    }
}

/// The violation that a refused state is.
pub fn violation(spot: &Spot, promises: &Promises, ran: &Ran) -> Violation {
    let point = spot.state.point.0;
    let count = promises.before(point);
    let what = if spot.state.is_kill() { "a kill" } else { "a power cut" };
    let promised = match promises.last(count) {
        None => "nothing had been printed".to_owned(),
        Some(last) => {
            let last: String = last.chars().take(60).collect();
            let lines = if count == 1 { "1 line" } else { &format!("{count} lines") };
            format!("{lines} had been printed, the last `{}`", last.escape_default())
        }
    };
    let said = match reason(&ran.output) {
        said if said.is_empty() => String::new(),
        said => format!(": {said}"),
    };
    Violation {
        kind: Kind::LostAck,
        sentence: format!(
            "after {what} at {point} the check fails ({}{said}); {promised}",
            ran.how
        ),
        keys: Vec::new(),
        operations: Vec::new(),
        note: false,
    }
}

fn findings(
    ctx: &Context<'_>,
    ground: &Rc<Ground>,
    promises: &Promises,
    failed: BTreeMap<u64, Failed>,
    checker: &mut Checker,
    outcome: &mut FaultOutcome,
) -> Result<()> {
    let failed: Vec<Failed> = failed.into_values().collect();
    let members = failed.iter().map(|one| {
        let spot = Spot { ground: Rc::clone(ground), state: one.state.clone() };
        let violation = violation(&spot, promises, &one.ran);
        Member::new(spot, violation, one.profiles)
    });
    // What it printed it had promised.
    let terms = Terms { durable: PowerPromise::Ack, ..Terms::of(ctx) };
    let mut checks = Checks { checker, promises, known: BTreeMap::new(), done: 0 };
    let groups = group(members, &mut checks, terms, ctx.budget)?;
    for told in groups {
        let mut finding = finding(ctx, FaultName::Power, &told);
        let spot = &told.spot;
        let image = Builder::new(&ground.model).image(&spot.state);
        finding.evidence = checks.run(&image, spot)?.output;
        outcome.findings.push(finding);
    }
    Ok(())
}

/// Tries states with the check.
struct Checks<'a> {
    checker: &'a mut Checker,
    promises: &'a Promises,
    /// By image and number of lines.
    known: BTreeMap<(u128, usize), Ran>,
    done: u64,
}

impl Checks<'_> {
    fn run(&mut self, image: &Image, spot: &Spot) -> Result<Ran> {
        let count = self.promises.before(spot.state.point.0);
        if let Some(known) = self.known.get(&(image.hash(), count)) {
            return Ok(known.clone());
        }
        self.done += 1;
        let ran = self.checker.run(image, &self.promises.text(count))?;
        self.known.insert((image.hash(), count), ran.clone());
        Ok(ran)
    }
}

impl Trial for Checks<'_> {
    fn violations(&mut self, image: &Image, spot: &Spot, _: bool) -> Result<Vec<Violation>> {
        let ran = self.run(image, spot)?;
        Ok(if ran.success { Vec::new() } else { vec![violation(spot, self.promises, &ran)] })
    }

    fn recoveries(&self) -> u64 {
        self.done
    }
}
