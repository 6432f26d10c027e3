//! Recovery from what crashes leave: torn tails, interrupted checkpoints, recovery cut short.

use super::*;
use crate::store::fs::fuse::{self, Fuse};

/// A killed store whose last frames nothing proves synced, and what it held after each of them.
fn killed(synced: u64, unsynced: u64) -> (tempfile::TempDir, Vec<Contents>) {
    let dir = tempdir();
    let (store, _) =
        Store::open(dir.path(), Options { segment_bytes: 1 << 20, ..relaxed() }).unwrap();
    fill(&store, 0..synced);
    store.sync().unwrap();
    let mut states = vec![filled(0..synced)];
    for n in 0..unsynced {
        fill(&store, synced + n..synced + n + 1);
        states.push(filled(0..synced + n + 1));
    }
    drop(store);
    (dir, states)
}

/// Opens, checks, and does it again: a recovery must find its own work.
fn opens_as(files: &BTreeMap<String, Vec<u8>>, expected: &Contents) -> Vec<Notice> {
    let dir = restore(files);
    let (store, report) = open(dir.path());
    assert_eq!(contents(&store), *expected);
    drop(store);
    let before = snapshot(dir.path());
    let (store, again) = open(dir.path());
    assert_eq!((contents(&store), again.notices), (expected.clone(), vec![]));
    drop(store);
    assert_eq!(snapshot(dir.path()), before, "a second recovery has nothing left to do");
    report.notices
}

#[test]
fn a_log_cut_anywhere_in_its_unsynced_tail_opens_to_the_last_whole_frame() {
    let (dir, states) = killed(2, 3);
    let files = snapshot(dir.path());
    let name = newest_segment(dir.path()).file_name().unwrap().to_str().unwrap().to_string();
    let offsets = frame_offsets(dir.path());
    for len in offsets[2]..=files[&name].len() {
        let mut files = files.clone();
        files.get_mut(&name).unwrap().truncate(len);
        let whole = offsets.iter().filter(|&&offset| offset <= len).count() - 3;
        let notices = opens_as(&files, &states[whole]);
        assert_eq!(notices.is_empty(), offsets.contains(&len), "cut at {len}");
    }
}

#[test]
fn zeros_and_garbage_in_the_unsynced_tail_are_dropped_and_reported() {
    let (dir, states) = killed(2, 3);
    let files = snapshot(dir.path());
    let name = newest_segment(dir.path()).file_name().unwrap().to_str().unwrap().to_string();
    let offsets = frame_offsets(dir.path());
    for (index, window) in offsets[2..].windows(2).enumerate() {
        for fill in [0, 0xff, 0x55] {
            for range in [window[0]..window[1], window[0]..window[0] + 8, window[1] - 1..window[1]]
            {
                let mut files = files.clone();
                files.get_mut(&name).unwrap()[range].fill(fill);
                let notices = opens_as(&files, &states[index]);
                assert!(matches!(notices[..], [Notice::TailDropped { .. }]), "{notices:?}");
            }
        }
    }
}

#[test]
fn garbage_appended_to_the_log_is_dropped_and_reported() {
    let (dir, states) = killed(2, 3);
    let mut files = snapshot(dir.path());
    let name = newest_segment(dir.path()).file_name().unwrap().to_str().unwrap().to_string();
    for tail in [&b"x"[..], &[0; 5000], b"UPFR", &files[&name].clone()] {
        let whole = files[&name].len();
        files.get_mut(&name).unwrap().extend_from_slice(tail);
        let notices = opens_as(&files, states.last().unwrap());
        assert!(matches!(notices[..], [Notice::TailDropped { .. }]), "{notices:?}");
        files.get_mut(&name).unwrap().truncate(whole);
    }
}

#[test]
fn what_nothing_proves_durable_is_written_again_and_only_that() {
    let (dir, _) = killed(5, 3);
    let offsets = frame_offsets(dir.path());
    let (store, report) = open(dir.path());
    assert_eq!(report.rewritten_bytes as usize, offsets[8] - offsets[5]);
    assert!(report.is_unclean);
    store.close().unwrap();
    assert_eq!(open(dir.path()).1.rewritten_bytes, 0);
}

#[test]
fn a_value_file_that_no_frame_names_is_removed() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    store.put(b"a", &value(1, 70_000)).unwrap();
    drop(store);
    fs::write(dir.path().join(names::value(9)), b"half of a va").unwrap();
    let (store, report) = open(dir.path());
    assert!(matches!(report.notices[..], [Notice::OrphanRemoved { .. }]));
    assert_eq!(listing(dir.path()).values.len(), 1);
    assert_eq!(store.get(b"a").unwrap(), Some(value(1, 70_000)));
    store.put(b"b", &value(2, 70_000)).unwrap();
    assert!(listing(dir.path()).values.contains(&10), "its name is not used again");
}

