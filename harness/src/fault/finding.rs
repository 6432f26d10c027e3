//! A finding: all failing cases of one kind and one cause, with the evidence for the worst of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::image::Image;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName, Profile, Strike};

/// Why a case fails, as far as it could be worked out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// One plain sentence: which event, lost or damaged or late.
    pub sentence: String,
    /// What would make every failing case of the finding hold, if that was tried.
    pub counterfactual: Option<String>,
    /// The same in parts, for programs: `event`, `file`, `call`, `operator` and so on.
    pub parts: BTreeMap<String, String>,
}

/// Failing cases with the same kind and the same cause.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Stable across runs: made of fault, kind and cause, not of counts, times or paths.
    pub id: String,
    /// What is violated.
    pub kind: Kind,
    /// Which fault showed it; nothing for the control run (`none`).
    pub fault: Option<FaultName>,
    /// Under which profiles it shows; empty where profiles play no part. The mildest is its grade.
    pub profiles: BTreeSet<Profile>,
    /// True for what is worth a word and never an alarm, by the rules of ORACLE.md; that only a
    /// harsher profile than `fail_on` shows it is worked out by the campaign.
    pub note: bool,
    /// How many cases failed so.
    pub states: u64,
    /// One plain sentence: what was promised, what came back.
    pub sentence: String,
    /// Why.
    pub cause: Cause,
    /// `file:line` of the guilty call, where known.
    pub source: Option<String>,
    /// One failing case, complete enough to judge again.
    pub case: Case,
    /// The failing case's trace as text, where there is one.
    pub trace: Option<String>,
    /// The directory that recovery was given, where there is one.
    pub image: Option<Image>,
    /// The driver's words and standard error, or a check's output.
    pub evidence: String,
    /// In how many of how many fresh tries it failed again; filled by the campaign.
    pub frequency: Option<(u32, u32)>,
}

impl Finding {
    /// The mildest profile that shows it.
    pub fn grade(&self) -> Option<Profile> {
        self.profiles.first().copied()
    }

    /// True if it takes a second fault to show it: a crash inside the recovery from another, or a call
    /// that failed before. What one crash shows by itself is nearer to the cause.
    pub fn takes_two(&self) -> bool {
        match &self.case.strike {
            Strike::Power(strike) => !strike.nested.is_empty(),
            Strike::Io(_) => true,
            Strike::None | Strike::Kill(_) | Strike::Media(_) => false,
        }
    }

    /// Orders findings as a reader wants them: violations before notes; what shows without any fault; what
    /// one fault shows before what
    /// takes two, which is often its echo; the worst kind first; what the mildest profile shows first; and
    /// of those alike the one with the most cases.
    pub fn order(&self, other: &Finding) -> Ordering {
        let needs_fault = |one: &Finding| one.fault.is_some();
        let key =
            |one: &Finding| (one.note, needs_fault(one), one.takes_two(), one.kind, one.grade());
        let states = other.states.cmp(&self.states);
        key(self).cmp(&key(other)).then(states).then_with(|| self.id.cmp(&other.id))
    }

    /// The fault's name in reports and scenarios.
    pub fn fault_name(&self) -> &'static str {
        self.fault.map_or("none", FaultName::name)
    }

    /// An identifier from what does not change between runs.
    pub fn stable_id(fault: Option<FaultName>, kind: Kind, cause: &Cause) -> String {
        let mut text =
            format!("{}\n{kind}\n{}", fault.map_or("none", FaultName::name), cause.sentence);
        for (name, value) in &cause.parts {
            text.push_str(&format!("\n{name}={value}"));
        }
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        format!("{}-{kind}-{:08x}", fault.map_or("none", FaultName::name), hash as u32)
    }
}
