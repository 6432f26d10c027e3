//! The same failure from fewer requests: what the workload asked for after the crash is left out, then
//! whatever else the failure does not take. Each candidate is recorded anew, and the same sites lost in
//! it again. What this finds has a trace, a state and a cause of its own.

use std::rc::Rc;

use super::ground::{self, Ground, Spot};
use super::group::Group;
use super::prove::Prover;
use super::shrink::judged;
use super::{device, studio};
use crate::base::Result;
use crate::diagnose::{Lost, NamePatterns, Sites};
use crate::driver::End;
use crate::explore::points;
use crate::fault::{Context, asked};
use crate::image::Builder;
use crate::oracle::{Judge, Kind, Violation};
use crate::persistence::{Crash, CrashState, EffectNo, Loss, Profile, View};
use crate::shrink::{Tries, cut_off, minimize_workload};
use crate::trace::{EventKind, EventNo};
use crate::workload::Workload;

/// How many workloads are recorded for one finding.
const TRIES: u32 = 60;
/// How many recoveries that may take.
const RECOVERIES: u64 = 800;
/// At how many crash points, from the last, one recording is tried.
const POINTS: usize = 24;

/// A failure of a recording of its own.
#[derive(Clone, Debug)]
pub struct Fewer {
    /// What was asked for.
    pub workload: Workload,
    /// How many requests the whole workload had.
    pub whole: usize,
    /// The state.
    pub spot: Spot,
    /// What is wrong with it.
    pub violation: Violation,
}

/// What makes one failure like another.
struct Like<'a> {
    kind: Kind,
    note: bool,
    /// The sites that have to be lost; none where the moment alone is the cause.
    lost: &'a Lost,
    crash: &'a Crash,
    profile: Profile,
}

/// The failure that stands for `group` from fewer requests than its own recording took; nothing where
/// none was found, or where it would not be looked for: a crash inside recovery, a torn write, requests
/// of several threads.
pub fn fewer(
    ctx: &Context<'_>,
    prover: &mut Prover,
    group: &Group,
    profile: Profile,
) -> Result<Option<Fewer>> {
    let ground = &group.spot.ground;
    let cut = matches!(group.spot.state.crash, Crash::Kill { pages } if pages > 0);
    let other = group.is_inside() || group.cause.torn || cut || ctx.options.threads > 1;
    if other || group.kind == Kind::RecoveryHung {
        return Ok(None);
    }
    let whole = asked::round(ctx.options, &ctx.control.capabilities, ground.round);
    let like = Like {
        kind: group.kind,
        note: group.note,
        lost: &group.cause.lost,
        crash: &group.spot.state.crash,
        profile,
    };
    let before = ground.trace.events.iter().take(group.spot.state.point.0 as usize);
    let asked = before.filter(|event| matches!(event.kind, EventKind::Request { .. })).count();
    let requests = whole.requests.len();
    let mut search = Search {
        ctx,
        prover,
        like,
        patterns: &ground.patterns,
        whole: requests,
        left: RECOVERIES,
        best: None,
    };
    let mut tries = Tries::new(TRIES);
    let mut trouble = None;
    let mut fails = |candidate: &Workload| match search.fails(candidate) {
        Ok(fails) => fails,
        Err(error) => {
            trouble.get_or_insert(error);
            false
        }
    };
    let start = cut_off(&whole, asked);
    if fails(&start) {
        minimize_workload(&start, &mut tries, &mut fails);
    }
    match trouble {
        Some(error) => Err(error),
        None => Ok(search.best),
    }
}

struct Search<'a, 'c> {
    ctx: &'a Context<'c>,
    prover: &'a mut Prover,
    like: Like<'a>,
    /// Those of the whole recording: few requests show few names.
    patterns: &'a Rc<NamePatterns>,
    whole: usize,
    left: u64,
    best: Option<Fewer>,
}

impl Search<'_, '_> {
    /// Records a workload and looks for a failure like it; the last one found is kept.
    fn fails(&mut self, workload: &Workload) -> Result<bool> {
        if self.left == 0 || self.ctx.budget.must_confirm() {
            return Ok(false);
        }
        let recorded = studio(self.ctx).record(None, &workload.requests, 1)?;
        if !matches!(recorded.driven.end, End::Finished) || !recorded.blind.is_empty() {
            return Ok(false);
        }
        let judge = Rc::new(Judge::new(&recorded.history, &self.ctx.control.capabilities));
        let overlay = ground::created(&recorded.trace);
        let ground = Ground::first(recorded.trace, overlay, device(self.ctx), judge);
        let ground = Rc::new(ground.knowing(self.patterns));
        let mut builder = Builder::new(&ground.model);
        for state in self.like.states(&ground) {
            let spot = Spot { ground: Rc::clone(&ground), state };
            let image = builder.image(&spot.state);
            let besides = matches!(self.like.kind, Kind::Unstable | Kind::NotWritable);
            self.left = self.left.saturating_sub(1);
            let (verdict, _) = judged(self.prover, &image, &spot, besides)?;
            let same =
                |found: &Violation| (found.kind, found.note) == (self.like.kind, self.like.note);
            if let Some(violation) = verdict.violations.into_iter().find(same) {
                let (workload, whole) = (workload.clone(), self.whole);
                self.best = Some(Fewer { workload, whole, spot, violation });
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Like<'_> {
    /// The states of a recording that lost the same, the latest first.
    fn states(&self, ground: &Ground) -> Vec<CrashState> {
        let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
        let points = points(&ground.trace, &ground.model).into_iter().rev();
        let telling = points.filter(|point| point.telling).map(|point| point.at);
        let state = |point: EventNo| {
            let loss = match self.crash {
                Crash::Kill { .. } => return Some(CrashState::kill(point)),
                Crash::Power(_) if self.lost.is_empty() => Loss::default(),
                Crash::Power(_) => self.lose(&sites, &View::at(&ground.model, point))?,
            };
            Some(CrashState::power(point, loss))
        };
        telling.filter_map(state).take(POINTS).collect()
    }

    /// Everything pending of the sites, if something of each is.
    fn lose(&self, sites: &Sites<'_>, view: &View<'_>) -> Option<Loss> {
        let pending = view.pending(self.profile).iter().copied();
        let of_these =
            |effect: &u32| sites.of(EffectNo(*effect)).is_some_and(|site| self.lost.contains(site));
        let lost: Vec<u32> = pending.filter(of_these).collect();
        let found: Lost =
            lost.iter().filter_map(|effect| sites.of(EffectNo(*effect)).cloned()).collect();
        (found == *self.lost).then(|| view.losing(self.profile, lost))
    }
}
