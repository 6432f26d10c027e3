//! `unplug doctor`: whether this machine can do all of it, and what would be missed.

use std::process::ExitCode;

use clap::Args;
use unplug_harness::base::Result;
use unplug_harness::campaign;
use unplug_harness::driver::{End, Plan, Target};
use unplug_harness::record::{RecordOptions, record_workload};
use unplug_harness::scenario::FaultName;
use unplug_harness::trace::{EventKind, FileOp};
use unplug_harness::workload::{Key, Mutation, Request, Value};

use super::{roots, run, say};

/// What can be said to `unplug doctor`.
#[derive(Debug, Args)]
pub struct DoctorCommand {}

/// Prints one line a check; exit 4 if something could not be measured here.
pub fn run(_: DoctorCommand) -> anyhow::Result<ExitCode> {
    let mut checks: Vec<(bool, String)> = Vec::new();
    let mut check = |ok: bool, name: &str, text: String| {
        checks.push((ok, format!("{} {name}: {text}", if ok { "ok     " } else { "MISSING" })));
    };
    check(true, "cores", run::cores().to_string());
    match roots::memory() {
        Some(path) => check(true, "memory file system", path.display().to_string()),
        None => check(
            true,
            "memory file system",
            "none with room: crash states go to the disk, slower".into(),
        ),
    }
    let temporary = std::env::temp_dir();
    let writable = tempfile::tempdir_in(&temporary).is_ok();
    check(writable, "temporary folder", temporary.display().to_string());
    match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) => check(soft >= 256, "open files", format!("{soft} (256 are enough)")),
        Err(errno) => check(false, "open files", errno.to_string()),
    }
    match trace_a_shell() {
        Ok(text) => check(true, "tracing", text),
        Err(error) => check(
            false,
            "tracing",
            format!("{error}; power, io and exact kills need ptrace and seccomp"),
        ),
    }
    for fault in FaultName::ALL {
        let here = campaign::available().contains(&fault);
        check(
            here,
            &format!("fault {fault}"),
            if here { "built in" } else { "not in this build" }.into(),
        );
    }
    for (_, text) in &checks {
        say::line(format_args!("{text}"))?;
    }
    let good = checks.iter().all(|(ok, _)| *ok);
    Ok(ExitCode::from(if good { 0 } else { 4 }))
}

/// A driver of three lines of shell, recorded for real: its one write must be seen.
fn trace_a_shell() -> Result<String> {
    let script = "while read id verb rest; do \
                  case $verb in open) cd \"$rest\";; put) echo x > value;; esac; \
                  echo ack $id; done";
    let target = Target::new("a shell", ["sh", "-c", script]);
    let machine = |error| unplug_harness::base::HarnessError::machine("a temporary folder", error);
    let folder = tempfile::tempdir().map_err(machine)?;
    let dir = folder.path().join("store");
    std::fs::create_dir(&dir).map_err(machine)?;
    let put = Request::Write(Mutation::Put(Key::from("k"), Value::from("v")));
    let requests = [Request::Open, put, Request::Close];
    let plan = Plan { dir: &dir, requests: &requests, threads: 1, capabilities: None };
    let (recording, driven) = record_workload(&target, &RecordOptions::new(&dir).pinned(), &plan)?;
    let wrote = recording.trace.events.iter().any(|event| {
        matches!(&event.kind, EventKind::Call(call) if matches!(call.op, FileOp::Write { .. }))
    });
    if driven.end != End::Finished || !wrote {
        let text = format!("a traced shell ended {:?}, its write was seen: {wrote}", driven.end);
        return Err(unplug_harness::base::HarnessError::setup(text));
    }
    match &recording.trace.blind[..] {
        [] => Ok("works: a program was recorded, nothing escaped".into()),
        blind => Ok(format!("works, but: {}", blind.join("; "))),
    }
}
