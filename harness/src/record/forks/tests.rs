//! Real programs, forked; each assertion is about what the fork itself says.

use std::path::PathBuf;

use super::*;
use crate::driver::{DriverFault, Unwatched};
use crate::workload::{Answer, OpNo, Request};

const LONG: Duration = Duration::from_secs(60);

/// A driver that answers `open` with what it is told to; `before` runs before it reads anything.
const DRIVER: &str = r#"
import os, signal, sys, threading, time
started = str(os.getpid())
BEFORE
for line in sys.stdin:
    n, word, *w = line.split()
    if word == "open":
        OPEN
    print("ack", n, flush=True)
"#;

fn target(before: &str, open: &str) -> Target {
    let program = DRIVER.replace("BEFORE", before).replace("OPEN", open);
    Target::new("python", ["python3", "-c", &program])
}

fn limits() -> Timeouts {
    let limit = Duration::from_secs(60);
    Timeouts { open: limit, op: limit }
}

fn ask(session: &mut Session, request: &Request) -> std::result::Result<Answer, DriverFault> {
    session.ask(OpNo(0), request, Path::new("/d"), &mut Unwatched)?;
    Ok(session.answer(&mut Unwatched)?.answer)
}

/// What a few forks of one program answer to `open`, and how they end.
fn forks(before: &str, open: &str) -> Vec<(Result2, std::result::Result<(), String>)> {
    let root = tempfile::tempdir().unwrap();
    let mut server =
        ForkServer::start(&target(before, open), root.path(), LONG).unwrap().expect("forks");
    let one = |_| {
        let (mut process, mut session) = server.fork(limits()).unwrap().expect("a fork");
        let answer = ask(&mut session, &Request::Open).map_err(|fault| process.explain(fault));
        session.end_input();
        let ended = process.finish(Duration::from_secs(60)).map_err(|fault| fault.to_string());
        (answer.map_err(|fault| fault.to_string()), ended)
    };
    (0..3).map(one).collect()
}

type Result2 = std::result::Result<Answer, String>;

#[test]
fn a_fork_is_a_process_of_its_own_that_answers_and_ends_like_one() {
    let told = forks("", "sys.stdout.write(f'warn {started} {os.getpid()}\\n')");
    for (answer, ended) in told {
        assert_eq!((answer, ended), (Ok(Answer::Ack), Ok(())));
    }
}

#[test]
fn a_fork_starts_from_where_the_template_was_and_not_from_where_another_fork_went() {
    let open = "count = globals().get('count', 0) + 1; n = n if count == 1 else 'twice'";
    assert!(forks("", open).iter().all(|(answer, _)| *answer == Ok(Answer::Ack)));
}

#[test]
fn how_a_fork_dies_and_what_it_said_is_seen_as_of_any_process() {
    let said = |open: &str| forks("", open)[1].0.clone().unwrap_err();
    assert!(said("os.abort()").contains("SIGABRT"), "the number of the thread is right");
    assert!(said("os.kill(os.getpid(), 11)").contains("SIGSEGV"));
    assert!(said("os._exit(3)").contains("status 3"));
    assert!(said("raise ValueError('oh no')").contains("oh no"));
}

#[test]
fn the_thread_s_number_is_the_fork_s_own() {
    let open =
        "ok = threading.get_native_id() == os.getpid() != int(started); n = n if ok else 'bad'";
    // Python asks the kernel; the C library's own idea is tried by raise, which it sends to itself.
    assert!(forks("", open).iter().all(|(answer, _)| *answer == Ok(Answer::Ack)));
    let dies = forks("", "signal.raise_signal(signal.SIGTERM)");
    assert!(dies[0].0.clone().unwrap_err().contains("SIGTERM"), "{dies:?}");
}

#[test]
fn what_a_fork_started_is_gone_with_it_and_the_next_one_lives() {
    let open = "os.fork() or (os.setsid(), os.fork() or time.sleep(1000), time.sleep(1000))";
    for (answer, ended) in forks("", open) {
        assert_eq!((answer, ended), (Ok(Answer::Ack), Ok(())));
    }
}

#[test]
fn the_private_folder_is_empty_for_each_fork() {
    let open = "f = os.environ['UNPLUG_RUN'] + '/x'; n = n if not os.path.exists(f) else 'old'; open(f, 'w')";
    assert!(forks("", open).iter().all(|(answer, _)| *answer == Ok(Answer::Ack)));
}

#[test]
fn a_program_that_a_fork_would_not_be_like_is_not_forked() {
    let root = tempfile::tempdir().unwrap();
    let kept = root.path().join("kept");
    for before in [
        "threading.Thread(target=time.sleep, args=[1000], daemon=True).start()",
        "threading.Thread(target=lambda: None).start(); time.sleep(0.1); os.fork() or time.sleep(1000)",
        &format!("f = open({kept:?}, 'w')"),
        &format!("open({kept:?}, 'w').close(); f = open({kept:?})"),
        "import socket; s = socket.socket()",
        "p = os.pipe()",
        "import mmap; m = mmap.mmap(-1, 4096)",
        "signal.signal(signal.SIGALRM, print)",
        "print('warn early', flush=True)",
        "sys.exit(3)",
    ] {
        let server = ForkServer::start(&target(before, "pass"), root.path(), LONG).unwrap();
        assert!(server.is_none(), "{before}");
    }
}

/// Each would wait for ever: nothing is written to a template's standard input.
#[test]
fn an_event_loop_is_given_up_and_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let never = Duration::from_secs(1000);
    for before in [
        "import select; select.select([0], [], [])",
        "import select; p = select.poll(); p.register(0); p.poll()",
        "import select; e = select.epoll(); e.register(0); e.poll()",
        "threading.Thread(target=sys.stdin.readline).start(); threading.Event().wait()",
    ] {
        let server = ForkServer::start(&target(before, "pass"), root.path(), never).unwrap();
        assert!(server.is_none(), "{before}");
    }
}

#[test]
fn waits_that_end_by_themselves_come_to_a_read() {
    let root = tempfile::tempdir().unwrap();
    let before = "import select; select.select([], [], [], 0.01); select.poll().poll(1)";
    let server = ForkServer::start(&target(before, "pass"), root.path(), LONG).unwrap();
    assert!(server.is_some());
}

#[test]
fn nothing_is_left_of_a_fork_server() {
    let root = tempfile::tempdir().unwrap();
    let mark = root.path().display().to_string();
    let running = || -> Vec<PathBuf> {
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let named = |path: &PathBuf| {
            let environ = fs::read(path.join("environ")).unwrap_or_default();
            environ.windows(mark.len()).any(|part| part == mark.as_bytes())
        };
        processes.filter(named).collect()
    };
    let mut server =
        ForkServer::start(&target("", "pass"), root.path(), LONG).unwrap().expect("forks");
    let (process, mut session) = server.fork(limits()).unwrap().expect("a fork");
    assert_eq!(ask(&mut session, &Request::Open), Ok(Answer::Ack));
    assert_eq!(running().len(), 2, "the template and its fork");
    drop((process, session));
    assert_eq!(running().len(), 1);
    drop(server);
    assert!(running().is_empty());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