#[test]
fn values_that_are_overwritten_or_removed_leave_no_files_behind() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    for round in 0..5 {
        store.put(b"a", &value(round, 70_000)).unwrap();
        store.put(b"b", &value(round, 70_000)).unwrap();
        store.del(b"b").unwrap();
        store.checkpoint().unwrap();
    }
    assert!(listing(dir.path()).values.len() <= 4, "what the fallback needs, and no more");
    store.put(b"c", b"1").unwrap();
    store.checkpoint().unwrap();
    store.put(b"c", b"2").unwrap();
    store.checkpoint().unwrap();
    assert_eq!(listing(dir.path()).values.len(), 1);
    drop(store);
    let store = open_whole(dir.path());
    assert_eq!(store.get(b"a").unwrap(), Some(value(4, 70_000)));
}

/// Work that goes through every kind of file change.
fn busy(store: &Store) -> Result<(), crate::store::WriteError> {
    for n in 0..12 {
        store.put(&key(n), &value(n, 400))?;
        store.put(b"large", &value(n, 66_000))?;
        store.apply(Batch::default().put(b"x", &value(n, 9)).put(b"y", &value(n, 9)))?;
        if n % 3 == 2 {
            store.checkpoint()?;
        }
    }
    Ok(())
}

#[test]
fn a_kill_at_any_change_of_a_file_loses_nothing_acknowledged_and_leaves_no_garbage() {
    for at in 0.. {
        let dir = tempdir();
        let mut acknowledged = 0;
        let (_, blown) = fuse::with(Fuse::Kill(at), || {
            let Ok((store, _)) = Store::open(dir.path(), options()) else { return };
            let _ = busy(&store);
            acknowledged = store.stats().totals.frames;
        });
        let (store, _) = open(dir.path());
        let held = contents(&store);
        assert_eq!(held.get(&b"x"[..]), held.get(&b"y"[..]), "killed at change {at}");
        if let Some(large) = held.get(&b"large"[..]) {
            let round = (0..12).find(|&n| *large == value(n, 66_000)).unwrap();
            assert!(held.contains_key(&key(round)), "killed at change {at}");
        }
        let stats = store.stats();
        let files = listing(dir.path());
        assert!(files.temporaries.is_empty() && files.checkpoints.len() <= 2, "{files:?}");
        assert!(stats.position > 0 || acknowledged == 0);
        // And it goes on.
        busy(&store).unwrap();
        if !blown {
            assert!(at > 100, "the fuse was long enough to meet everything: {at}");
            return;
        }
    }
}

#[test]
fn recovery_cut_short_at_any_change_and_begun_again_gives_the_same() {
    // A checkpoint published and not yet said so, a torn tail, an orphan, a temporary file.
    let dir = tempdir();
    let store = open_whole(dir.path());
    busy(&store).unwrap();
    let expected = contents(&store);
    drop(store);
    let mut states = Vec::new();
    let base = snapshot(dir.path());
    for at in 0..40 {
        let copy = restore(&base);
        let (store, _) = open(copy.path());
        fuse::with(Fuse::Kill(at), || {
            let _ = store.put(b"later", &value(1, 66_000)).and_then(|_| store.checkpoint());
        });
        drop(store);
        let mut files = snapshot(copy.path());
        let newest = newest_segment(copy.path());
        let name = newest.file_name().unwrap().to_str().unwrap().to_string();
        files.get_mut(&name).unwrap().extend_from_slice(&[1; 33]);
        files.insert(names::value(77), vec![1; 10]);
        states.push(files);
    }
    for files in states {
        let whole = restore(&files);
        let (store, _) = open(whole.path());
        let held = contents(&store);
        drop(store);
        let same = |held: &Contents| {
            let mut held = held.clone();
            held.remove(&b"later"[..]);
            held == expected
        };
        assert!(same(&held));
        let result = snapshot(whole.path());
        for at in 0.. {
            let dir = restore(&files);
            let (_, blown) =
                fuse::with(Fuse::Kill(at), || drop(Store::open(dir.path(), options())));
            let (store, _) = open(dir.path());
            assert_eq!(contents(&store), held, "cut short at change {at}");
            drop(store);
            let mut files = snapshot(dir.path());
            // The mark counts recoveries.
            files.insert(names::MARK.to_string(), result[names::MARK].clone());
            assert_eq!(files, result, "cut short at change {at}");
            if !blown {
                break;
            }
        }
    }
}

#[test]
fn making_a_store_cut_short_at_any_change_leaves_an_empty_store() {
    for at in 0.. {
        let dir = tempdir();
        let path = dir.path().join("made");
        let (opened, blown) = fuse::with(Fuse::Kill(at), || Store::open(&path, options()).is_ok());
        assert_ne!(opened, blown);
        let store = open_whole(&path);
        assert_eq!(contents(&store), Contents::new());
        fill(&store, 0..3);
        if !blown {
            break;
        }
    }
}
