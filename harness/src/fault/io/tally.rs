//! What all runs found together: taken in by the number of the run, so that what is reported does not
//! depend on which was done first. Failing runs of one kind and one failing call are one group.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::examined::{Examined, Failing};
use super::group::{Group, Key, Scene, cause};
use super::run::Run;
use crate::fault::FaultOutcome;
use crate::record::Plan;

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

/// Counts and groups.
#[derive(Default)]
pub struct Tally {
    outcome: FaultOutcome,
    images: BTreeSet<u128>,
    groups: BTreeMap<Key, Group>,
    tried: BTreeMap<String, u64>,
    runs: u64,
    /// What each stage shows without any failure: what the other faults are there for.
    without: Vec<(usize, Failing)>,
}

impl Tally {
    /// Takes in one run. Those without a failure come first.
    pub fn take(&mut self, tried: Tried, scene: &Scene<'_>) {
        let seen = &tried.seen;
        let totals = &mut self.outcome.totals;
        totals.requests += tried.requests;
        totals.crash_points += seen.crash_points.len() as u64;
        totals.states += seen.states;
        self.images.extend(&seen.images);
        // Each was recovered; that two threads recovered some of them twice depends on the machine.
        totals.distinct_images = self.images.len() as u64;
        totals.recoveries = totals.distinct_images;
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
            if tried.what.is_none() {
                self.without.push((tried.stage, failing.clone()));
            } else if self
                .without
                .iter()
                .any(|(stage, known)| *stage == tried.stage && failing.is_no_news_after(known))
            {
                self.outcome
                    .totals
                    .skip("failing runs of a kind that shows without any failing call too", 1);
                continue;
            }
            self.group(&tried, run, failing, scene);
        }
    }

    fn group(&mut self, tried: &Tried, run: &Run, failing: &Failing, scene: &Scene<'_>) {
        let recovers = scene.stages[tried.stage].before.is_some();
        let key = Key {
            note: failing.violation.note,
            kind: failing.violation.kind,
            sentence: cause(run.hit.as_ref(), recovers),
        };
        let one = Group::new(tried.stage, &tried.plan, run, failing);
        match self.groups.entry(key) {
            Entry::Vacant(place) => drop(place.insert(one)),
            Entry::Occupied(mut known) => known.get_mut().join(one),
        }
    }

    /// Counts something that is not tried.
    pub fn skip(&mut self, reason: &str) {
        self.outcome.totals.skip(reason, 1);
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

    /// What is handed back but for the findings, and what they are to be made of: alarms before notes,
    /// the worst kind first.
    pub fn into_parts(self) -> (FaultOutcome, BTreeMap<Key, Group>) {
        (self.outcome, self.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Capabilities, End};
    use crate::fault::io::examined::Place;
    use crate::fault::io::run::Stage;
    use crate::fault::io::testkit;
    use crate::oracle::{Kind, Violation};
    use crate::persistence::{Device, ProfileSet};

    /// A run that lost a write; nothing was made to fail where `what` is nothing.
    fn tried(what: Option<&str>, struck: bool, key: &str) -> Tried {
        let violation = Violation {
            kind: Kind::LostAck,
            sentence: format!("put {key} is missing"),
            keys: Vec::new(),
            operations: Vec::new(),
            note: false,
        };
        let (place, profiles, evidence) = (Place::Running, ProfileSet::EMPTY, String::new());
        let failing = Failing { violation, place, profiles, states: 1, evidence };
        let mut run = testkit::run(&[], Vec::new(), End::Finished);
        run.hit = run.hit.filter(|_| struck);
        Tried {
            stage: 0,
            plan: Plan::none(),
            what: what.map(str::to_owned),
            run: Some(run),
            requests: 7,
            struck,
            seen: Examined { failing: vec![failing], ..Examined::default() },
        }
    }

    fn tally(all: Vec<Tried>) -> (u64, String, FaultOutcome, usize) {
        let stages = [Stage::new(Vec::new(), 1)];
        let capabilities = Capabilities::default();
        let device = Device::default();
        let scene = Scene { stages: &stages, capabilities: &capabilities, warned: false, device };
        let mut tally = Tally::default();
        all.into_iter().for_each(|one| tally.take(one, &scene));
        let (runs, tried) = (tally.runs(), tally.tried());
        let (outcome, groups) = tally.into_parts();
        (runs, tried, outcome, groups.len())
    }

    #[test]
    fn only_failures_that_struck_are_counted_as_tried() {
        let all = vec![
            tried(Some("EIO once"), true, "a"),
            tried(Some("EIO once"), false, "a"),
            tried(Some("cut short"), true, "a"),
        ];
        let (runs, words, outcome, _) = tally(all);
        assert_eq!((runs, words.as_str()), (2, "EIO once 1, cut short 1"));
        let skipped = "planned failures of calls that this run did not make";
        assert_eq!(outcome.totals.skipped.get(skipped), Some(&1));
        assert_eq!(outcome.totals.requests, 21);
    }

    #[test]
    fn what_shows_without_any_failing_call_is_laid_at_the_door_of_none() {
        let (_, _, outcome, groups) =
            tally(vec![tried(None, false, "a"), tried(Some("EIO once"), true, "b")]);
        assert_eq!(groups, 1, "the run without a failure alone");
        let skipped = "failing runs of a kind that shows without any failing call too";
        assert_eq!(outcome.totals.skipped.get(skipped), Some(&1));
        let (_, _, _, groups) = tally(vec![tried(Some("EIO once"), true, "b")]);
        assert_eq!(groups, 1);
    }
}
