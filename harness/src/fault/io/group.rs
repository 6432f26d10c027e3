//! Failing runs of one kind and one failing call, and the finding that they are. Pure.

use std::collections::BTreeSet;

use super::case::case_of;
use super::examined::{Failing, Place, alike};
use super::run::{Hit, Run, Stage, failed_besides};
use crate::diagnose::AND;
use crate::driver::Capabilities;
use crate::fault::{Cause, Finding, Lines};
use crate::image::Builder;
use crate::oracle::Kind;
use crate::persistence::{Device, Model, Profile, ProfileSet};
use crate::record::Plan;
use crate::scenario::FaultName;
use crate::trace::{Event, EventKind, EventNo};

/// The part of a cause that names the calls which failed besides the one that it is told by.
pub const BESIDES: &str = "failed-besides";

/// The part of a cause that says that the store was opened again after the call failed, before it showed what is wrong.
pub const REOPENED: &str = "reopened";

/// What the findings need besides.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The stages.
    pub stages: &'a [Stage],
    /// What the driver says of itself.
    pub capabilities: &'a Capabilities,
    /// True if it warned without any fault.
    pub warned: bool,
    /// The device.
    pub device: Device,
}

/// What failing runs have in common. The order is that of the report: alarms before notes, the worst
/// kind first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Worth a word and no alarm.
    pub note: bool,
    /// What is violated.
    pub kind: Kind,
    /// Which call failed: see [`cause`].
    pub sentence: String,
}

/// The failing runs of one key, and the one that stands for all of them.
#[derive(Debug)]
pub struct Group {
    /// Which stage's requests were asked.
    pub stage: usize,
    /// What struck.
    pub plan: Plan,
    /// The run that stands for all.
    pub run: Run,
    /// What is wrong with it.
    pub failing: Failing,
    /// How many states of all runs show it.
    states: u64,
    /// Under which profiles power cuts show it.
    profiles: ProfileSet,
    /// True if something besides a power cut shows it.
    always: bool,
    /// How the call failed in these runs.
    how: BTreeSet<String>,
    /// Which other calls had the same come of it.
    also: BTreeSet<String>,
}

/// Which call failed, without numbers and errors: the same flaw has the same words in every run.
pub fn cause(hit: Option<&Hit>, recovers: bool) -> String {
    match (hit, recovers) {
        (Some(hit), false) => hit.cause(),
        (Some(hit), true) => {
            format!("{} while it recovered after a power cut, or later", hit.cause())
        }
        (None, false) => "no failing call is needed: the workload alone shows it".into(),
        (None, true) => {
            "no failing call is needed: the recovery from a power cut shows it by itself".into()
        }
    }
}

impl Group {
    /// A group of one run.
    pub fn new(stage: usize, plan: &Plan, run: &Run, failing: &Failing) -> Group {
        Group {
            stage,
            plan: plan.clone(),
            run: run.clone(),
            failing: failing.clone(),
            states: failing.states,
            profiles: failing.profiles,
            always: rank(&failing.place) < 2,
            how: run.hit.as_ref().map(Hit::how).into_iter().collect(),
            also: BTreeSet::new(),
        }
    }

    /// Takes in another one. What the plainest place shows stands for all: the running store, then a
    /// restart, then a power cut under the mildest profile; of two alike the earlier.
    pub fn join(&mut self, other: Group) {
        let (states, profiles) = (self.states + other.states, self.profiles.union(other.profiles));
        let always = self.always || other.always;
        let mut how = std::mem::take(&mut self.how);
        how.extend(other.how.iter().cloned());
        if other.plainness() < self.plainness() {
            *self = other;
        }
        (self.states, self.profiles, self.always, self.how) = (states, profiles, always, how);
    }

    /// How little it takes to show it: the less the plainer. One call that fails is plainer than all from then on.
    fn plainness(&self) -> (u8, Option<Profile>, usize) {
        let injected =
            |event: &&Event| matches!(&event.kind, EventKind::Call(call) if call.injected);
        let failed = self.run.trace.events.iter().filter(injected).count();
        (rank(&self.failing.place), self.failing.profiles.mildest(), failed)
    }

    /// True if this one rather than `other` stands for both: it is of a milder grade, or else more states
    /// show it.
    pub fn stands_for(&self, other: &Group) -> bool {
        let graded = |group: &Group| (!group.always, group.profiles.mildest());
        (graded(self), u64::MAX - self.states) < (graded(other), u64::MAX - other.states)
    }

