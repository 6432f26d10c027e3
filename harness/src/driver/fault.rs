//! What a driver can do wrong besides answering wrongly. This is data about the target, never an
//! error of the harness.

use std::fmt;

use super::patience::Hang;
use super::protocol::BadLine;

/// How a session ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverFault {
    /// The process ended, or closed its output.
    Died {
        /// Signal or status, in words.
        how: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// No answer in time.
    Hung {
        /// What was waited for.
        waiting_for: String,
        /// For how long, in milliseconds.
        after_ms: u64,
        /// How that is known.
        hang: Hang,
    },
    /// It filled its directory, and was stopped.
    TookRoom {
        /// How much it took.
        taken_bytes: u64,
        /// The most that it was allowed.
        limit_bytes: u64,
    },
    /// Unplug was asked to end and waited no longer: nothing is known.
    Abandoned,
    /// It printed something that is not the protocol.
    BrokeProtocol {
        /// The line and what was expected instead.
        line: BadLine,
    },
}

impl fmt::Display for DriverFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { how, stderr } if stderr.trim().is_empty() => write!(f, "{how}"),
            Self::Died { how, stderr } => write!(f, "{how}; it said: {}", stderr.trim()),
            Self::Hung { waiting_for, hang: Hang::Burning, .. } => write!(
                f,
                "no answer to {waiting_for}: it computes without end and makes no system call"
            ),
            Self::Hung { waiting_for, hang: Hang::Asleep, .. } => write!(
                f,
                "no answer to {waiting_for}: all its threads sleep, and nothing is left that could \
                 wake one"
            ),
            Self::Hung { waiting_for, after_ms, .. } => {
                write!(f, "no answer to {waiting_for} within {after_ms} ms")
            }
            Self::TookRoom { taken_bytes, limit_bytes } => write!(
                f,
                "it filled its directory with {} MiB and was stopped: more than {} MiB",
                taken_bytes >> 20,
                limit_bytes >> 20
            ),
            Self::Abandoned => write!(f, "not waited for any longer: unplug was asked to end"),
            Self::BrokeProtocol { line } => write!(f, "not the protocol: {line}"),
        }
    }
}

impl From<BadLine> for DriverFault {
    fn from(line: BadLine) -> Self {
        Self::BrokeProtocol { line }
    }
}
