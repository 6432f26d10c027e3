//! A ground: one timeline whose crash states are visited. The first is the workload's recording; each
//! crash inside a recovery stands on a ground of its own, below the crash that led to the recovery.

use std::cell::OnceCell;
use std::rc::Rc;

use super::court::{Court, Happened, NestedCourt};
use crate::base::{HarnessError, Result};
use crate::diagnose::NamePatterns;
use crate::driver::Capabilities;
use crate::oracle;
use crate::persistence::{Crash, CrashState, Device, Model, Overlay, ProfileSet, after_kill};
use crate::recover::Recovery;
use crate::scenario::PowerStrike;
use crate::trace::{EventKind, EventNo, Trace};
use crate::workload::{Answer, History, Moment, Request};

/// A timeline and its model.
#[derive(Debug)]
pub struct Ground {
    /// The timeline: since the last power cut, kills included.
    pub trace: Trace,
    /// The recording that it ends with, by itself: a recovery's, or the whole.
    pub own: Option<Trace>,
    /// Which workload was recorded, from 0.
    pub round: u32,
    /// The number of that recording's first event in the timeline.
    pub offset: u32,
    /// The model of the timeline.
    pub model: Model,
    /// What is judged otherwise than it was recorded.
    pub overlay: Overlay,
    /// The crash before it.
    pub parent: Option<(Rc<Ground>, CrashState)>,
    /// Who judges its states.
    pub court: Rc<dyn Court>,
    /// The patterns of its files' names, and those of the recordings before it.
    pub patterns: Rc<NamePatterns>,
    /// Under which profiles the crashes before it are legal; nothing where any file system does it.
    pub under: Option<ProfileSet>,
    /// Its court's number at the bench.
    pub number: u32,
    /// The same, where it stands below a crash.
    pub nested: Option<Rc<NestedCourt>>,
    /// What sort of thing was not durable at each crash point.
    stages: OnceCell<Vec<u64>>,
}

/// A crash state on its ground.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The ground.
    pub ground: Rc<Ground>,
    /// The state.
    pub state: CrashState,
}

impl Ground {
    /// The ground that a workload's recording is.
    pub fn first(trace: Trace, overlay: Overlay, device: Device, court: Rc<dyn Court>) -> Self {
        let model = Model::with(&trace, &overlay, device);
        Self {
            patterns: Rc::new(NamePatterns::of(&trace)),
            trace,
            own: None,
            round: 0,
            offset: 0,
            model,
            overlay,
            parent: None,
            court,
            under: None,
            number: 0,
            nested: None,
            stages: OnceCell::new(),
        }
    }

    /// The ground of a recovery that was recorded on what `spot` left, and that showed `shown`: after
    /// a power cut a new timeline, after a kill the old one goes on.
    pub fn below(
        spot: &Spot,
        recording: Trace,
        shown: &Recovery,
        under: Option<ProfileSet>,
        capabilities: &Capabilities,
        device: Device,
    ) -> Self {
        let above = &spot.ground;
        let (trace, offset, mut overlay) = match spot.state.crash {
            Crash::Kill { pages } => {
                let joined = after_kill(&above.trace, spot.state.point, pages, &recording);
                (joined.trace, joined.offset, above.overlay.clone())
            }
            Crash::Power(_) => (recording.clone(), 0, Overlay::default()),
        };
        if !spot.had_opened() {
            // It is this recovery that creates the store: its own name is judged by itself.
            overlay.durable_names_before = first_open(&trace);
        }
        let crash = (spot.moment(), spot.loss());
        let (before, happened) = match &above.nested {
            Some(court) => (Rc::clone(court).judge_of(crash.0), court.happened(crash.0, crash.1)),
            None => {
                let happened = Happened::first(capabilities, above.history(), crash);
                (Rc::clone(&above.court), happened)
            }
        };
        let history = history(&recording, offset);
        let court = Rc::new(NestedCourt::new(before, happened, shown, history));
        Self {
            model: Model::with(&trace, &overlay, device),
            patterns: learned(&above.patterns, &trace),
            trace,
            own: Some(recording),
            round: above.round,
            offset,
            overlay,
            parent: Some((Rc::clone(above), spot.state.clone())),
            court: Rc::clone(&court) as Rc<dyn Court>,
            under,
            number: 0,
            nested: Some(court),
            stages: OnceCell::new(),
        }
    }

    /// The same; its files are told by the patterns of `other` too.
    #[must_use]
    pub fn knowing(mut self, other: &Rc<NamePatterns>) -> Self {
        self.patterns = learned(other, &self.trace);
        self
    }

    /// How many crashes came before it.
    pub fn depth(&self) -> usize {
        self.parent.as_ref().map_or(0, |(above, _)| above.depth() + 1)
    }

