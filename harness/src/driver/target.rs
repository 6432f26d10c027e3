//! How a driver is started, and how long it is waited for.

use std::time::Duration;

use crate::base::limits::{HANG_FACTOR, TIMEOUT_OP, TIMEOUT_OPEN};
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

    /// The limits at which a hang is confirmed.
    pub fn to_confirm(&self) -> Self {
        Self { open: self.open * HANG_FACTOR, op: self.op * HANG_FACTOR }
    }
}
