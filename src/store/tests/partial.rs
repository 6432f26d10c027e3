//! Checkpoints: tail replay, fallback, compaction.

use super::*;
use crate::store::names::checkpoint;

/// A store with three checkpoints behind it, closed; keys 0..80.
fn checkpointed() -> tempfile::TempDir {
    let dir = tempdir();
    let store = open_whole(dir.path());
    for round in 0..3 {
        fill(&store, round * 20..round * 20 + 20);
        store.checkpoint().unwrap();
    }
    fill(&store, 60..80);
    store.close().unwrap();
    dir
}

#[test]
fn recovery_from_a_checkpoint_and_the_tail_equals_replaying_the_whole_log() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    fill(&store, 0..50);
    store.del(&key(3)).unwrap();
    store.checkpoint().unwrap();
    fill(&store, 50..70);
    store.del(&key(60)).unwrap();
    drop(store);
    let (tail, report) = open(dir.path());
    assert!(report.checkpoint.is_some() && report.frames == 22);
    let from_tail = contents(&tail);
    drop(tail);
    // The first checkpoint's fallback is the log from its beginning.
    let mut files = snapshot(dir.path());
    files.retain(|name, _| !name.starts_with("checkpoint-"));
    let whole = restore(&files);
    let (whole, report) = open(whole.path());
    assert!(report.checkpoint.is_none() && report.frames == 73);
    assert!(matches!(report.notices[..], [Notice::CheckpointUnusable { .. }]));
    assert_eq!(contents(&whole), from_tail);
}

#[test]
fn a_checkpoint_removes_what_no_fallback_needs_and_keeps_two() {
    let dir = checkpointed();
    let files = listing(dir.path());
    assert_eq!(files.checkpoints.len(), 2);
    let oldest = files.checkpoints.first().unwrap();
    assert_eq!(files.segments.first(), Some(oldest));
    assert_eq!(contents(&open_whole(dir.path())), filled(0..80));
}

#[test]
fn a_checkpoint_of_nothing_new_writes_nothing() {
    let dir = checkpointed();
    let store = open_whole(dir.path());
    store.checkpoint().unwrap();
    let before = snapshot(dir.path());
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    assert_eq!(snapshot(dir.path()), before);
    store.close().unwrap();
    let store = open_whole(dir.path());
    store.checkpoint().unwrap();
    assert_eq!(listing(dir.path()), Listing::new(before.into_keys().collect()));
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before_and_a_longer_log() {
    let dir = checkpointed();
    let files = snapshot(dir.path());
    let name = checkpoint(*listing(dir.path()).checkpoints.last().unwrap());
    let whole = files[&name].len();
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let damages: [Damage<'_>; 5] = [
        &|bytes| bytes[whole / 2] ^= 1,
        &|bytes| bytes.truncate(whole - 1),
        &|bytes| bytes.truncate(whole / 2),
        &|bytes| bytes.clear(),
        &|bytes| bytes.extend_from_slice(&[0; 4096]),
    ];
    for damage in damages {
        let mut files = files.clone();
        damage(files.get_mut(&name).unwrap());
        let dir = restore(&files);
        let (store, report) = open(dir.path());
        assert_eq!(contents(&store), filled(0..80));
        assert!(matches!(report.notices[..], [Notice::CheckpointUnusable { .. }]));
        // The next checkpoint makes it good.
        store.put(b"more", b"1").unwrap();
        store.checkpoint().unwrap();
        store.checkpoint().unwrap();
        store.close().unwrap();
        let store = open_whole(dir.path());
        assert_eq!(contents(&store).len(), 81);
        assert_eq!(listing(dir.path()).checkpoints.len(), 2);
    }
}

#[test]
fn a_missing_checkpoint_is_reported_and_made_up_for() {
    let dir = checkpointed();
    let newest = *listing(dir.path()).checkpoints.last().unwrap();
    fs::remove_file(dir.path().join(checkpoint(newest))).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!(contents(&store), filled(0..80));
    assert!(matches!(report.notices[..], [Notice::CheckpointUnusable { .. }]));
    drop(store);
    let dir = checkpointed();
    let oldest = *listing(dir.path()).checkpoints.first().unwrap();
    fs::remove_file(dir.path().join(checkpoint(oldest))).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!(contents(&store), filled(0..80));
    assert!(matches!(report.notices[..], [Notice::FallbackMissing { .. }]));
}

#[test]
fn two_damaged_checkpoints_are_refused_and_nothing_is_changed() {
    let dir = checkpointed();
    for position in listing(dir.path()).checkpoints {
        let path = dir.path().join(checkpoint(position));
        let mut bytes = fs::read(&path).unwrap();
        bytes[30] ^= 4;
        fs::write(&path, bytes).unwrap();
    }
    let before = snapshot(dir.path());
    let error = Store::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn checkpoints_are_taken_by_themselves_as_the_log_grows() {
    let dir = tempdir();
    let options = Options { checkpoint_bytes: Some(10_000), ..options() };
    let (store, _) = Store::open(dir.path(), options.clone()).unwrap();
    for n in 0..1000 {
        store.put(&key(n % 10), &value(n, 100)).unwrap();
    }
    let stats = store.stats();
    assert!((10..30).contains(&stats.totals.checkpoints), "{stats:?}");
    let size: usize = snapshot(dir.path()).values().map(Vec::len).sum();
    assert!(size < 40_000, "{size} bytes for ten keys");
    drop(store);
    let (store, report) = Store::open(dir.path(), options).unwrap();
    assert!(report.frames < 100 && report.notices.is_empty());
    assert_eq!(contents(&store).len(), 10);
}
