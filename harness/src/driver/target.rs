//! How a driver is started, and how long it is waited for.

use std::time::Duration;

use crate::base::limits::{self, RECORDED_FACTOR, TIMEOUT_OP, TIMEOUT_OPEN};
use crate::workload::Request;

/// A program that speaks the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What reports call it: an engine's name, or the command line as the user gave it.
    pub name: String,
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// Variables that are set besides those inherited.
    pub env: Vec<(String, String)>,
    /// For a whole program that does not speak the protocol: the command that checks what a crash
    /// left. `argv` is then the one word of the workload's command, for a shell; `{dir}` in both is
    /// the store's directory, `{out}` in the check the file of the lines printed before the crash.
    pub check: Option<String>,
    /// It is one of unplug's own drivers: done with a store when it answers `close`, and waiting for the
    /// next request at an empty pipe, whatever stores it had before.
    pub bundled: bool,
}

impl Target {
    /// A target without variables of its own.
    pub fn new(name: impl Into<String>, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self { name: name.into(), argv, env: Vec::new(), check: None, bundled: false }
    }

    /// A whole program and its check.
    pub fn whole(workload: impl Into<String>, check: impl Into<String>) -> Self {
        let workload = workload.into();
        Self { check: Some(check.into()), ..Self::new(workload.clone(), [workload]) }
    }
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For `open`, the start of the process included.
    pub open: Duration,
    /// For every other request.
    pub op: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { open: TIMEOUT_OPEN, op: TIMEOUT_OP }
    }
}

impl Timeouts {
    /// The limit for one request.
    pub fn of(&self, request: &Request) -> Duration {
        if *request == Request::Open { self.open } else { self.op }
    }

    /// The limits of a program whose calls are traced.
    pub fn recorded(&self) -> Self {
        Self { open: self.open * RECORDED_FACTOR, op: self.op * RECORDED_FACTOR }
    }

    /// The first limits, from the slowest answers of the control run; never above these.
    pub fn first(&self, slowest: &Timeouts) -> Self {
        let first = |slowest: Duration, most: Duration| {
            let wanted = slowest.saturating_mul(limits::FIRST_LIMIT_FACTOR);
            wanted.max(limits::FIRST_LIMIT_AT_LEAST).min(most)
        };
        Self { open: first(slowest.open, self.open), op: first(slowest.op, self.op) }
    }

    /// The longer of both, of each kind.
    pub fn max(&self, other: &Timeouts) -> Self {
        Self { open: self.open.max(other.open), op: self.op.max(other.op) }
    }

    /// The shorter of both, of each kind.
    pub fn min(&self, other: &Timeouts) -> Self {
        Self { open: self.open.min(other.open), op: self.op.min(other.op) }
    }

    /// This many times as long.
    pub fn times(&self, factor: u32) -> Self {
        Self { open: self.open.saturating_mul(factor), op: self.op.saturating_mul(factor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_limit_is_many_times_the_slowest_answer_within_bounds() {
        let ms = Duration::from_millis;
        let user = Timeouts { open: ms(30_000), op: ms(400) };
        let slowest = Timeouts { open: ms(40), op: ms(1) };
        let first = user.first(&slowest);
        assert_eq!(first.open, ms(2_000));
        assert_eq!(first.op, ms(400), "never above the user's own limit");
        let quick = user.first(&Timeouts { open: ms(0), op: ms(0) });
        assert_eq!(quick.open, ms(500), "never below the least");
        let slow = user.first(&Timeouts { open: ms(2_000), op: ms(0) });
        assert_eq!(slow.open, ms(30_000));
    }
}
