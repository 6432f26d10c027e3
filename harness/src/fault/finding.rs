//! A finding: all failing cases of one cause, the worst kind of them with its evidence, the others as
//! symptoms.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::image::Image;
use crate::oracle::Kind;
use crate::scenario::{Case, FaultName, Profile, Strike};

/// So much of a mechanism is in an identifier, in bytes.
const ID_WORDS: usize = 32;

/// A part of a cause: what was lost, or the call that takes it, was done when a recovery was over.
pub const LATER: &str = "later";
/// A part of a cause: remedies of every kind were tried, and none helps.
pub const NONE_HELPS: &str = "none-helps";
/// A part of a cause: all that its states lose are deletes.
pub const ONLY_DELETES: &str = "only-deletes";

/// Why a case fails, as far as it could be worked out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// One plain sentence: which event, lost or damaged or late.
    pub sentence: String,
    /// What would make every failing case of the finding hold, if that was tried.
    pub counterfactual: Option<String>,
    /// Which calls' effects have to be lost, where that is the cause: two findings with the same are one flaw.
    pub mechanism: Option<String>,
    /// True of a finding with a failing call that shows without the failure too.
    pub blameless: bool,
    /// True if what would help was tried on the recording.
    pub tried: bool,
    /// The same in parts, for programs: `event`, `file`, `call`, `operator` and so on.
    pub parts: BTreeMap<String, String>,
}

/// Another way in which the flaw of a finding shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// What is violated.
    pub kind: Kind,
    /// Which fault showed it; nothing for the control run.
    pub fault: Option<FaultName>,
    /// Worth a word and no alarm.
    pub note: bool,
    /// Under which profiles it shows; empty where profiles play no part.
    pub profiles: BTreeSet<Profile>,
    /// How many cases failed so.
    pub states: u64,
    /// What was promised and came back in one of them.
    pub sentence: String,
}

/// Where in the program's source a finding happens, as far as lines are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// `file:line` of the guilty call.
    pub at: Option<String>,
    /// `file:line` of the call that the guilty one comes before, where their order is the cause.
    pub before: Option<String>,
    /// The calls by which recovery read and changed what the crash had left: `read of log at file:line`.
    pub recovery: Vec<String>,
}

/// One flaw: failing cases with the same cause, and the evidence for the worst of them.
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
    /// Where in the program's source it happens.
    pub lines: Lines,
    /// One failing case, complete enough to judge again.
    pub case: Case,
    /// The failing case's trace as text, where there is one.
    pub trace: Option<String>,
    /// The directory that recovery was given, where there is one.
    pub image: Option<Image>,
    /// The driver's words and standard error, or a check's output.
    pub evidence: String,
    /// The other kinds and faults that show the same flaw.
    pub shows: Vec<Symptom>,
    /// In how many of how many fresh tries it failed again; filled by the campaign. `(0, 0)` where the
    /// time was over before it could be tried.
    pub frequency: Option<(u32, u32)>,
}

impl Finding {
    /// The mildest profile that shows it.
    pub fn grade(&self) -> Option<Profile> {
        self.profiles.first().copied()
    }

    /// False where it was seen once, and the time was over before it could be tried again.
    pub fn is_confirmed(&self) -> bool {
        self.frequency != Some((0, 0))
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

    /// True if the other one fails for the loss of the same calls' effects, and this one can stand for it.
    pub fn is_one_flaw(&self, other: &Finding) -> bool {
        self.cause.mechanism.is_some()
            && self.cause.mechanism == other.cause.mechanism
            && (other.note || !self.note)
            && self.grade() <= other.grade()
    }

    /// Takes in another finding of the same flaw, which this one stands for.
    pub fn stand_for(&mut self, other: Finding) {
        let Finding { kind, fault, note, profiles, states, sentence, shows, .. } = other;
        let symptom = Symptom { kind, fault, note, profiles, states, sentence };
        for symptom in std::iter::once(symptom).chain(shows) {
            self.show(symptom);
        }
    }

    /// Takes in a symptom; of one kind and fault there is one, an alarm where any of them is. One of the finding's own
    /// kind and fault is more of the same.
    pub fn show(&mut self, symptom: Symptom) {
        if (symptom.kind, symptom.fault) == (self.kind, self.fault) {
            self.states += symptom.states;
            return;
        }
        let same =
            |known: &&mut Symptom| (known.kind, known.fault) == (symptom.kind, symptom.fault);
        match self.shows.iter_mut().find(same) {
            Some(known) => {
                known.note &= symptom.note;
                known.profiles.extend(symptom.profiles);
                known.states += symptom.states;
            }
            None => self.shows.push(symptom),
        }
    }

    /// True if it or one of its symptoms is a violation of this kind under this fault.
    pub fn violates(&self, fault: Option<FaultName>, kind: Kind) -> bool {
        !self.note
            && ((self.fault, self.kind) == (fault, kind)
                || self
                    .shows
                    .iter()
                    .any(|one| (one.fault, one.kind, one.note) == (fault, kind, false)))
    }

    /// The fault's name in reports and scenarios.
    pub fn fault_name(&self) -> &'static str {
        self.fault.map_or("none", FaultName::name)
    }

    /// An identifier from what does not change between runs: where a mechanism is known, whatever kind of
    /// failure is the worst of this run.
    pub fn stable_id(fault: Option<FaultName>, kind: Kind, cause: &Cause) -> String {
        let fault = fault.map_or("none", FaultName::name);
        let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32;
        if let Some(mechanism) = &cause.mechanism {
            let words = mechanism.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
            let mut words: String = words.collect();
            words.truncate(ID_WORDS);
            let words = words.split('-').filter(|word| !word.is_empty() && *word != "of");
            let words = words.collect::<Vec<_>>().join("-");
            return format!("{fault}-{words}-{:08x}", hash(mechanism));
        }
        let mut text = format!("{fault}\n{kind}\n{}", cause.sentence);
        for (name, value) in &cause.parts {
            text.push_str(&format!("\n{name}={value}"));
        }
        format!("{fault}-{kind}-{:08x}", hash(&text))
    }
}
