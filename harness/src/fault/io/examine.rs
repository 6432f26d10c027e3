//! One run examined: what the running store said and showed, what a restart on a healthy disk shows,
//! and what a power cut at each later point leaves. Restarts and power cuts are states of the run's
//! own recording, so each replays exactly.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Result, Rng};
use crate::driver::Capabilities;
use crate::explore::Explorer;
use crate::fault::power::ground::{created, loss_of};
use crate::fault::power::prove::Prover;
use crate::fault::second;
use crate::image::{Builder, Image};
use crate::persistence::{CrashState, Device, Model, ProfileSet, View};
use crate::recover::Setup;
use crate::trace::{EventKind, EventNo, Trace};
use crate::workload::{Moment, Request};

use super::court::Court;
use super::examined::{Examined, Place};
use super::run::{Run, Stage};
use super::running::running;

/// The most states of one run that are looked at, by strategy; the first ones after the failure, and
/// then spread over what follows.
const STATES: [(&str, usize); 5] =
    [("everything", 8), ("durable", 24), ("lose-one", 12), ("keep-one", 6), ("forms", 6)];
/// The most states of one run that are passed over for it.
const PASSED: usize = 4000;
/// So many times as many of a run without a failing call: what it shows is nobody's failure.
const WITHOUT: usize = 8;

/// How many answers after the failure, and after each `open` that follows, have the power cut right after
/// them …
const NEAR: usize = 4;
/// … for so many of these.
const OPENS: usize = 3;

/// Where what a failure led to is promised: right after the answers that follow it, and those that
/// follow the next times the store is opened.
fn near(trace: &Trace, from: EventNo) -> BTreeSet<EventNo> {
    let later = || (from.0..).zip(trace.events.iter().skip(from.0 as usize));
    let answers = |after: u32| {
        let answered = |kind: &EventKind| matches!(kind, EventKind::Reply { .. });
        let replies = later().filter(move |(at, event)| *at >= after && answered(&event.kind));
        replies.map(|(at, _)| EventNo(at + 1)).take(NEAR)
    };
    let open = |kind: &EventKind| matches!(kind, EventKind::Request { request: Request::Open, .. });
    let opens = later().filter(|(_, event)| open(&event.kind)).map(|(at, _)| at).take(OPENS);
    std::iter::once(from.0).chain(opens).flat_map(answers).collect()
}

/// Examines runs. One a thread.
#[derive(Debug)]
pub struct Examiner {
    capabilities: Capabilities,
    profiles: ProfileSet,
    device: Device,
    prover: Prover,
}

impl Examiner {
    /// An examiner with a driver of its own for recoveries.
    pub fn new(setup: &Setup, profiles: ProfileSet, device: Device) -> Result<Self> {
        Ok(Self {
            capabilities: setup.capabilities.clone(),
            profiles,
            device,
            prover: Prover::new(setup)?,
        })
    }

    /// Examines `run`. With `besides` the restarted store is also closed and opened again, and written
    /// to. Power cuts are looked at until there were enough.
    pub fn examine(
        &mut self,
        stage: &Stage,
        run: &Run,
        rng: &Rng,
        besides: bool,
        enough: &dyn Fn() -> bool,
    ) -> Result<Examined> {
        let mut seen = Examined { blind: run.blind.clone(), ..Examined::default() };
        if !seen.blind.is_empty() {
            return Ok(seen);
        }
        let model = Model::with(&run.trace, &created(&run.trace), self.device);
        let mut builder = Builder::new(&model);
        let last = CrashState::kill(model.last_point());
        let image = builder.image(&last);
        if image.hash() != run.left.hash() {
            seen.blind.push("a recording does not give the directory that its run left".into());
            return Ok(seen);
        }
        let court = Court::new(
            stage.before.as_ref(),
            run.history.clone(),
            &run.driven.dumps,
            &self.capabilities,
        );
        running(run, &court, &mut seen);
        let recovered = self.prover.recoveries;
        self.judge(&court, &image, last, ProfileSet::EMPTY, &mut seen)?;
        if besides {
            self.besides(&image, &model, &mut seen)?;
        }
        let from = run.hit.as_ref().map_or(EventNo(0), |hit| EventNo(hit.event.0 + 1));
        for point in near(&run.trace, from) {
            let view = View::at(&model, point);
            if enough() {
                break;
            }
            for profile in self.profiles.iter() {
                let state = CrashState::power(point, view.losing_all(profile));
                let profiles = view.legal_in(&state, self.profiles);
                let image = builder.image(&state);
                self.judge(&court, &image, state, profiles, &mut seen)?;
            }
        }
        let mut explorer = Explorer::new(&run.trace, &model, self.profiles, rng).starting_at(from);
        let times = if run.hit.is_some() { 1 } else { WITHOUT };
        let stride = (explorer.points().len() / (12 * times)).max(1);
        let mut taken: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for visit in explorer.by_ref().take(PASSED * times).take_while(|_| !enough()) {
            let Some((_, most)) = STATES.iter().find(|(name, _)| *name == visit.strategy) else {
                break;
            };
            let most = most * times;
            let (met, used) = taken.entry(visit.strategy).or_default();
            *met += 1;
            let near = *met <= most / 2;
            if *used >= most || !(near || met.is_multiple_of(stride)) {
                continue;
            }
            *used += 1;
            let image = builder.image(&visit.state);
            seen.crash_points.insert(visit.state.point.0);
            let profiles = if visit.kill { ProfileSet::EMPTY } else { visit.profiles };
            self.judge(&court, &image, visit.state, profiles, &mut seen)?;
        }
        seen.recoveries += self.prover.recoveries - recovered;
        Ok(seen)
    }

    fn judge(
        &mut self,
        court: &Court,
        image: &Image,
        state: CrashState,
        profiles: ProfileSet,
        seen: &mut Examined,
    ) -> Result<()> {
        let recovery = self.prover.recovery(image)?;
        let (moment, loss) = (Moment(u64::from(state.point.0)), loss_of(&state));
        match court.at(moment, loss, &recovery) {
            None => seen.unjudged += 1,
            Some(verdict) => {
                seen.states += 1;
                seen.images.insert(image.hash());
                let place = Place::State(state);
                seen.take(verdict, &place, profiles, &recovery.words());
            }
        }
        Ok(())
    }

    /// What a second opening and a put show of a restarted store.
    fn besides(&mut self, image: &Image, model: &Model, seen: &mut Examined) -> Result<()> {
        let verdict = second::again(self.prover.worker(), image)?;
        let place = Place::State(CrashState::kill(model.last_point()));
        seen.take(verdict, &place, ProfileSet::EMPTY, "");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
