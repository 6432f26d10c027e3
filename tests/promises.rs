//! What nobody promised is a note and no violation: a store that dies inside its very first creation, and
//! one that dies of damage which it never said it would detect. What was promised is judged as ever.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::path::PathBuf;

use support::{Place, Ran};

/// A log behind a file `head`, which must be whole or the store dies. `$1`: `once` writes the head when the
/// store is made, `always` anew at every opening. `$2`: further capability words.
const STORE: &str = r#"
import os, sys, zlib
often, words = sys.argv[1], sys.argv[2]
d, table, log = "", {}, None

def settle(path):
    at = os.open(path, os.O_RDONLY)
    os.fsync(at)
    os.close(at)

def make_head():
    at = os.open(d + "/head", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(at, b"HEAD1")
    os.fsync(at)
    os.close(at)
    settle(d)

def whole(line):
    crc, _, rest = line.partition(b" ")
    return rest and crc == b"%08x" % zlib.crc32(rest) and len(rest.split(b" ")) == 2

def open_log():
    at = os.open(d + "/log", os.O_RDWR | os.O_CREAT, 0o644)
    data, end = os.pread(at, 1 << 24, 0), 0
    for line in data.split(b"\n")[:-1]:
        if not whole(line):
            break
        key, value = line.partition(b" ")[2].decode().split(" ")
        table[key] = value
        end += len(line) + 1
    os.ftruncate(at, end)
    os.fsync(at)
    settle(d)
    os.lseek(at, end, os.SEEK_SET)
    return at

for line in sys.stdin:
    n, word, *w = line.rstrip("\n").split(" ")
    out, more = [], ""
    if word == "open":
        d, table = w[0], {}
        if os.path.exists(d + "/head"):
            assert open(d + "/head", "rb").read() == b"HEAD1", "the head is not whole"
            # Whoever made it may have been killed before it was synced.
            settle(d + "/head")
        if often == "always" or not os.path.exists(d + "/head"):
            make_head()
        log = open_log()
        more = (" durable=ack reopen " + words).rstrip()
    elif word == "put":
        rest = " ".join(w).encode()
        os.write(log, b"%08x %s\n" % (zlib.crc32(rest), rest))
        os.fsync(log)
        table[w[0]] = w[1]
    elif word == "dump":
        out = [f"have {n} {k} {v}\n" for k, v in table.items()]
    elif word == "close":
        os.close(log)
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

    fn torture(&self, place: &Place, faults: &str, often: &str, words: &str) -> Ran {
        let some = ["--faults", faults, "--cases", "80", "--ops", "20", "--value-size", "1..300"];
        let driver = ["--", "python3", self.path.to_str().unwrap(), often, words];
        place.torture(&[&some[..], &driver].concat())
    }
}

/// The only run's findings of this kind: true for each that is a note.
fn notes(place: &Place, kind: &str) -> Vec<bool> {
    let report = place.report();
    let findings = report["findings"].as_array().unwrap();
    let of_kind = findings.iter().filter(|finding| finding["kind"] == kind);
    of_kind.map(|finding| finding["note"] == true).collect()
}

#[test]
fn a_store_that_dies_inside_its_first_creation_holds_with_a_note() {
    let (store, place) = (Store::new(), Place::new());
    store.torture(&place, "kill,power", "once", "").exits(0).says("before it had ever been opened");
    let notes = notes(&place, "recovery-crashed");
    assert!(!notes.is_empty() && notes.iter().all(|note| *note), "{notes:?}");
}

#[test]
fn a_store_that_dies_in_the_same_way_once_it_was_opened_is_caught() {
    let (store, place) = (Store::new(), Place::new());
    store.torture(&place, "kill", "always", "").exits(1);
    assert!(notes(&place, "recovery-crashed").contains(&false));
}

#[test]
fn a_store_that_dies_of_damage_is_caught_only_where_it_said_that_it_detects_damage() {
    let store = Store::new();
    for (words, code) in [("", 0), ("corruption=detected", 1)] {
        let place = Place::new();
        store.torture(&place, "media", "once", words).exits(code);
        let notes = notes(&place, "recovery-crashed");
        assert!(!notes.is_empty(), "{words}");
        assert!(notes.iter().all(|note| *note == (code == 0)), "{words}: {notes:?}");
    }
}
