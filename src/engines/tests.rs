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