    /// True if the same is wrong.
    pub fn is_alike(&self, other: &Group) -> bool {
        alike(&self.failing.violation, &other.failing.violation)
    }

    /// Takes in a group of another failing call, whose cause was told in this sentence.
    pub fn absorb(&mut self, sentence: String, other: Group) {
        self.states += other.states;
        self.profiles = self.profiles.union(other.profiles);
        self.always |= other.always;
        self.also.extend(other.also);
        self.also.insert(sentence);
    }

    /// What the program said, and which other calls had the same come of it.
    fn evidence(&self) -> String {
        let mut evidence = self.failing.evidence.clone();
        for also in &self.also {
            evidence.push_str(&format!("\nthe same after: {also}"));
        }
        evidence
    }

    /// The finding, but for its source line and what would help.
    pub fn finding(&self, key: &Key, scene: &Scene<'_>) -> Finding {
        let (run, failing) = (&self.run, &self.failing);
        let violation = &failing.violation;
        let mut cause = Cause { sentence: key.sentence.clone(), ..Cause::default() };
        if let Some(hit) = &run.hit {
            cause.mechanism = Some(hit.cause());
            cause.parts.insert("call".into(), hit.name.clone());
            cause.parts.insert("file".into(), hit.pattern.clone());
        }
        // Of what is the same in every run; the rest is what this one met.
        let id = Finding::stable_id(Some(FaultName::Io), violation.kind, &cause);
        let mut failure = String::new();
        if let Some(hit) = &run.hit {
            let how: Vec<&str> = self.how.iter().map(String::as_str).collect();
            // That it was cut short is said.
            if how != ["cut short"] {
                cause.sentence.push_str(&format!(" ({})", how.join(", ")));
            }
            match self.also.len() {
                0 => {}
                1 => cause.sentence.push_str("; the same after one other call"),
                some => cause.sentence.push_str(&format!("; the same after {some} other calls")),
            }
            cause.parts.insert("error".into(), hit.how());
            cause.parts.insert("number".into(), hit.number());
            cause.parts.insert("plan".into(), self.plan.to_string());
            if !violation.sentence.contains(&hit.failure()) {
                failure = format!("after {}, ", hit.failure());
            }
        }
        let (mut image, mut at) = (None, None);
        if let Place::State(state) = &failing.place {
            let overlay = crate::fault::power::ground::created(&run.trace);
            let model = Model::with(&run.trace, &overlay, scene.device);
            cause.parts.insert("state".into(), state.to_string());
            (image, at) = (Some(Builder::new(&model).image(state)), Some(state.point));
        }
        let end = at.unwrap_or(EventNo(run.trace.events.len() as u32));
        let patterns = &scene.stages[self.stage].patterns;
        let besides: Vec<String> = failed_besides(&run.trace, patterns, end).into_iter().collect();
        if !besides.is_empty() {
            cause.parts.insert(BESIDES.into(), besides.join(AND));
        }
        if failing.place == Place::Running
            && run.hit.as_ref().is_some_and(|hit| run.openings_after(hit.event).next().is_some())
        {
            cause.parts.insert(REOPENED.into(), "yes".into());
        }
        let mut trace = crate::trace::text::text(&run.trace);
        if let Some(at) = at {
            trace.push_str(&format!("the power or the process ends before event {}\n", at.0));
        }
        let profiles = if self.always { ProfileSet::EMPTY } else { self.profiles };
        Finding {
            id,
            kind: violation.kind,
            fault: Some(FaultName::Io),
            profiles: profiles.iter().collect(),
            note: violation.note || violation.kind == Kind::RefusedUnborn,
            states: self.states,
            sentence: format!("{failure}{}", violation.sentence),
            cause,
            lines: Lines::default(),
            case: case_of(
                &scene.stages[self.stage],
                run,
                &self.plan,
                (violation.kind, &failing.place),
                scene,
            ),
            trace: Some(trace),
            image,
            evidence: self.evidence(),
            shows: Vec::new(),
            frequency: None,
        }
    }
}

/// How plainly a place shows what is wrong, the plainest first.
fn rank(place: &Place) -> u8 {
    match place {
        Place::Running => 0,
        Place::State(state) if state.is_kill() => 1,
        Place::State(_) => 2,
    }
}
