//! Damage: whatever loses data is refused or reported, and nothing wrong is ever shown.

use super::*;
use crate::store::OnDamage;

/// A cleanly closed store with several segments, checkpoints and value files, and its contents.
fn closed() -> (tempfile::TempDir, Contents) {
    let dir = tempdir();
    let store = open_whole(dir.path());
    fill(&store, 0..30);
    store.put(b"large1", &value(1, 66_000)).unwrap();
    store.checkpoint().unwrap();
    fill(&store, 30..40);
    store.checkpoint().unwrap();
    fill(&store, 40..75);
    store.put(b"large2", &value(2, 66_000)).unwrap();
    store.del(&key(5)).unwrap();
    let held = contents(&store);
    store.close().unwrap();
    (dir, held)
}

/// Opens damaged files: refused; or everything is there; or it was said that something is not, and
/// nothing is there that was never put.
fn judge(files: &BTreeMap<String, Vec<u8>>, held: &Contents, what: &str) {
    let dir = restore(files);
    let (store, report) = match Store::open(dir.path(), options()) {
        Ok(opened) => opened,
        Err(OpenError::Damaged(_)) => {
            assert_eq!(snapshot(dir.path()), *files, "{what}: refused, yet changed");
            return;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let mut shown = Contents::new();
    let scanned = store.scan(b"", |key, value| {
        shown.insert(key.to_vec(), value.to_vec());
        Ok::<(), ReadError>(())
    });
    if scanned.is_err() {
        return;
    }
    if shown != *held {
        assert!(!report.notices.is_empty(), "{what}: lost something and did not say so");
        for (key, value) in &shown {
            assert!(held.get(key).is_none_or(|right| right == value), "{what}: made up a value");
        }
    }
}

#[test]
fn no_damaged_byte_of_a_closed_store_goes_unnoticed() {
    let (dir, held) = closed();
    let files = snapshot(dir.path());
    for (name, bytes) in &files {
        let step = if bytes.len() > 20_000 { 4999 } else { 13 };
        for at in (0..bytes.len()).step_by(step) {
            for change in [0x01, 0xff] {
                let mut files = files.clone();
                files.get_mut(name).unwrap()[at] ^= change;
                judge(&files, &held, &format!("{name} byte {at}"));
            }
        }
    }
}

#[test]
fn no_shortened_lengthened_or_missing_file_of_a_closed_store_goes_unnoticed() {
    let (dir, held) = closed();
    let files = snapshot(dir.path());
    for (name, bytes) in &files {
        let step = if bytes.len() > 20_000 { 4999 } else { 17 };
        for len in (0..bytes.len()).step_by(step) {
            let mut files = files.clone();
            files.get_mut(name).unwrap().truncate(len);
            judge(&files, &held, &format!("{name} cut to {len}"));
        }
        for tail in [&[0; 600][..], &[0xaa; 3], bytes] {
            let mut files = files.clone();
            files.get_mut(name).unwrap().extend_from_slice(tail);
            judge(&files, &held, &format!("{name} lengthened by {}", tail.len()));
        }
        let mut files = files.clone();
        files.remove(name);
        judge(&files, &held, &format!("{name} removed"));
    }
}

#[test]
fn no_zeroed_or_misplaced_block_of_a_closed_store_goes_unnoticed() {
    let (dir, held) = closed();
    let files = snapshot(dir.path());
    let blocks = |bytes: &Vec<u8>| (0..bytes.len().div_ceil(512)).map(|n| n * 512);
    for (name, bytes) in &files {
        for at in blocks(bytes).step_by(if bytes.len() > 20_000 { 31 } else { 1 }) {
            let end = (at + 512).min(bytes.len());
            let mut zeroed = files.clone();
            zeroed.get_mut(name).unwrap()[at..end].fill(0);
            judge(&zeroed, &held, &format!("{name} block at {at} zeroed"));
            for (other, from) in &files {
                let Some(source) = from.get(..end - at) else { continue };
                let mut moved = files.clone();
                moved.get_mut(name).unwrap()[at..end].copy_from_slice(source);
                judge(&moved, &held, &format!("{name} block at {at} replaced from {other}"));
            }
        }
    }
}

#[test]
fn a_log_cut_at_any_frame_of_a_closed_store_is_refused() {
    let (dir, _) = closed();
    let files = snapshot(dir.path());
    let name = newest_segment(dir.path()).file_name().unwrap().to_str().unwrap().to_string();
    let offsets = frame_offsets(dir.path());
    for &len in &offsets[..offsets.len() - 1] {
        let mut files = files.clone();
        files.get_mut(&name).unwrap().truncate(len);
        let dir = restore(&files);
        let error = Store::open(dir.path(), options()).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged(damage) if damage.file == name), "{error}");
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let (dir, _) = closed();
    let files = snapshot(dir.path());
    let start = *listing(dir.path()).checkpoints.last().unwrap();
    for base in listing(dir.path()).segments.range(start..) {
        let mut files = files.clone();
        files.remove(&names::segment(*base));
        let error = Store::open(restore(&files).path(), options()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    }
}

#[test]
fn a_duplicate_segment_under_another_name_is_refused() {
    let (dir, _) = closed();
    let files = snapshot(dir.path());
    let bases: Vec<u64> = listing(dir.path()).segments.into_iter().collect();
    let (first, last) = (bases[bases.len() - 2], bases[bases.len() - 1]);
    for wrong in [first + 1, last - 1, last + 1, u64::MAX] {
        let mut files = files.clone();
        let copy = files[&names::segment(last)].clone();
        files.insert(names::segment(wrong), copy);
        let error = Store::open(restore(&files).path(), options()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    }
}

#[test]
fn a_bad_frame_that_a_later_one_proves_synced_is_refused_and_opened_on_request() {
    let dir = tempdir();
    let options = Options { segment_bytes: 1 << 20, ..options() };
    let (store, _) = Store::open(dir.path(), options.clone()).unwrap();
    fill(&store, 0..10);
    drop(store);
    let path = newest_segment(dir.path());
    let offsets = frame_offsets(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[offsets[4] + 50] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = Store::open(dir.path(), options.clone()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Damaged(at) if at.offset as usize == offsets[4]),
        "{error}"
    );
    let salvage = Options { on_damage: OnDamage::OpenToLastGood, ..options };
    let (store, report) = Store::open(dir.path(), salvage).unwrap();
    assert_eq!(contents(&store), filled(0..4));
    let Some(Notice::Salvaged { kept_in, .. }) = report.notices.last() else {
        panic!("{report:?}")
    };
    assert_eq!(fs::read(dir.path().join(&kept_in[0])).unwrap(), bytes[offsets[4]..]);
    fill(&store, 50..55);
    drop(store);
    assert_eq!(contents(&open_whole(dir.path())).len(), 9);
}

#[test]
fn a_store_with_a_part_missing_opens_on_request_to_what_came_before() {
    let (dir, held) = closed();
    let files = snapshot(dir.path());
    let start = *listing(dir.path()).checkpoints.last().unwrap();
    let salvage = || Options { on_damage: OnDamage::OpenToLastGood, ..options() };
    for base in listing(dir.path()).segments.range(start + 1..) {
        let mut files = files.clone();
        files.remove(&names::segment(*base));
        let dir = restore(&files);
        let (store, report) = Store::open(dir.path(), salvage()).unwrap();
        assert!(report.notices.iter().any(|notice| matches!(notice, Notice::Salvaged { .. })));
        let shown = contents(&store);
        assert!(shown.len() < held.len() && shown.contains_key(&key(39)));
        fill(&store, 200..220);
        let shown = contents(&store);
        store.close().unwrap();
        assert_eq!(contents(&open_whole(dir.path())), shown);
    }
    let mut files = files;
    files.retain(|name, _| !name.starts_with("value-"));
    let dir = restore(&files);
    assert!(matches!(Store::open(dir.path(), options()), Err(OpenError::Damaged(_))));
    let (store, report) = Store::open(dir.path(), salvage()).unwrap();
    assert!(matches!(
        report.notices[..],
        [Notice::ValueMissing { .. }, Notice::ValueMissing { .. }]
    ));
    assert!(store.get(b"large1").is_err() && store.get(&key(1)).unwrap().is_some());
}

#[test]
fn after_a_barrier_even_a_relaxed_store_notices_what_is_lost_before_it() {
    for barrier in [false, true] {
        let dir = tempdir();
        let (store, _) = Store::open(dir.path(), relaxed()).unwrap();
        fill(&store, 0..5);
        if barrier {
            store.barrier().unwrap();
        }
        drop(store);
        let path = newest_segment(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        let offset = frame_offsets(dir.path())[3];
        bytes[offset + 40] ^= 1;
        fs::write(&path, bytes).unwrap();
        let opened = Store::open(dir.path(), relaxed());
        assert_eq!(opened.is_err(), barrier);
    }
}
