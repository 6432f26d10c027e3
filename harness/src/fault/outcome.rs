//! What a fault hands back: counts, findings, which properties were judged, and everything that was
//! not done or cannot be proved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::explore::Covered;
use crate::oracle::{Kind, Verdict};

use super::finding::Finding;

/// What was done, in numbers (report.json, schema 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests sent while recording or writing.
    pub requests: u64,
    /// Moments at which the store was stopped.
    pub crash_points: u64,
    /// Judged (image, promise) pairs.
    pub states: u64,
    /// Images with different bytes.
    pub distinct_images: u64,
    /// Distinct images really recovered: the honest figure.
    pub recoveries: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// What was not visited, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// How much of what the recordings offer was visited.
    pub covered: Covered,
    /// When something failed first.
    pub first_failure: Option<FirstFailure>,
}

/// When something failed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    /// How many distinct images had been recovered.
    pub recoveries: u64,
    /// How long after the fault had begun.
    pub after: Duration,
}

impl Totals {
    /// Counts something that was not visited.
    pub fn skip(&mut self, reason: &str, count: u64) {
        if count > 0 {
            *self.skipped.entry(reason.to_owned()).or_default() += count;
        }
    }

    /// Adds another fault's counts.
    pub fn add(&mut self, other: &Totals) {
        self.requests += other.requests;
        self.crash_points += other.crash_points;
        self.states += other.states;
        self.distinct_images += other.distinct_images;
        self.recoveries += other.recoveries;
        self.elapsed += other.elapsed;
        self.covered.add(&other.covered);
        self.first_failure = self.first_failure.or(other.first_failure);
        for (reason, count) in &other.skipped {
            self.skip(reason, *count);
        }
    }
}

/// What one fault showed.
#[derive(Clone, Debug, Default)]
pub struct FaultOutcome {
    /// In numbers.
    pub totals: Totals,
    /// What failed, worst first.
    pub findings: Vec<Finding>,
    /// The properties judged in at least one case.
    pub judged: BTreeSet<Kind>,
    /// Properties that this fault and the capabilities call for, whether judged or not: what is in
    /// here and in no `judged` of the run makes the outcome *not measured*.
    pub called_for: BTreeSet<Kind>,
    /// Worth a line in the report.
    pub notes: Vec<String>,
    /// What the recorder could not see past, so that a loss cannot be proved: *not measured*.
    pub blind: Vec<String>,
    /// Calls that changed files in a way that is not modelled, with how often: *not measured*.
    pub unmodelled: BTreeMap<String, u64>,
    /// Cases in which the oracle gave up its search and that count as held.
    pub undecided: u64,
    /// Cases in which the damaged directory equals an earlier legal state (ORACLE.md, Rollback).
    pub rollback_exempt: u64,
}

impl FaultOutcome {
    /// Takes in what another part of the same fault showed.
    pub fn merge(&mut self, other: FaultOutcome) {
        self.totals.add(&other.totals);
        for finding in other.findings {
            let same = |known: &&mut Finding| known.id == finding.id && known.note == finding.note;
            match self.findings.iter_mut().find(same) {
                Some(known) => known.states += finding.states,
                None => self.findings.push(finding),
            }
        }
        self.judged.extend(other.judged);
        self.called_for.extend(other.called_for);
        self.notes.extend(other.notes);
        self.blind.extend(other.blind);
        for (name, count) in other.unmodelled {
            *self.unmodelled.entry(name).or_default() += count;
        }
        self.undecided += other.undecided;
        self.rollback_exempt += other.rollback_exempt;
    }
}

/// One saved case, judged again.
#[derive(Clone, Debug, Default)]
pub struct Rejudged {
    /// The verdict.
    pub verdict: Verdict,
    /// The driver's words and standard error.
    pub evidence: String,
}
