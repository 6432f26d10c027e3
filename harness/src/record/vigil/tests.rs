//! Real processes that hang, and real processes that only seem to.

use std::io::BufRead;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::*;

/// What a program is seen to do, when it has been looked at until that is certain or `looks` are over.
/// It runs below a shell that stands for its keeper, and says one line when it is ready.
fn seen(python: &str, limit: Duration, looks: usize) -> Look {
    let mut keeper = below_a_keeper(python);
    let mut stillness = Stillness::below(keeper.id() as pid_t, None);
    let mut latest = Look::Nothing;
    for _ in 0..looks {
        latest = stillness.look(limit);
        if matches!(latest, Look::Hangs(_)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    stillness.forget();
    // SAFETY: the group of our own child, which was not waited for yet.
    unsafe { libc::kill(-(keeper.id() as pid_t), libc::SIGKILL) };
    keeper.wait().unwrap();
    latest
}

fn below_a_keeper(python: &str) -> Child {
    let program =
        format!("import os, signal, sys, threading, time\nprint(1, flush=True)\n{python}");
    let mut keeper = Command::new("sh")
        .args(["-c", "python3 -c \"$1\"; exit", "keeper", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = keeper.stdout.take().unwrap();
    std::io::BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line, "1\n");
    keeper
}

/// Looks enough for whatever can be known at once, on a slow machine too.
const MANY: usize = 3_000;
const SHORT: Duration = Duration::from_millis(1);

#[test]
fn sleeping_for_ever_is_known_at_once() {
    for program in [
        "l = threading.Lock(); l.acquire(); l.acquire()",
        "signal.pause()",
        "r, w = os.pipe(); os.read(r, 1)",
        "sys.stdin.read()",
        "t = threading.Thread(target=signal.pause); t.start(); t.join()",
        "os.fork() and os.wait() or signal.pause()",
    ] {
        assert_eq!(seen(program, SHORT, MANY), Look::Hangs(Hang::Asleep), "{program}");
    }
}

#[test]
fn computing_for_ever_is_known_by_its_own_processor_time() {
    let look = seen("while True: pass", SHORT, MANY);
    assert_eq!(look, Look::Hangs(Hang::Burning));
    let with_a_sleeper = "threading.Thread(target=signal.pause)\nwhile True: pass";
    assert_eq!(seen(with_a_sleeper, SHORT, MANY), Look::Hangs(Hang::Burning));
}

#[test]
fn what_may_go_on_by_itself_is_never_called_a_hang() {
    for program in [
        "time.sleep(100)",
        "import select; select.epoll().poll()",
        "import socket; a, b = socket.socketpair(); a.recv(1)",
        "signal.alarm(100); signal.signal(signal.SIGALRM, print); signal.pause()",
        "signal.setitimer(signal.ITIMER_REAL, 100); signal.signal(14, print)\nwhile True: pass",
        "while True: os.getppid()",
        "while True: os.sched_yield()",
        "threading.Thread(target=time.sleep, args=[100]).start()\nwhile True: pass",
        "threading.Lock().acquire() and threading.Event().wait(100)",
    ] {
        let look = seen(program, SHORT, 150);
        assert!(!matches!(look, Look::Hangs(_)), "{program}: {look:?}");
    }
}

#[test]
fn a_process_that_has_computed_less_than_the_limit_may_answer_yet() {
    let limit = Duration::from_secs(100_000);
    assert_eq!(seen("while True: pass", limit, 150), Look::Perhaps);
}

#[test]
fn looking_leaves_a_program_as_it_was() {
    let program =
        "end = time.process_time() + 1\nwhile time.process_time() < end: pass\nos._exit(7)";
    let mut keeper = below_a_keeper(program);
    let mut stillness = Stillness::below(keeper.id() as pid_t, None);
    for _ in 0..20 {
        stillness.look(SHORT);
        std::thread::sleep(Duration::from_millis(20));
    }
    stillness.forget();
    assert_eq!(keeper.wait().unwrap().code(), Some(7));
}
