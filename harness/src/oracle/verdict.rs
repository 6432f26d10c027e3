//! What the oracle says: the violation kinds of ORACLE.md (a contract) and the verdict on one case.

use std::collections::BTreeSet;
use std::fmt;

use crate::workload::{Key, OpNo};

/// What a violation is called. The order is from worst to mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something durable by promise is missing or older.
    LostAck,
    /// A value that no operation wrote to that key.
    CorruptValue,
    /// A key that was never written.
    GhostKey,
    /// A batch is there in part.
    TornBatch,
    /// Not a prefix of the acknowledged order.
    Hole,
    /// An operation that an earlier recovery showed absent appears later.
    Resurrected,
    /// An unacknowledged operation that recovery showed is gone after the next crash.
    Vanished,
    /// A legal crash state is not opened.
    Refused,
    /// Recovery died.
    RecoveryCrashed,
    /// After a recovery that showed the contents an ordinary request killed the store.
    DiedInUse,
    /// Recovery gave no answer in time.
    RecoveryHung,
    /// Closing and opening again changes the contents.
    Unstable,
    /// After recovery a put, its acknowledgement and a reopen do not give it back.
    NotWritable,
    /// Damaged bytes lost data and nothing said so.
    SilentLoss,
    /// Something acknowledged before the damaged bytes were written is gone.
    LostBeforeDamage,
    /// The program died of an injected failure.
    CrashedOnError,
    /// Refused before any `open` was ever acknowledged: a note.
    RefusedUnborn,
}

impl Kind {
    /// Every kind, worst first.
    pub const ALL: [Kind; 17] = [
        Kind::LostAck,
        Kind::CorruptValue,
        Kind::GhostKey,
        Kind::TornBatch,
        Kind::Hole,
        Kind::Resurrected,
        Kind::Vanished,
        Kind::Refused,
        Kind::RecoveryCrashed,
        Kind::DiedInUse,
        Kind::RecoveryHung,
        Kind::Unstable,
        Kind::NotWritable,
        Kind::SilentLoss,
        Kind::LostBeforeDamage,
        Kind::CrashedOnError,
        Kind::RefusedUnborn,
    ];

    /// The name in report.json, in scenarios and on the terminal.
    pub fn name(self) -> &'static str {
        match self {
            Kind::LostAck => "lost-ack",
            Kind::CorruptValue => "corrupt-value",
            Kind::GhostKey => "ghost-key",
            Kind::TornBatch => "torn-batch",
            Kind::Hole => "hole",
            Kind::Resurrected => "resurrected",
            Kind::Vanished => "vanished",
            Kind::Refused => "refused",
            Kind::RecoveryCrashed => "recovery-crashed",
            Kind::DiedInUse => "died-in-use",
            Kind::RecoveryHung => "recovery-hung",
            Kind::Unstable => "unstable",
            Kind::NotWritable => "not-writable",
            Kind::SilentLoss => "silent-loss",
            Kind::LostBeforeDamage => "lost-before-damage",
            Kind::CrashedOnError => "crashed-on-error",
            Kind::RefusedUnborn => "refused-unborn",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What struck between the history and the recovery: it decides which promise is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Nothing: the store was closed cleanly and opened again.
    None,
    /// The process was killed: the promise of `kill=` holds.
    Kill,
    /// The power was cut: the promise of `durable=` holds.
    Power,
}

/// One thing that must hold and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it is called.
    pub kind: Kind,
    /// One plain sentence: what was promised, what came back.
    pub sentence: String,
    /// The keys concerned, worst first.
    pub keys: Vec<Key>,
    /// The operations concerned.
    pub operations: Vec<OpNo>,
    /// Worth a word and never an alarm: it changes neither outcome nor exit code (`refused-unborn`,
    /// and `vanished` after a kill and then a power cut).
    pub note: bool,
}

/// The oracle's answer about one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What was violated, worst first; empty where the case holds.
    pub violations: Vec<Violation>,
    /// The properties that this case judged, whether they held or not.
    pub judged: BTreeSet<Kind>,
    /// True if so many short values could belong to several operations that the search for a legal
    /// order was given up: the case counts as held, and the report counts such cases.
    pub undecided: bool,
}

impl Verdict {
    /// True where nothing but notes was found.
    pub fn held(&self) -> bool {
        self.violations.iter().all(|violation| violation.note)
    }

    /// The worst violation that is not a note.
    pub fn worst(&self) -> Option<&Violation> {
        self.violations.iter().filter(|violation| !violation.note).min_by_key(|found| found.kind)
    }

    /// Takes in what another judgement of the same case found.
    pub fn merge(&mut self, other: Verdict) {
        self.violations.extend(other.violations);
        self.violations.sort_by_key(|violation| (violation.note, violation.kind));
        self.judged.extend(other.judged);
        self.undecided |= other.undecided;
    }
}

impl Loss {
    /// What a crash after a crash amounts to: whatever was volatile before a kill is lost by a power
    /// cut that follows it.
    pub fn worse(self, other: Loss) -> Loss {
        match (self, other) {
            (Loss::Power, _) | (_, Loss::Power) => Loss::Power,
            (Loss::Kill, _) | (_, Loss::Kill) => Loss::Kill,
            _ => Loss::None,
        }
    }
}
