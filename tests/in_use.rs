//! What goes wrong without a crash at the time: a recovered store that an ordinary request kills, and a loss
//! at a clean close. Each is told once, by its own name, and replays.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Place, Ran};

/// A sound store (the whole map to a new file, synced, renamed, its directory synced), with one flaw or
/// none: `reopen` dies when it is opened after a clean close, `late` dies at the fourth change after an unclean end, `always` at the fourth in any life, and
/// `older` is closed right after a second checkpoint with the contents of the first.
const STORE: &str = r#"
import json, os, sys
flaw = sys.argv[1]
d, table, left, older, fresh = "", {}, None, None, False

def settle(path):
    at = os.open(path, os.O_RDONLY)
    os.fsync(at)
    os.close(at)

def save(what):
    at = os.open(d + "/new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    data = json.dumps(what).encode()
    while data:
        data = data[os.write(at, data):]
    os.fsync(at)
    os.close(at)
    os.rename(d + "/new", d + "/db")
    settle(d)

for line in sys.stdin:
    n, word, *w = line.rstrip("\n").split(" ")
    out, more = [], ""
    if word == "open":
        if flaw == "reopen" and os.path.exists(w[0] + "/db") and not os.path.exists(w[0] + "/open"):
            raise IndexError("the free list is corrupt")
        d, table, older, fresh = w[0], {}, None, False
        if os.path.exists(d + "/db"):
            table = json.load(open(d + "/db"))
        settle(d)
        unclean = table and os.path.exists(d + "/open")
        left = 3 if flaw == "always" or flaw == "late" and unclean else None
        os.close(os.open(d + "/open", os.O_WRONLY | os.O_CREAT, 0o644))
        settle(d + "/open")
        settle(d)
        more = " del checkpoint durable=ack order=prefix reopen"
    elif word in ("put", "del"):
        if left is not None:
            left -= 1
            assert left >= 0, "the free list is corrupt"
        table.pop(w[0], None)
        if word == "put":
            table[w[0]] = w[1]
        save(table)
        fresh = False
    elif word == "checkpoint":
        older, fresh = (dict(table), False) if older is None else (older, True)
    elif word == "dump":
        out = [f"have {n} {k} {v}\n" for k, v in table.items()]
    elif word == "close":
        if flaw == "older" and fresh:
            save(older)
        os.unlink(d + "/open")
        settle(d)
    sys.stdout.write("".join(out) + f"ack {n}{more}\n")
    sys.stdout.flush()
"#;

struct Store {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.py");
        std::fs::write(&path, STORE).unwrap();
        Self { _folder: folder, path }
    }

    fn torture(&self, place: &Place, flaw: &str, faults: &str, cases: &str, rest: &[&str]) -> Ran {
        let some = ["--faults", faults, "--cases", cases, "--ops", "60", "--value-size", "1..900"];
        let driver = ["--", "python3", self.path.to_str().unwrap(), flaw];
        place.torture(&[&some[..], rest, &driver].concat())
    }
}

/// The violations of the only run: fault and kind.
fn violations(place: &Place) -> Vec<(String, String)> {
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    findings
        .iter()
        .filter(|finding| finding["note"] == false)
        .map(|finding| (text(finding, "fault"), text(finding, "kind")))
        .collect()
}

fn scenario(place: &Place) -> PathBuf {
    let report = place.report();
    place.only_run().join(report["findings"][0]["scenario"].as_str().unwrap())
}

/// The scenario with another program.
fn with_flaw(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let quoted = |flaw: &str| format!("\"{flaw}\"");
    assert!(text.contains(&quoted(from)), "{text}");
    std::fs::write(path, text.replace(&quoted(from), &quoted(to))).unwrap();
}

#[test]
fn a_store_that_an_ordinary_request_kills_after_a_kill_and_a_recovery_died_in_use() {
    let (store, place) = (Store::new(), Place::new());
    store
        .torture(&place, "late", "kill,power", "80", &[])
        .exits(1)
        .says("the free list is corrupt");
    let one = [("kill".to_owned(), "died-in-use".to_owned())];
    assert_eq!(violations(&place), one, "one flaw is told once");
    let path = scenario(&place);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"then\""), "what was asked after the recovery is in the case: {text}");
    place.run(&["replay", path.to_str().unwrap()]).exits(0).says("died-in-use");
    with_flaw(&path, "late", "none");
    place.run(&["replay", path.to_str().unwrap()]).exits(1).says("UNEXPECTED");
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}

#[test]
fn a_power_cut_alone_shows_a_death_in_use_too_and_its_case_replays() {
    let (store, place) = (Store::new(), Place::new());
    store.torture(&place, "late", "power", "300", &[]).exits(1);
    assert_eq!(violations(&place), [("power".to_owned(), "died-in-use".to_owned())]);
    let path = scenario(&place);
    place.run(&["replay", path.to_str().unwrap()]).exits(0).says("died-in-use");
}

#[test]
fn a_store_that_dies_without_any_fault_is_a_broken_harness() {
    let (store, place) = (Store::new(), Place::new());
    store.torture(&place, "always", "kill", "20", &[]).exits(3).says("the free list is corrupt");
}

#[test]
fn a_death_at_the_opening_after_a_clean_close_is_the_stores_and_no_faults() {
    let (store, place) = (Store::new(), Place::new());
    store
        .torture(&place, "reopen", "kill,power", "40", &[])
        .exits(1)
        .says("the free list is corrupt")
        .says("no fault at all");
    assert_eq!(violations(&place), [("none".to_owned(), "recovery-crashed".to_owned())]);
    let path = scenario(&place);
    place.run(&["replay", path.to_str().unwrap()]).exits(0).says("recovery-crashed");
    with_flaw(&path, "reopen", "none");
    place.run(&["replay", path.to_str().unwrap()]).exits(1).says("fixed");
}

#[test]
fn a_loss_at_a_clean_close_is_told_once_and_no_crash_is_blamed_for_it() {
    let store = Store::new();
    // In the first the recorded workload never closes right after a second checkpoint, in the other it does.
    let meet = ["--checkpoint-every", "5", "--reopen-every", "15"];
    for rest in [&[][..], &meet] {
        let place = Place::new();
        store.torture(&place, "older", "kill,power", "120", rest).exits(1).says("no fault at all");
        let one = [("none".to_owned(), "lost-ack".to_owned())];
        assert_eq!(violations(&place), one, "{rest:?}");
        let path = scenario(&place);
        place.run(&["replay", path.to_str().unwrap()]).exits(0).says("lost-ack");
        with_flaw(&path, "older", "none");
        place.run(&["replay", path.to_str().unwrap()]).exits(1).says("UNEXPECTED");
    }
}

#[test]
fn a_store_without_a_flaw_holds_in_use_and_at_every_close() {
    let (store, place) = (Store::new(), Place::new());
    let meet = ["--checkpoint-every", "5", "--reopen-every", "15"];
    store.torture(&place, "none", "kill,power", "150", &meet).exits(0);
    assert_eq!(violations(&place), []);
    let judged = place.report()["judged"].as_array().unwrap().clone();
    assert!(judged.contains(&Value::from("died-in-use")), "{judged:?}");
}
