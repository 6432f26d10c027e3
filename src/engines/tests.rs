//! Every bundled engine does what its adapter says, without any fault.

use std::collections::BTreeMap;

use unplug_harness::driver::Engine;
use unplug_harness::workload::Mutation;

use super::*;

fn put(key: &str, value: &str) -> Mutation {
    Mutation::Put(key.into(), value.into())
}

fn pairs(engine: &dyn Engine) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let word = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    engine.dump(&mut |key, value| drop(pairs.insert(word(key), word(value)))).unwrap();
    pairs
}

#[test]
fn every_engine_gives_back_what_was_put_after_each_reopen() {
    let flawed = |entry: &Entry| canary::FLAWED.iter().any(|flawed| flawed.name == entry.name);
    for entry in all().into_iter().filter(|entry| !flawed(entry)) {
        let opener = (entry.opener)(1);
        let dir = tempfile::tempdir().unwrap();
        let quiet = |text: &str| panic!("{}: warned of {text}", entry.name);
        let open = || {
            opener
                .open(dir.path(), &quiet)
                .unwrap_or_else(|error| panic!("{}: {error:?}", entry.name))
        };
        let caps = opener.capabilities();
        let large = "v".repeat(caps.max_value.min(200_000));
        let store = open();
        store.write(&[put("a", "1")]).unwrap();
        store.write(&[put("b", &large), put("c", "3")]).unwrap();
        store.write(&[put("b", "2"), Mutation::Del("a".into())]).unwrap();
        store.write(&[Mutation::Del("absent".into())]).unwrap();
        store.sync().unwrap();
        store.checkpoint().unwrap();
        store.write(&[put("d", &large)]).unwrap();
        let before = pairs(&*store);
        store.close().unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let store = open();
        assert_eq!(pairs(&*store), before, "{}", entry.name);
        store.write(&[Mutation::Del("d".into())]).unwrap();
        store.write(&[put("a", "again")]).unwrap();
        // Dropped, not closed: what was acknowledged is there all the same.
        drop(store);
        let store = open();
        let expected = [("a", "again"), ("b", "2"), ("c", "3")];
        let expected = expected.map(|(k, v)| (k.to_string(), v.to_string())).into();
        assert_eq!(pairs(&*store), expected, "{}", entry.name);
        store.close().unwrap();
    }
}

/// The descriptors and mappings that this process has below `dir`.
fn held(dir: &std::path::Path) -> Vec<String> {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let fds = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let mut held: Vec<String> =
        fds.filter(|path| path.starts_with(dir)).map(|path| path.display().to_string()).collect();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let below = dir.to_str().unwrap();
    held.extend(maps.lines().filter(|line| line.contains(below)).map(str::to_string));
    held
}

#[test]
fn a_closed_or_dropped_engine_holds_no_file_and_opens_again_at_once() {
    // Whoever still held one could write into the next store of the same directory.
    for entry in all().into_iter().filter(|entry| !entry.name.starts_with("canary")) {
        let opener = (entry.opener)(1);
        let dir = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let store = match opener.open(dir.path(), &|_| {}) {
                Ok(store) => store,
                Err(error) => panic!("{} in round {round}: {error:?}", entry.name),
            };
            store.write(&[put("a", &"v".repeat(400)), put("b", &round.to_string())]).unwrap();
            match round % 2 {
                0 => store.close().unwrap(),
                _ => drop(store),
            }
            assert_eq!(held(dir.path()), Vec::<String>::new(), "{} in round {round}", entry.name);
        }
    }
}

#[cfg(feature = "fjall")]
#[test]
fn a_checkpoint_whose_flush_fails_is_answered_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let fjall = find("fjall").unwrap();
    let store = (fjall.opener)(1).open(dir.path(), &|_| {}).unwrap();
    store.write(&[put("a", "1")]).unwrap();
    // The thread that flushes finds no folder for its table.
    std::fs::remove_dir(dir.path().join("fjall/keyspaces/1/tables")).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = tell.send((store.checkpoint(), store.write(&[put("b", "2")]), pairs(&*store)));
    });
    let wait = std::time::Duration::from_secs(60);
    let (checkpoint, write, shown) = told.recv_timeout(wait).expect("an answer");
    assert!(checkpoint.unwrap_err().contains("Poisoned"));
    assert!(write.unwrap_err().contains("Poisoned"));
    assert_eq!(shown, [("a".to_string(), "1".to_string())].into());
}

#[test]
fn names_are_unique_and_found() {
    let mut names: Vec<&str> = all().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| find(name).is_some()));
    assert!(find("no-such-engine").is_none());
}
