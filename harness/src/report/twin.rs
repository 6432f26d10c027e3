//! report.json (schema 1): the serializable twin of a run's conclusion. Every other renderer reads
//! this and nothing else, so that a stored run renders again exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::campaign::Conclusion;
use crate::explore::{Covered, Part};
use crate::fault::{Finding, Symptom, Totals};
use crate::scenario::{FaultName, OptionsText, Profile, TargetText};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of unplug.
    pub version: String,
    /// `held`, `violated`, `not-measured`, `setup-failed` or `harness-broken`.
    pub outcome: String,
    /// False if the run was interrupted.
    pub complete: bool,
    /// The seed of every random decision.
    pub seed: u64,
    /// What was run.
    pub target: TargetTwin,
    /// How it was run.
    pub options: OptionsText,
    /// All faults together.
    pub totals: TotalsTwin,
    /// Each fault that ran.
    pub faults: BTreeMap<String, TotalsTwin>,
    /// What failed, worst first.
    pub findings: Vec<FindingTwin>,
    /// The properties judged in at least one case.
    pub judged: Vec<String>,
    /// The properties judged in no case.
    pub not_judged: Vec<String>,
    /// The properties that a fault and the capabilities call for, and that this fault did not judge.
    pub missed: Vec<String>,
    /// Calls that changed files and are not modelled.
    pub unmodelled_calls: BTreeMap<String, u64>,
    /// What the recorder could not see past.
    pub blind: Vec<String>,
    /// Worth a line.
    pub notes: Vec<String>,
    /// Cases in which damage left an earlier legal state, as far as the snapshots tell: no store could notice.
    pub rollback_exempt: u64,
    /// Cases in which the oracle gave up its search; they count as held.
    pub undecided: u64,
    /// The `warn`s of the control run.
    pub control_warnings: Vec<String>,
    /// The file system on which control, recordings and recoveries stood; empty where none was reached.
    #[serde(default)]
    pub file_system: String,
    /// Why the harness is broken, if it is.
    pub broken: Option<String>,
}

/// The target of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetTwin {
    /// What it is called.
    pub name: String,
    /// How it is started.
    pub start: TargetText,
    /// What it promised.
    pub capabilities: Vec<String>,
}

/// What was done, in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TotalsTwin {
    /// Distinct images really recovered: the honest figure, first.
    pub recoveries: u64,
    /// Judged (image, promise) pairs.
    pub states: u64,
    /// Images with different bytes.
    pub distinct_images: u64,
    /// Moments at which the store was stopped.
    pub crash_points: u64,
    /// Requests sent.
    pub requests: u64,
    /// Wall time in seconds.
    pub elapsed_s: f64,
    /// States by wall time.
    pub states_per_s: f64,
    /// Recoveries by wall time.
    pub recoveries_per_s: f64,
    /// What was not visited, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// How much of what could be visited was.
    #[serde(default)]
    pub coverage: CoverageTwin,
    /// When something failed first, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<FirstFailureTwin>,
}

/// How much of what could be visited was: each a pair of how many were and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoverageTwin {
    /// Visited cases that take something from the store.
    pub lossy: u64,
    /// Groups of like cases.
    pub groups: [u64; 2],
    /// Crash points at which something can be lost.
    pub points: [u64; 2],
    /// Effects that can be lost, calls that can fail, damages of small files.
    pub targets: [u64; 2],
    /// Sorts of recoveries that were struck again.
    #[serde(default)]
    pub again: [u64; 2],
}

/// When something failed first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FirstFailureTwin {
    /// How many distinct images had been recovered.
    pub recoveries: u64,
    /// Seconds since the fault began.
    pub after_s: f64,
}

/// One finding.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingTwin {
    /// Stable across runs.
    pub id: String,
    /// What is violated.
    pub kind: String,
    /// Which fault showed it.
    pub fault: String,
    /// The mildest profile that shows it, where profiles play a part.
    pub grade: Option<String>,
    /// True if it changes neither outcome nor exit code.
    pub note: bool,
    /// Every profile that shows it.
    pub profiles: Vec<String>,
    /// How many cases failed so.
    pub states: u64,
    /// What was promised, what came back.
    pub sentence: String,
    /// Why.
    pub cause: CauseTwin,
    /// `file:line` of the guilty call.
    pub source: Option<String>,
    /// The other kinds and faults that show the same flaw.
    #[serde(default)]
    pub shows: Vec<SymptomTwin>,
    /// `file:line` of the call that the guilty one comes before, where their order is the cause.
    #[serde(default)]
    pub behind: Option<String>,
    /// The calls by which recovery read and changed what the crash had left, each with its `file:line`.
    #[serde(default)]
    pub recovery: Vec<String>,
    /// In how many of how many fresh tries it failed again.
    pub frequency: Option<[u32; 2]>,
    /// The driver's words and standard error.
    pub evidence: String,
    /// The scenario file, relative to the run's folder.
    pub scenario: String,
    /// The trace as text, relative to the run's folder.
    pub trace: Option<String>,
    /// The failing directory, relative to the run's folder.
    pub directory: Option<String>,
    /// The command that replays it, in the run's folder.
    pub replay: String,
}