    /// What sort of thing was not durable at a crash point, by POSIX alone: equal numbers mean the same
    /// sorts. After a kill it is what recovery reads and a power cut may still take.
    pub fn stage(&self, point: EventNo) -> u64 {
        let stages = self.stages.get_or_init(|| super::volatile::stages(&self.model));
        stages.get(point.0 as usize).copied().unwrap_or_default()
    }

    /// The requests of the recording that it ends with, with moments of the timeline.
    pub fn history(&self) -> History {
        history(self.own.as_ref().unwrap_or(&self.trace), self.offset)
    }
}

/// What is known, and what another recording shows besides.
fn learned(known: &Rc<NamePatterns>, trace: &Trace) -> Rc<NamePatterns> {
    let mut patterns = NamePatterns::clone(known);
    patterns.learn(trace);
    if patterns == **known { Rc::clone(known) } else { Rc::new(patterns) }
}

fn history(trace: &Trace, offset: u32) -> History {
    let mut history = trace.history();
    for operation in &mut history.operations {
        operation.begun.0 += u64::from(offset);
        if let Some((moment, _)) = &mut operation.answered {
            moment.0 += u64::from(offset);
        }
    }
    history
}

impl Spot {
    /// True if an `open` was acknowledged before it, here or before an earlier crash.
    fn had_opened(&self) -> bool {
        let here = first_open(&self.ground.trace).is_some_and(|open| open < self.state.point);
        let above = self.ground.parent.clone();
        here || above.is_some_and(|(ground, state)| Spot { ground, state }.had_opened())
    }

    /// True if each crash that led to it is of the same sort: a kill, or a power cut.
    pub fn is_alone(&self) -> bool {
        let is_kill = self.state.is_kill();
        let mut ground = &self.ground;
        while let Some((above, state)) = &ground.parent {
            if state.is_kill() != is_kill {
                return false;
            }
            ground = above;
        }
        true
    }

    /// When it struck.
    pub fn moment(&self) -> Moment {
        Moment(u64::from(self.state.point.0))
    }

    /// What struck.
    pub fn loss(&self) -> oracle::Loss {
        loss_of(&self.state)
    }

    /// The case's coordinates, with the traces that they name.
    pub fn strike(&self) -> (PowerStrike, Vec<(String, Trace)>) {
        let mut spots = vec![self.clone()];
        while let Some((above, state)) = spots.last().and_then(|spot| spot.ground.parent.clone()) {
            spots.push(Spot { ground: above, state });
        }
        spots.reverse();
        let mut traces = Vec::new();
        let mut strikes = spots.iter().enumerate().map(|(depth, spot)| {
            let name = match depth {
                0 => "power.trace".to_owned(),
                _ => format!("recovery-{depth}.trace"),
            };
            let ground = &spot.ground;
            traces.push((name.clone(), ground.own.as_ref().unwrap_or(&ground.trace).clone()));
            PowerStrike {
                trace: name,
                point: spot.state.point.0,
                loss: if spot.state.is_kill() { "kill" } else { "power" }.into(),
                state: spot.state.to_string(),
                nested: Vec::new(),
                then: Vec::new(),
            }
        });
        let mut outermost = strikes.next().unwrap_or_default();
        outermost.nested = strikes.collect();
        (outermost, traces)
    }
}

/// What struck.
pub fn loss_of(state: &CrashState) -> oracle::Loss {
    if state.is_kill() { oracle::Loss::Kill } else { oracle::Loss::Power }
}

/// The event after which `open` had been acknowledged for the first time.
pub fn first_open(trace: &Trace) -> Option<EventNo> {
    let mut opens = Vec::new();
    for (index, event) in (0u32..).zip(&trace.events) {
        match &event.kind {
            EventKind::Request { op, request: Request::Open } => opens.push(*op),
            EventKind::Reply { op, answer: Answer::Ack } if opens.contains(op) => {
                return Some(EventNo(index));
            }
            _ => {}
        }
    }
    None
}

/// The names that the trace made before its first acknowledged `open` count as durable: the database's
/// own name is judged by itself (see `own_name`).
pub fn created(trace: &Trace) -> Overlay {
    first_open(trace).map_or_else(Overlay::default, Overlay::names_before)
}

/// Parses a state and checks that it belongs to the point and the loss that the case names.
pub fn parse_state(strike: &PowerStrike) -> Result<CrashState> {
    let state: CrashState = strike.state.parse()?;
    if state.point.0 != strike.point {
        return Err(HarnessError::input(format!(
            "case.strike.point: {} and the state says {}",
            strike.point, state.point.0
        )));
    }
    let said = if state.is_kill() { "kill" } else { "power" };
    if strike.loss != said {
        return Err(HarnessError::input(format!(
            "case.strike.loss: `{}`: expected `{said}`, as the state says",
            strike.loss.escape_default()
        )));
    }
    Ok(state)
}
