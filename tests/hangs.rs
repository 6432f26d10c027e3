//! Recoveries that give no answer: what is known at once, what the user's limit confirms, what the end of the
//! budget leaves unproven, and what is only slow.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use serde_json::Value;
use support::Place;

/// Keeps pairs in one file; `hook(pairs)` runs at each `open`.
const STORE: &str = r#"
import os, signal, sys, time
fd, table = None, {}
def hook(text):
    HOOK
for line in sys.stdin:
    n, word, *w = line.rstrip("\n").split(" ")
    out, more = "", ""
    if word == "open":
        path = w[0] + "/pairs"
        text = open(path, errors="replace").read() if os.path.exists(path) else ""
        hook(text)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        table = dict(p.split(" ")[:2] for p in text.splitlines() if p.endswith(" ."))
        more = " reopen durable=none kill=ack"
    elif word == "put":
        os.write(fd, f"{w[0]} {w[1]} .\n".encode())
        table[w[0]] = w[1]
    elif word == "dump":
        out = "".join(f"have {n} {k} {v}\n" for k, v in table.items())
    elif word == "close":
        os.close(fd)
    sys.stdout.write(f"{out}ack {n}{more}\n")
    sys.stdout.flush()
"#;

/// Runs `unplug` on the store, which promises nothing about damage: a hang is a note. `hook` is what it does with damage: a text that no writer leaves.
fn run(hook: &str, options: &[&str], code: i32) -> (Place, Vec<Value>) {
    let place = Place::new();
    let when = "if text and not text.replace('\\n', '').replace(' ', '').isprintable():";
    let store = STORE.replace("HOOK", &format!("{when}\n        {hook}"));
    let base = ["--faults", "media", "--ops", "30", "--value-size", "1..60"];
    let rest = ["--", "python3", "-c", &store];
    let ran = place.torture(&[&base[..], options, &rest].concat());
    ran.exits(code);
    let findings = place.report()["findings"].as_array().unwrap().clone();
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
    (place, findings)
}

fn sentence(findings: &[Value]) -> &str {
    let hung = |finding: &&Value| finding["kind"] == "recovery-hung";
    let hung: Vec<&Value> = findings.iter().filter(hung).collect();
    assert_eq!(hung.len(), 1, "{findings:?}");
    hung[0]["sentence"].as_str().unwrap()
}

const NAPS: &str = "while True: time.sleep(0.01)";

#[test]
fn a_recovery_that_sleeps_for_ever_is_known_without_the_user_s_limit() {
    let options = ["--cases", "60", "--timeout-open", "100000s"];
    let (_place, findings) = run("signal.pause()", &options, 0);
    let told = sentence(&findings);
    assert!(told.contains("all its threads sleep"), "{told}");
}

#[test]
fn a_recovery_that_computes_for_ever_is_known_without_the_user_s_limit() {
    let options = ["--cases", "60", "--timeout-open", "100000s"];
    let (_place, findings) = run("while True: pass", &options, 0);
    let told = sentence(&findings);
    assert!(told.contains("computes without end"), "{told}");
}

#[test]
fn the_user_s_limit_confirms_a_hang_that_cannot_be_proven() {
    let options = ["--cases", "60", "--timeout-open", "4s"];
    let (_place, findings) = run(NAPS, &options, 0);
    let told = sentence(&findings);
    assert!(told.contains("does not answer open in time"), "{told}");
}

#[test]
fn a_hang_that_the_budget_leaves_no_time_to_confirm_is_a_note_that_says_so() {
    let options = ["--budget", "3s", "--timeout-open", "100000s"];
    let (_place, findings) = run(NAPS, &options, 0);
    assert!(findings.iter().all(|finding| finding["note"] == true), "{findings:?}");
    let told = sentence(&findings);
    assert!(told.contains("--timeout-open") && told.contains("because the budget ended"), "{told}");
}

#[test]
fn a_recovery_that_is_slower_than_anything_before_is_no_hang() {
    let options = ["--cases", "12"];
    for slow in [
        "time.sleep(1.2)",
        "end = time.monotonic() + 1.2\n        while time.monotonic() < end: pass",
    ] {
        let (_place, findings) = run(slow, &options, 0);
        assert!(findings.is_empty(), "{slow}: {findings:?}");
    }
}