/// Another way in which the flaw of a finding shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SymptomTwin {
    /// What is violated.
    pub kind: String,
    /// Which fault showed it.
    pub fault: String,
    /// True if it is no violation by itself.
    pub note: bool,
    /// Every profile that shows it.
    pub profiles: Vec<String>,
    /// How many cases failed so.
    pub states: u64,
    /// What was promised and came back in one of them.
    pub sentence: String,
}

/// Why a case fails.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CauseTwin {
    /// One plain sentence.
    pub sentence: String,
    /// What would make it hold.
    pub counterfactual: Option<String>,
    /// Which calls' effects have to be lost.
    #[serde(default)]
    pub mechanism: Option<String>,
    /// The same in parts.
    #[serde(flatten)]
    pub parts: BTreeMap<String, String>,
}

impl Report {
    /// The twin of `conclusion`. Its paths are relative to the folder that it is written to.
    pub fn of(conclusion: &Conclusion) -> Self {
        let names = |kinds: &std::collections::BTreeSet<crate::oracle::Kind>| {
            kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>()
        };
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            outcome: conclusion.outcome.to_string(),
            complete: conclusion.complete,
            seed: conclusion.options.seed,
            target: TargetTwin {
                name: conclusion.target_name.clone(),
                start: conclusion.target.clone(),
                capabilities: conclusion.capabilities.clone(),
            },
            options: OptionsText::of(&conclusion.options),
            totals: TotalsTwin::of(&conclusion.totals),
            faults: conclusion
                .faults
                .iter()
                .map(|(fault, totals)| (fault.to_string(), TotalsTwin::of(totals)))
                .collect(),
            findings: conclusion.findings.iter().map(FindingTwin::of).collect(),
            judged: names(&conclusion.judged),
            not_judged: names(&conclusion.not_judged),
            missed: names(&conclusion.missed),
            unmodelled_calls: conclusion.unmodelled.clone(),
            blind: conclusion.blind.clone(),
            notes: conclusion.notes.clone(),
            rollback_exempt: conclusion.rollback_exempt,
            undecided: conclusion.undecided,
            control_warnings: conclusion.control_warnings.clone(),
            file_system: conclusion.file_system.clone(),
            broken: conclusion
                .broken
                .as_ref()
                .map(|(outcome, why)| format!("{}: {why}", outcome.name().replace('-', " "))),
        }
    }
}

impl TotalsTwin {
    fn of(totals: &Totals) -> Self {
        let seconds = totals.elapsed.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { round(count as f64 / seconds) } else { 0.0 };
        Self {
            recoveries: totals.recoveries,
            states: totals.states,
            distinct_images: totals.distinct_images,
            crash_points: totals.crash_points,
            requests: totals.requests,
            elapsed_s: round(seconds),
            states_per_s: rate(totals.states),
            recoveries_per_s: rate(totals.recoveries),
            skipped: totals.skipped.clone(),
            coverage: CoverageTwin::of(&totals.covered),
            first_failure: totals.first_failure.map(|first| FirstFailureTwin {
                recoveries: first.recoveries,
                after_s: round(first.after.as_secs_f64()),
            }),
        }
    }
}

impl CoverageTwin {
    fn of(covered: &Covered) -> Self {
        let pair = |part: Part| [part.seen, part.all];
        Self {
            lossy: covered.lossy,
            groups: pair(covered.groups),
            points: pair(covered.points),
            targets: pair(covered.targets),
            again: pair(covered.again),
        }
    }
}

/// Three digits after the point are enough for people and for programs.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl FindingTwin {
    fn of(finding: &Finding) -> Self {
        let id = &finding.id;
        Self {
            id: id.clone(),
            kind: finding.kind.to_string(),
            fault: finding.fault_name().into(),
            grade: finding.grade().map(|grade| grade.to_string()),
            note: finding.note,
            profiles: finding.profiles.iter().map(|each: &Profile| each.to_string()).collect(),
            states: finding.states,
            sentence: finding.sentence.clone(),
            cause: CauseTwin {
                sentence: finding.cause.sentence.clone(),
                counterfactual: finding.cause.counterfactual.clone(),
                mechanism: finding.cause.mechanism.clone(),
                parts: finding.cause.parts.clone(),
            },
            source: finding.lines.at.clone(),
            behind: finding.lines.before.clone(),
            recovery: finding.lines.recovery.clone(),
            shows: finding.shows.iter().map(SymptomTwin::of).collect(),
            frequency: finding.frequency.map(|(failed, of)| [failed, of]),
            evidence: finding.evidence.clone(),
            scenario: format!("{id}/scenario.json"),
            trace: finding.trace.as_ref().map(|_| format!("{id}/trace.txt")),
            directory: None,
            replay: format!("unplug replay {}", quoted(&format!("{id}/scenario.json"))),
        }
    }
}

impl SymptomTwin {
    fn of(symptom: &Symptom) -> Self {
        Self {
            kind: symptom.kind.to_string(),
            fault: symptom.fault.map_or("none", FaultName::name).into(),
            note: symptom.note,
            profiles: symptom.profiles.iter().map(|each: &Profile| each.to_string()).collect(),
            states: symptom.states,
            sentence: symptom.sentence.clone(),
        }
    }
}

/// A word that a shell reads as one.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:=@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
