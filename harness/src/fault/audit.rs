//! The audit: which syncs matter, which are redundant, which are missing. The workload is recorded
//! once; then, for each sort of sync call (by name, file and what the store was doing), all of them are
//! taken away in the model, and the crash states that this adds are recovered from and judged.
//!
//! *Matters*: at least one of the added states fails. *Redundant*: none of those visited does.
//! *Without effect*: taking it away adds no state at all. *Missing*: what the findings of an ordinary
//! run would have been prevented by. Like every pass, `redundant` is about this workload and the
//! states that were visited, and proves nothing beyond them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::power::{Stage, device, ground::Ground, profiles};
use super::{Context, Fault, FaultOutcome, power::Power};
use crate::base::Result;
use crate::diagnose::{Names, plain, site::Sites};
use crate::explore::Explorer;
use crate::oracle::Kind;
use crate::persistence::{Overlay, Profile, ProfileSet, View};
use crate::scenario::FaultName;
use crate::trace::{EventKind, EventNo, FileOp, Trace, WriteSync};

/// The most states that are visited for one sort of sync.
const STATES: usize = 3_000;
/// The most states that are looked through for them.
const LOOKED: usize = 60_000;
/// The most new images for one sort of sync.
const IMAGES: u64 = 600;

/// One sort of sync call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncSite {
    /// The call's name.
    pub call: String,
    /// The file's path, the numbers in it left out; empty for the whole file system.
    pub file: String,
    /// What the store had been asked for.
    pub during: String,
}

/// What became of taking it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Without it this would fail.
    Matters {
        /// What is violated.
        kind: Kind,
        /// In a sentence.
        sentence: String,
        /// The mildest profile that shows it.
        grade: Option<Profile>,
        /// How many of the added states fail.
        failing: u64,
    },
    /// None of the added states fails.
    Redundant,
    /// There are no added states.
    NoEffect,
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Which syncs.
    pub site: SyncSite,
    /// How often the workload made them.
    pub count: u64,
    /// The first one.
    pub first: EventNo,
    /// How many states were added and visited.
    pub states: u64,
    /// What came of it.
    pub verdict: Use,
}

/// The whole audit.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The syncs that were made, in the order of their first.
    pub syncs: Vec<Audited>,
    /// An ordinary run of the power fault: its findings say which syncs are missing.
    pub ordinary: FaultOutcome,
}

/// Audits the target.
pub fn audit(ctx: &Context<'_>) -> Result<Audit> {
    let ordinary = Power.run(ctx)?;
    let mut outcome = FaultOutcome::default();
    let unlimited = super::Budget::unlimited();
    let open_ended = Context { budget: &unlimited, rng: ctx.rng.clone(), ..*ctx };
    let mut stage = Stage::set_up(&open_ended, FaultName::Power, &mut outcome)?;
    let first = Rc::clone(&stage.first);
    let mut syncs = Vec::new();
    for (site, events) in sites(&first) {
        if ctx.budget.interrupted() {
            break;
        }
        syncs.push(one(ctx, &mut stage, &first, site, &events)?);
    }
    syncs.sort_by_key(|one| one.first);
    Ok(Audit { syncs, ordinary })
}

/// The sync calls by their sort.
fn sites(ground: &Ground) -> BTreeMap<SyncSite, Vec<EventNo>> {
    let Trace { events, .. } = &ground.trace;
    let known = Sites::new(&ground.trace, &ground.model);
    let names = Names::new(&ground.trace);
    let mut sites: BTreeMap<SyncSite, Vec<EventNo>> = BTreeMap::new();
    for (number, event) in (0u32..).map(EventNo).zip(events) {
        let EventKind::Call(call) = &event.kind else { continue };
        let file = match &call.op {
            FileOp::Sync { file, .. } => plain(&names.path(*file, number)),
            FileOp::Write { file, sync, .. } if *sync != WriteSync::None => {
                plain(&names.path(*file, number))
            }
            FileOp::SyncAll => String::new(),
            _ => continue,
        };
        let during = known.during(number).words().to_owned();
        sites
            .entry(SyncSite { call: call.name.to_string(), file, during })
            .or_default()
            .push(number);
    }
    sites
}

/// Takes all syncs of one sort away and judges what that adds.
fn one(
    ctx: &Context<'_>,
    stage: &mut Stage<'_, '_>,
    first: &Rc<Ground>,
    site: SyncSite,
    events: &[EventNo],
) -> Result<Audited> {
    let mut overlay: Overlay = first.overlay.clone();
    overlay.removed_syncs.extend(events.iter().copied());
    let court = Rc::clone(&first.court);
    let mut without = Ground::first(first.trace.clone(), overlay, device(ctx), court);
    without.number = stage.visitor.bench.seat(Rc::clone(&without.court));
    let without = Rc::new(without);
    let mut view = View::new(&first.model);
    let explorer = Explorer::new(&without.trace, &without.model, profiles(ctx), &ctx.rng);
    let mut states = 0;
    let added = explorer
        .take(LOOKED)
        .filter_map(|mut visit| {
            view.advance(visit.state.point);
            let before = view.legal_in(&visit.state, visit.profiles);
            let new = visit.profiles.iter().filter(|profile| !before.contains(*profile));
            visit.profiles = new.collect::<ProfileSet>();
            (!visit.kill && !visit.profiles.is_empty()).then_some(visit)
        })
        .take(STATES)
        .inspect(|_| states += 1);
    let failed_before = stage.visitor.bench.failures.len();
    stage.visitor.visit_some(&without, added, IMAGES)?;
    stage.visitor.bench.settle()?;
    let bench = &stage.visitor.bench;
    let mut worst: Option<(Option<Profile>, Kind, String)> = None;
    let mut failing = 0;
    let mine = bench
        .failures
        .values()
        .filter(|failure| failure.asks.iter().any(|ask| ask.court == without.number));
    for failure in mine {
        let grade = failure.asks.iter().filter_map(|ask| ask.profiles.mildest()).min();
        let Some(violation) = failure.violations.iter().find(|found| !found.note) else { continue };
        failing += 1;
        let this = (grade, violation.kind, violation.sentence.clone());
        if worst.as_ref().is_none_or(|worst| (this.0, this.1) < (worst.0, worst.1)) {
            worst = Some(this);
        }
    }
    debug_assert!(bench.failures.len() >= failed_before);
    let verdict = match worst {
        Some((grade, kind, sentence)) => Use::Matters { kind, sentence, grade, failing },
        None if states == 0 => Use::NoEffect,
        None => Use::Redundant,
    };
    let first = events.first().copied().unwrap_or_default();
    Ok(Audited { site, count: events.len() as u64, first, states: states as u64, verdict })
}
