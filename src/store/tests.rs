//! The store as a whole, through its public face and its files.

mod append;
mod damage;
mod disk_full;
mod failures;
mod fuzz;
mod group;
mod partial;
mod recovery;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::frame;
use super::names::Listing;
use super::segment::{Frames, Header};
use super::{
    Batch, Clock, Durability, Notice, OpenError, Options, ReadError, Recovery, Store, names,
};

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// On a memory file system where there is one: what these tests are about is not the disk's speed.
fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Small segments, no checkpoint by itself, a clock that stands still.
fn options() -> Options {
    Options {
        segment_bytes: 4096,
        checkpoint_bytes: None,
        clock: Clock::fixed(7),
        ..Options::default()
    }
}

fn relaxed() -> Options {
    Options { durability: Durability::Relaxed, ..options() }
}

fn open(dir: &Path) -> (Store, Recovery) {
    Store::open(dir, options()).unwrap()
}

/// Opens a store of which nothing may have been lost.
fn open_whole(dir: &Path) -> Store {
    let (store, report) = open(dir);
    assert_eq!(report.notices, []);
    store
}

fn contents(store: &Store) -> Contents {
    let mut contents = Contents::new();
    let each = |key: &[u8], value: &[u8]| {
        contents.insert(key.to_vec(), value.to_vec());
        Ok::<(), ReadError>(())
    };
    store.scan(b"", each).unwrap();
    contents
}

fn key(n: u64) -> Vec<u8> {
    format!("key{n:04}").into_bytes()
}

fn value(n: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (n as usize * 31 + at) as u8).collect()
}

/// Puts `range` with values of 100 bytes.
fn fill(store: &Store, range: std::ops::Range<u64>) {
    for n in range {
        store.put(&key(n), &value(n, 100)).unwrap();
    }
}

fn filled(range: std::ops::Range<u64>) -> Contents {
    range.map(|n| (key(n), value(n, 100))).collect()
}

/// Every file of a directory.
fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| (name(&entry), fs::read(entry.path()).unwrap())).collect()
}

/// A copy of the files in a new directory.
fn restore(files: &BTreeMap<String, Vec<u8>>) -> tempfile::TempDir {
    let dir = tempdir();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn listing(dir: &Path) -> Listing {
    Listing::new(snapshot(dir).into_keys().collect())
}

fn newest_segment(dir: &Path) -> PathBuf {
    dir.join(names::segment(*listing(dir).segments.last().unwrap()))
}

/// Where in the newest segment's file its frames begin, and where the last one ends.
fn frame_offsets(dir: &Path) -> Vec<usize> {
    let base = *listing(dir).segments.last().unwrap();
    let bytes = fs::read(dir.join(names::segment(base))).unwrap();
    let mut frames = Frames::new(&bytes, &Header::decode(&bytes, base).unwrap());
    let mut offsets = vec![frames.offset(frames.position)];
    while let Some(Ok(_)) = frames.next_frame() {
        offsets.push(frames.offset(frames.position));
    }
    offsets
}

#[test]
fn a_store_gives_back_what_was_put_and_not_what_was_removed() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    store.put(b"a", b"1").unwrap();
    store.put(b"b", &value(1, 70_000)).unwrap();
    store.apply(Batch::default().put(b"c", b"").put(b"a", b"2").del(b"none")).unwrap();
    store.del(b"c").unwrap();
    let expected: Contents =
        [(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), value(1, 70_000))].into();
    assert_eq!(contents(&store), expected);
    assert_eq!(store.get(b"b").unwrap(), Some(value(1, 70_000)));
    assert_eq!(store.get(b"c").unwrap(), None);
    let stats = store.stats();
    assert_eq!((stats.keys, stats.large_values, stats.totals.frames), (2, 1, 4));
    store.close().unwrap();
    let store = open_whole(dir.path());
    assert_eq!(contents(&store), expected);
    assert_eq!(store.stats().totals.frames, 4, "counters outlive a clean close");
}

#[test]
fn a_scan_gives_keys_of_a_prefix_in_order() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    for key in ["ab", "b", "aa", "a", "ac\u{7f}"] {
        store.put(key.as_bytes(), b"v").unwrap();
    }
    let mut seen = Vec::new();
    let each = |key: &[u8], _: &[u8]| {
        seen.push(key.to_vec());
        Ok::<(), ReadError>(())
    };
    store.scan(b"a", each).unwrap();
    assert_eq!(seen, [b"a".to_vec(), b"aa".to_vec(), b"ab".to_vec(), b"ac\x7f".to_vec()]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    assert!(matches!(Store::open(dir.path(), options()), Err(OpenError::Locked(_))));
    drop(store);
    open_whole(dir.path());
}

#[test]
fn a_prepared_transaction_outlives_crashes_and_checkpoints_and_counts_once_committed() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    let first = store.prepare(Batch::default().put(b"a", &value(3, 70_000))).unwrap();
    let second = store.prepare(Batch::default().put(b"b", b"2")).unwrap();
    store.put(b"c", b"3").unwrap();
    drop(store);
    let store = open_whole(dir.path());
    assert_eq!((store.pending(), store.get(b"a").unwrap()), (vec![first, second], None));
    store.checkpoint().unwrap();
    drop(store);
    let store = open_whole(dir.path());
    store.commit(first).unwrap();
    store.abort(second).unwrap();
    assert!(store.commit(first).is_err() && store.abort(second).is_err());
    drop(store);
    let store = open_whole(dir.path());
    assert_eq!(store.get(b"a").unwrap(), Some(value(3, 70_000)));
    assert_eq!((store.get(b"b").unwrap(), store.pending()), (None, vec![]));
}

#[test]
fn what_is_outside_the_limits_is_refused_and_nothing_is_written() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    let before = snapshot(dir.path());
    assert!(store.put(b"", b"v").is_err());
    assert!(store.put(&[0; 5000], b"v").is_err());
    let mut huge = Batch::default();
    for n in 0..1100 {
        huge.put(&key(n), &[0; 64 << 10]);
    }
    assert!(store.apply(&huge).is_err());
    assert_eq!(snapshot(dir.path()), before);
    store.put(b"k", b"v").unwrap();
}
