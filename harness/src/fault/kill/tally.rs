//! What all writers found together.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::image::Image;
use crate::oracle::{Cycles, Kind, Verdict};
use crate::recover::Recovery;
use crate::scenario::{Case, CycleText, FaultName, Files, HistoryText, KillStrike, Strike};
use crate::workload::text::{print_request, print_value};
use crate::workload::{History, Moment, Request};

use super::super::context::Context;
use super::super::finding::{Cause, Finding, Lines};
use super::super::in_use;
use super::super::observer::Progress;
use super::super::outcome::{FaultOutcome, FirstFailure};
use super::super::stored;

/// The folder of the directory that the kill left.
pub(super) const IMAGE: &str = "image";

/// Why a live process's kill shows it, as far as is known.
const LIVE: &str = "a live writer was killed; no kill of the recorded run shows the same";

/// One case before it is judged.
pub(super) struct Left<'a> {
    pub(super) image: &'a Image,
    /// The cycle that the kill ended.
    pub(super) history: &'a History,
    /// The cycles before, with what recovery showed after each.
    pub(super) earlier: &'a [(History, crate::workload::Contents)],
    pub(super) moment: String,
    /// What the recovered store was asked after its `dump`, where it died of that.
    pub(super) then: &'a [Request],
}

/// The common count.
pub(super) struct Tally<'a> {
    ctx: &'a Context<'a>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outcome: FaultOutcome,
    images: std::collections::BTreeSet<u128>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(ctx: &'a Context<'a>) -> Self {
        Self { ctx, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts requests that were sent and a kill.
    pub(super) fn killed(&self, requests: usize) {
        let mut state = self.lock();
        state.outcome.totals.requests += requests as u64;
        state.outcome.totals.crash_points += 1;
    }

    /// Takes in the verdict on one case.
    pub(super) fn judged(&self, left: &Left<'_>, recovery: &Recovery, verdict: Verdict) {
        let mut state = self.lock();
        let hash = left.image.hash();
        let fresh = state.images.insert(hash);
        let outcome = &mut state.outcome;
        outcome.totals.states += 1;
        outcome.totals.recoveries += 1;
        outcome.totals.covered.lossy += 1;
        outcome.totals.distinct_images += u64::from(fresh);
        outcome.undecided += u64::from(verdict.undecided);
        outcome.judged.extend(&verdict.judged);
        for violation in verdict.violations {
            let cause = match violation.kind {
                Kind::DiedInUse => in_use::cause(&violation),
                _ => Cause { sentence: LIVE.into(), ..Cause::default() },
            };
            let id = Finding::stable_id(Some(FaultName::Kill), violation.kind, &cause);
            let same = |known: &&mut Finding| known.id == id && known.note == violation.note;
            if let Some(known) = outcome.findings.iter_mut().find(same) {
                known.states += 1;
                continue;
            }
            let mut evidence = format!("killed {}\n", left.moment);
            evidence.push_str(&self::evidence(recovery));
            let finding = Finding {
                id,
                kind: violation.kind,
                fault: Some(FaultName::Kill),
                profiles: Default::default(),
                note: violation.note,
                states: 1,
                sentence: violation.sentence,
                cause,
                lines: Lines::default(),
                case: self.case(left),
                trace: None,
                image: Some(left.image.clone()),
                evidence,
                shows: Vec::new(),
                frequency: None,
            };
            if outcome.totals.first_failure.is_none() && !finding.note {
                let (recoveries, after) = (outcome.totals.recoveries, self.ctx.budget.elapsed());
                outcome.totals.first_failure = Some(FirstFailure { recoveries, after });
            }
            self.ctx.budget.note_failure();
            self.ctx.observer.on(Progress::Suspected(&finding));
            outcome.findings.push(finding);
        }
        self.ctx.observer.on(Progress::Working {
            fault: FaultName::Kill,
            totals: &outcome.totals,
            findings: outcome.findings.len(),
            budget: self.ctx.budget,
        });
    }

    /// Why a live process could not be looked at, once.
    pub(super) fn blind(&self, text: String) {
        let mut state = self.lock();
        if !state.outcome.blind.contains(&text) {
            state.outcome.blind.push(text);
        }
    }

    /// A property was put to the test.
    pub(super) fn tested(&self, kind: Kind) {
        self.lock().outcome.judged.insert(kind);
    }

    /// A line for the report, once.
    pub(super) fn note(&self, text: String) {
        let mut state = self.lock();
        if !state.outcome.notes.contains(&text) {
            state.outcome.notes.push(text);
        }
    }

    pub(super) fn into_outcome(self) -> FaultOutcome {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = state.outcome;
        outcome.findings.sort_by(|a, b| (a.note, a.kind, &a.id).cmp(&(b.note, b.kind, &b.id)));
        outcome
    }

    fn case(&self, left: &Left<'_>) -> Case {
        let mut files = Files::new();
        stored::put(&mut files, IMAGE, left.image);
        let cycle = |(history, shown): &(History, crate::workload::Contents)| CycleText {
            history: HistoryText::of(history),
            shown: shown.iter().map(|(k, v)| (k.to_string(), print_value(v))).collect(),
        };
        Case {
            capabilities: self.ctx.control.capabilities.words().join(" "),
            control_warned: !self.ctx.control.warnings.is_empty(),
            on_disk: false,
            strike: Strike::Kill(KillStrike {
                history: HistoryText::of(left.history),
                image: IMAGE.into(),
                moment: left.moment.clone(),
                earlier: left.earlier.iter().map(cycle).collect(),
                then: left.then.iter().map(print_request).collect(),
            }),
            files,
        }
    }
}

/// The driver's words where it did not open.
pub(super) fn evidence(recovery: &Recovery) -> String {
    match recovery {
        Recovery::Opened(recovered) => recovered.warnings.join("\n"),
        Recovery::Refused { text, warnings, .. } => format!("{}\n{text}", warnings.join("\n")),
        Recovery::Crashed { how, stderr, .. } => format!("{how}\n{stderr}"),
        Recovery::Hung { .. } => String::new(),
    }
}

/// The cycles that came before, as the oracle wants them.
pub(super) fn cycles(
    capabilities: &crate::driver::Capabilities,
    earlier: &[(History, crate::workload::Contents)],
) -> Cycles {
    let mut cycles = Cycles::new(capabilities);
    for (history, shown) in earlier {
        cycles.then(history, end(history), crate::oracle::Loss::Kill, shown);
    }
    cycles
}

/// The moment after everything in `history`.
pub(super) fn end(history: &History) -> Moment {
    let moments = history.operations.iter().map(|operation| {
        operation.answered.as_ref().map_or(operation.begun, |(moment, _)| *moment)
    });
    Moment(moments.max().map_or(0, |last| last.0 + 1))
}
