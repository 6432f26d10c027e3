//! Real processes, started and ended.

use super::*;
use crate::driver::Unwatched;
use crate::workload::{OpNo, Request};

fn shell(script: &str) -> Target {
    Target::new("shell", ["sh", "-c", script])
}

fn spawn(script: &str) -> (TempDir, DriverProcess, Session) {
    let root = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(400);
    let timeouts = Timeouts { open: limit, op: limit };
    let (process, session) = DriverProcess::spawn(&shell(script), root.path(), timeouts).unwrap();
    (root, process, session)
}

fn open(process: &mut DriverProcess, session: &mut Session) -> Result<String, DriverFault> {
    session
        .ask(OpNo(0), &Request::Open, Path::new("/d"), &mut Unwatched)
        .and_then(|()| session.answer(&mut Unwatched))
        .map(|answered| format!("{:?}", answered.answer))
        .map_err(|fault| process.explain(fault))
}

use std::result::Result;

#[test]
fn a_driver_answers_and_ends_with_its_input() {
    let (root, mut process, mut session) =
        spawn("read id word dir; echo ack 1 reopen; test -d \"$UNPLUG_RUN\"");
    assert_eq!(open(&mut process, &mut session).unwrap(), "Ack");
    assert!(session.capabilities().unwrap().reopen);
    session.end_input();
    process.finish(Duration::from_secs(5)).unwrap();
    drop(process);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_death_says_how_and_what_was_written_to_standard_error() {
    let (_root, mut process, mut session) = spawn("echo oh no >&2; exit 3");
    let fault = open(&mut process, &mut session).unwrap_err();
    let how = "it exited with status 3".to_string();
    assert_eq!(fault, DriverFault::Died { how, stderr: "oh no\n".into() });
    let (_root, mut process, mut session) = spawn("kill -SEGV $$");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(fault.to_string().contains("killed by SIGSEGV"), "{fault}");
}

#[test]
fn a_death_is_seen_even_where_a_grandchild_holds_the_output() {
    let (_root, mut process, mut session) = spawn("sleep 1000 & exit 4");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(fault.to_string().contains("status 4"), "{fault}");
}

#[test]
fn silence_is_a_hang_and_chatter_breaks_the_protocol() {
    let (_root, mut process, mut session) = spawn("sleep 1000");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(matches!(fault, DriverFault::Hung { .. }), "{fault}");
    let (_root, mut process, mut session) = spawn("yes warn x");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(fault.to_string().contains("at most 100000 warnings"), "{fault}");
    let (_root, mut process, mut session) = spawn("while sleep 0.01; do echo warn x; done");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(matches!(fault, DriverFault::Hung { .. }), "{fault}");
    let (_root, mut process, mut session) = spawn("echo Listening on port 1; sleep 1000");
    let fault = open(&mut process, &mut session).unwrap_err();
    assert!(matches!(fault, DriverFault::BrokeProtocol { .. }), "{fault}");
    assert!(fault.to_string().contains("Listening on port 1"), "{fault}");
}

/// The processes whose environment names `marker`.
fn alive(marker: &str) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let names = |entry: std::io::Result<std::fs::DirEntry>| {
        let environment = std::fs::read(entry.ok()?.path().join("environ")).ok()?;
        environment.windows(marker.len()).any(|at| at == marker.as_bytes()).then_some(())
    };
    processes.filter_map(names).count()
}

#[test]
fn a_kill_ends_children_that_fork_twice_into_sessions_of_their_own() {
    let script = "(setsid sh -c 'trap \"\" HUP TERM; sleep 1000 & sleep 1000' &) ; \
                  read a; sleep 0.1; echo ack 1; read b";
    let (root, mut process, mut session) = spawn(script);
    let marker = root.path().to_str().unwrap();
    assert_eq!(open(&mut process, &mut session).unwrap(), "Ack");
    assert!(alive(marker) >= 3, "{}", alive(marker));
    assert_eq!(process.kill().signal(), Some(libc::SIGKILL));
    assert_eq!(alive(marker), 0);
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let root = tempfile::tempdir().unwrap();
    let target = Target::new("mine", ["/no/such/program"]);
    let error = DriverProcess::spawn(&target, root.path(), Timeouts::default()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn standard_error_is_kept_up_to_a_limit() {
    let mut tail = Tail::default();
    for _ in 0..1000 {
        tail.push(&[b'x'; 4096]);
    }
    tail.push(b"last words");
    assert!(tail.bytes.len() <= 2 * STDERR_BYTES + 4096);
    assert!(tail.text().ends_with("last words") && tail.text().len() <= STDERR_BYTES + 3);
}
