//! The result of one recovery.

use crate::driver::Hang;
use crate::workload::Contents;

/// Where in `open`, `dump`, `close` a recovery stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The process was started or `open` was outstanding.
    Open,
    /// `dump` was outstanding.
    Dump,
    /// `close` was outstanding.
    Close,
}

/// What a store showed after it opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Every pair of the `dump`.
    pub contents: Contents,
    /// The texts of `warn` between `open` and the answer to `dump`.
    pub warnings: Vec<String>,
    /// A key that the dump printed twice with different values, if any: the store contradicts itself.
    pub contradiction: Option<String>,
}

/// What a driver made of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It opened, dumped and closed.
    Opened(Recovered),
    /// It answered `refused`, or `err` to `open` or `dump`.
    Refused {
        /// Which request.
        stage: Stage,
        /// Its text.
        text: String,
        /// Warnings before it.
        warnings: Vec<String>,
    },
    /// It died, exited with a non-zero status or broke the protocol before `close` was answered.
    Crashed {
        /// Where.
        stage: Stage,
        /// Signal, status or the offending line.
        how: String,
        /// The end of its standard error.
        stderr: String,
        /// True if it lived, and what it printed is not the protocol.
        garbled: bool,
    },
    /// It does not answer.
    Hung {
        /// Where.
        stage: Stage,
        /// How that is known.
        hang: Hang,
    },
}

/// What came of using a recovered store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Used {
    /// It answered everything, or was not open for it.
    Well,
    /// A request killed it.
    Died {
        /// The request, in the text form of the workload.
        request: String,
        /// The number of the request after the `dump`, from 1.
        nth: usize,
        /// How, and what it wrote to its standard error.
        how: String,
    },
}

impl Recovery {
    /// The driver's own words.
    pub fn words(&self) -> String {
        match self {
            Recovery::Opened(recovered) => recovered.warnings.join("\n"),
            Recovery::Refused { text, warnings, .. } => {
                warnings.iter().chain([text]).cloned().collect::<Vec<_>>().join("\n")
            }
            Recovery::Crashed { how, stderr, .. } => format!("{how}\n{stderr}"),
            Recovery::Hung { stage, .. } => format!("no answer at {stage:?}"),
        }
    }

    /// True if both refused with the same text.
    pub(super) fn gives_the_reason_of(&self, other: &Recovery) -> bool {
        match (self, other) {
            (Recovery::Refused { text: a, .. }, Recovery::Refused { text: b, .. }) => a == b,
            _ => false,
        }
    }

    /// True if two recoveries of one image come to the same: texts may name processes and paths.
    pub fn is_like(&self, other: &Recovery) -> bool {
        match (self, other) {
            (Recovery::Opened(a), Recovery::Opened(b)) => {
                a.contents == b.contents && a.contradiction.is_some() == b.contradiction.is_some()
            }
            (Recovery::Refused { stage: a, .. }, Recovery::Refused { stage: b, .. })
            | (Recovery::Crashed { stage: a, .. }, Recovery::Crashed { stage: b, .. })
            | (Recovery::Hung { stage: a, .. }, Recovery::Hung { stage: b, .. }) => a == b,
            _ => false,
        }
    }
}
