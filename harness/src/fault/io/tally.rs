//! What all runs found together: taken in by the number of the run, so that what is reported does not
//! depend on which was done first. Findings of one kind and one failing call are one.

use std::collections::{BTreeMap, BTreeSet};

use super::examine::{Examined, Failing, Place};
use super::rejudge::case_of;
use super::run::{Run, Stage};
use crate::driver::Capabilities;
use crate::fault::{Cause, FaultOutcome, Finding};
use crate::image::Builder;
use crate::oracle::Kind;
use crate::persistence::{Device, Model};
use crate::record::Plan;
use crate::scenario::FaultName;

/// One run that was examined.
#[derive(Debug)]
pub struct Tried {
    /// Which stage's requests were asked.
    pub stage: usize,
    /// What struck.
    pub plan: Plan,
    /// What the failure is called in the counts; nothing for a run without one.
    pub what: Option<String>,
    /// The run, where something is wrong with it.
    pub run: Option<Run>,
    /// How many requests were sent.
    pub requests: u64,
    /// What struck really.
    pub struck: bool,
    /// What came of it.
    pub seen: Examined,
}

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

struct Group {
    finding: Finding,
    rank: u8,
    /// True if something besides a power cut shows it.
    always: bool,
}

/// Counts and groups.
#[derive(Default)]
pub struct Tally {
    outcome: FaultOutcome,
    images: BTreeSet<u128>,
    groups: BTreeMap<(bool, Kind, String), Group>,
    tried: BTreeMap<String, u64>,
    runs: u64,
    /// Kinds that the stage shows without any failure: what the other faults are there for.
    without: BTreeSet<(usize, Kind)>,
}

impl Tally {
    /// Takes in one run. Those without a failure come first.
    pub fn take(&mut self, tried: Tried, scene: &Scene<'_>) {
        let seen = &tried.seen;
        let totals = &mut self.outcome.totals;
        totals.requests += tried.requests;
        totals.crash_points += seen.crash_points.len() as u64;
        totals.states += seen.states;
        totals.recoveries += seen.recoveries;
        self.images.extend(&seen.images);
        totals.distinct_images = self.images.len() as u64;
        totals.skip("states of stores that never showed what they recovered", seen.unjudged);
        self.outcome.judged.extend(&seen.judged);
        self.outcome.undecided += seen.undecided;
        for text in &seen.blind {
            if !self.outcome.blind.contains(text) {
                self.outcome.blind.push(text.clone());
            }
        }
        match &tried.what {
            Some(what) if tried.struck => {
                self.runs += 1;
                *self.tried.entry(what.clone()).or_default() += 1;
            }
            Some(_) => totals.skip("planned failures of calls that this run did not make", 1),
            None => {}
        }
        let Some(run) = &tried.run else { return };
        for failing in &seen.failing {
            let key = (tried.stage, failing.violation.kind);
            if tried.what.is_none() {
                self.without.insert(key);
            } else if self.without.contains(&key) {
                self.outcome
                    .totals
                    .skip("failing runs of a kind that shows without any failing call too", 1);
                continue;
            }
            self.group(&tried, run, failing, scene);
        }
    }

    fn group(&mut self, tried: &Tried, run: &Run, failing: &Failing, scene: &Scene<'_>) {
        let violation = &failing.violation;
        let during = if scene.stages[tried.stage].before.is_some() {
            " while it recovered after a power cut, or later"
        } else {
            ""
        };
        let sentence = match &run.hit {
            Some(hit) => format!("{}{during}", hit.cause()),
            None => format!("no call failed{during}"),
        };
        let rank = match &failing.place {
            Place::Running => 0,
            Place::State(state) if state.is_kill() => 1,
            Place::State(_) => 2,
        };
        let key = (violation.note, violation.kind, sentence.clone());
        if let Some(known) = self.groups.get_mut(&key) {
            known.finding.states += failing.states;
            known.always |= rank < 2;
            known.finding.profiles.extend(failing.profiles.iter());
            if known.rank <= rank {
                return;
            }
        }
        let states = self.groups.get(&key).map_or(failing.states, |known| known.finding.states);
        let mut profiles: BTreeSet<_> = failing.profiles.iter().collect();
        let mut always = rank < 2;
        if let Some(known) = self.groups.get(&key) {
            profiles.extend(&known.finding.profiles);
            always |= known.always;
        }
        let mut finding = finding(tried, run, failing, sentence, scene);
        finding.states = states;
        finding.profiles = profiles;
        self.groups.insert(key, Group { finding, rank, always });
    }

    /// How many failures were tried.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// For the report: which failures were tried how often.
    pub fn tried(&self) -> String {
        let each = self.tried.iter().map(|(what, count)| format!("{what} {count}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// What is handed back, worst first.
    pub fn into_outcome(self) -> FaultOutcome {
        let mut outcome = self.outcome;
        // The key's order is that of the report: alarms before notes, the worst kind first.
        outcome.findings = self
            .groups
            .into_values()
            .map(|group| {
                let mut finding = group.finding;
                if group.always {
                    finding.profiles.clear();
                }
                finding
            })
            .collect();
        outcome
    }
}

fn finding(
    tried: &Tried,
    run: &Run,
    failing: &Failing,
    sentence: String,
    scene: &Scene<'_>,
) -> Finding {
    let violation = &failing.violation;
    let mut cause = Cause { sentence, ..Cause::default() };
    if let Some(hit) = &run.hit {
        cause.parts.insert("call".into(), hit.name.clone());
        cause.parts.insert("file".into(), crate::diagnose::names::plain(&hit.path));
    }
    let id = Finding::stable_id(Some(FaultName::Io), violation.kind, &cause);
    let failure = match &run.hit {
        Some(hit) => {
            cause.parts.insert("number".into(), hit.number.clone());
            cause.parts.insert("plan".into(), tried.plan.to_string());
            format!("after {}, ", hit.failure())
        }
        None => String::new(),
    };
    let (image, at) = match &failing.place {
        Place::Running => (None, None),
        Place::State(state) => {
            let overlay = super::examine::overlay(&run.trace);
            let model = Model::with(&run.trace, &overlay, scene.device);
            cause.parts.insert("state".into(), state.to_string());
            (Some(Builder::new(&model).image(state)), Some(state.point))
        }
    };
    let mut trace = crate::trace::text::text(&run.trace);
    if let Some(at) = at {
        trace.push_str(&format!("the power or the process ends before event {}\n", at.0));
    }
    Finding {
        id,
        kind: violation.kind,
        fault: Some(FaultName::Io),
        profiles: failing.profiles.iter().collect(),
        note: violation.note || violation.kind == Kind::RefusedUnborn,
        states: failing.states,
        sentence: format!("{failure}{}", violation.sentence),
        cause,
        source: None,
        case: case_of(&scene.stages[tried.stage], run, &tried.plan, &failing.place, scene),
        trace: Some(trace),
        image,
        evidence: failing.evidence.clone(),
        frequency: None,
    }
}
