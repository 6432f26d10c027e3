//! The flawless store takes what it must, and each flaw is what its name says. That each is caught by
//! the right property is tested end to end.

use std::collections::BTreeMap;
use std::fs;

use unplug_harness::workload::Mutation;

use super::*;

fn plain() -> Canary {
    Canary { variant: Variant::Plain, flaw: None, threads: 1 }
}

fn put(key: &str, value: &str) -> Mutation {
    Mutation::Put(key.into(), value.into())
}

fn pairs(engine: &dyn Engine) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut pairs = BTreeMap::new();
    engine.dump(&mut |key, value| drop(pairs.insert(key.to_vec(), value.to_vec()))).unwrap();
    pairs
}

/// Every log segment of a store, by name.
fn logs(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut logs: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log-"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn a_long_log_rotates_checkpoints_and_recovers() {
    for &Entry { name, opener, .. } in FLAWLESS {
        let dir = tempfile::tempdir().unwrap();
        let opener = opener(2);
        let value = "v".repeat(3000);
        let store = opener.open(dir.path(), &|_| ()).unwrap();
        for n in 0..200 {
            store.write(&[put(&format!("k{}", n % 17), &format!("{n}-{value}"))]).unwrap();
        }
        store.sync().unwrap();
        let before = pairs(&*store);
        assert_eq!(before.len(), 17);
        drop(store);
        for _ in 0..3 {
            let store = opener.open(dir.path(), &|text| panic!("{name}: {text}")).unwrap();
            assert_eq!(pairs(&*store), before, "{name}");
        }
        let files = fs::read_dir(dir.path()).unwrap().count();
        assert!(files <= 4, "{name}: {files} files");
    }
}

/// What a store of twenty writes, killed, makes of its log after `damage`.
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> (Result<usize, NotOpened>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let store = plain().open(dir.path(), &|_| ()).unwrap();
    for n in 0..20 {
        store.write(&[put(&format!("k{n}"), "some value")]).unwrap();
    }
    drop(store);
    let log = logs(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    damage(&mut bytes);
    fs::write(&log, bytes).unwrap();
    let warnings = std::sync::Mutex::new(Vec::new());
    let warn = |text: &str| warnings.lock().unwrap().push(text.to_string());
    let result = plain().open(dir.path(), &warn).map(|store| pairs(&*store).len());
    (result, warnings.into_inner().unwrap())
}

#[test]
fn a_torn_tail_is_dropped_with_a_warning_and_damage_before_it_is_refused() {
    let (result, warnings) = damaged(|bytes| bytes.truncate(bytes.len() - 3));
    assert_eq!((result, warnings.len()), (Ok(19), 1));
    let (result, warnings) = damaged(|bytes| bytes.extend_from_slice(&[0; 100]));
    assert_eq!((result, warnings.len()), (Ok(20), 1));
    let (result, _) = damaged(|bytes| bytes[100] ^= 1);
    assert!(matches!(result, Err(NotOpened::Refused(_))), "{result:?}");
    let (result, _) = damaged(|bytes| bytes[2] ^= 1);
    assert!(matches!(result, Err(NotOpened::Refused(_))), "{result:?}");
}

#[test]
fn a_log_that_ends_before_what_the_next_segment_knew_durable_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = plain().open(dir.path(), &|_| ()).unwrap();
    store.write(&[put("a", &"v".repeat(2000))]).unwrap();
    let first = fs::metadata(&logs(dir.path())[0]).unwrap().len();
    for n in 0..25 {
        store.write(&[put(&format!("k{n}"), &"v".repeat(2000))]).unwrap();
    }
    drop(store);
    let logs = logs(dir.path());
    let [full, next] = &logs[..] else { panic!("two segments, not {logs:?}") };
    // Killed right after the next segment was made; then the first one is cut between two frames.
    fs::File::options().write(true).open(next).unwrap().set_len(32).unwrap();
    fs::File::options().write(true).open(full).unwrap().set_len(first).unwrap();
    let result = plain().open(dir.path(), &|_| ()).map(|store| pairs(&*store).len());
    assert!(matches!(result, Err(NotOpened::Refused(_))), "{result:?}");
}

#[test]
fn every_flipped_bit_of_a_closed_store_is_harmless_or_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = plain().open(dir.path(), &|_| ()).unwrap();
    store.write(&[put("a", "1"), put("b", "2")]).unwrap();
    store.checkpoint().unwrap();
    store.write(&[put("c", "3")]).unwrap();
    let expected = pairs(&*store);
    store.close().unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let pristine: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, bytes) in files.iter().zip(&pristine) {
        for at in (0..bytes.len()).filter(|at| *at % 4096 < 200) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let other = tempfile::tempdir().unwrap();
            for (path, bytes) in files.iter().zip(&pristine) {
                fs::write(other.path().join(path.file_name().unwrap()), bytes).unwrap();
            }
            fs::write(other.path().join(path.file_name().unwrap()), damaged).unwrap();
            match plain().open(other.path(), &|_| ()) {
                Ok(store) => assert_eq!(pairs(&*store), expected, "{path:?} {at}"),
                Err(NotOpened::Refused(_)) => {}
                Err(NotOpened::Failed(text)) => panic!("{path:?} {at}: {text}"),
            }
        }
    }
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let _store = plain().open(dir.path(), &|_| ()).unwrap();
    assert!(matches!(plain().open(dir.path(), &|_| ()), Err(NotOpened::Failed(_))));
}

#[test]
fn flaw_names_are_unique_and_each_has_its_twin() {
    let mut names: Vec<&str> = FLAWS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FLAWS.len());
    assert_eq!(FLAWED.len(), FLAWS.len());
    for row in FLAWS {
        assert!(!row.faults.is_empty(), "{}", row.name);
    }
}

use crate::engines::Entry;
