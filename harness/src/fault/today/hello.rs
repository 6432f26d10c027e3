//! What the program promises today: asked of an empty store, before anything of a saved case is.

use std::path::Path;

use crate::base::{HarnessError, Result};
use crate::driver::drive::{End, Plan, Processes, drive};
use crate::driver::{Capabilities, Counter, Target};
use crate::fault::asked;
use crate::scenario::Options;
use crate::workload::Request;

/// Opens and closes an empty store below `run_root`. A program that cannot do that is no answer to
/// anything: an error.
pub fn hello(target: &Target, options: &Options, run_root: &Path) -> Result<Capabilities> {
    let folder = tempfile::Builder::new()
        .prefix("hello-")
        .tempdir_in(run_root)
        .map_err(|error| HarnessError::at("making a folder in", run_root, error))?;
    let dir = folder.path().join("store");
    std::fs::create_dir(&dir).map_err(|error| HarnessError::at("making", &dir, error))?;
    let mut host = Processes::new(target, asked::timeouts(options), folder.path());
    let requests = [Request::Open, Request::Close];
    let plan = Plan { dir: &dir, requests: &requests, threads: 1, capabilities: None };
    let driven = drive(&mut host, &mut Counter::default(), &plan)?;
    let why = match (driven.end, driven.capabilities) {
        (End::Finished, Some(capabilities)) => return Ok(capabilities),
        (End::Finished, None) => "it did not say what it promises".to_owned(),
        (End::NotOpened(answer), _) => format!("`open` was answered with {answer:?}"),
        (End::Failed(fault), _) => fault.to_string(),
        (End::Stopped, _) => "it was stopped".to_owned(),
    };
    Err(HarnessError::setup(format!("an empty store was opened and closed, and {why}")))
}
