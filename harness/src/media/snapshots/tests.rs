//! Hand-made histories: which damage is a rollback, and since when damaged bytes stood there.

use super::*;
use crate::media::apply;

/// A log of five frames of 100 bytes, each acknowledged at ten times its number.
fn log() -> Snapshots {
    let mut snapshots = Snapshots::default();
    let (mut image, mut bytes) = (Image::empty(), Vec::new());
    image.put("other", b"header");
    for number in 1..=5u8 {
        bytes.extend((0..100u8).map(|at| at ^ (number * 37)));
        image.put("log", &bytes);
        snapshots.push(Moment(u64::from(number) * 10), image.clone());
    }
    snapshots
}

fn last(snapshots: &Snapshots) -> &Image {
    &snapshots.states().last().unwrap().1
}

#[test]
fn damaged_bytes_were_written_after_the_last_snapshot_without_them() {
    let snapshots = log();
    let after = |text: &str| snapshots.written_after(last(&snapshots), &text.parse().unwrap());
    assert_eq!(after("flip log 350 01"), Some(Moment(30)));
    assert_eq!(after("zero log 150 300"), Some(Moment(10)));
    assert_eq!(after("truncate log 399"), Some(Moment(30)));
    assert_eq!(after("truncate log 400"), Some(Moment(40)));
    assert_eq!(after("extend-garbage log 8 1"), Some(Moment(40)));
    assert_eq!(after("flip log 50 01"), None, "there from the beginning");
    assert_eq!(after("missing log"), None);
    assert_eq!(after("missing none"), None);
}

#[test]
fn copied_bytes_count_from_where_they_were_copied() {
    let mut snapshots = log();
    let frame = last(&snapshots).read("log", 200, 100).unwrap();
    let mut compacted = last(&snapshots).clone();
    compacted.put("log", &frame);
    snapshots.push(Moment(60), compacted);
    let damage = "flip log 50 01".parse().unwrap();
    let image = last(&snapshots);
    assert_eq!(snapshots.first_seen_after(image, &damage), Some(Moment(20)));
}

#[test]
fn what_a_crash_could_have_left_is_a_rollback() {
    let snapshots = log();
    let rollback = |text: &str| {
        let damaged = apply(last(&snapshots), &text.parse().unwrap()).unwrap();
        snapshots.is_rollback(&damaged, last(&snapshots))
    };
    assert!(rollback("truncate log 300"), "an earlier state");
    assert!(rollback("truncate log 350"), "a frame half written");
    assert!(rollback("zero log 420 50"), "the last frame half written");
    assert!(rollback("flip log 499 80"));
    assert!(rollback("missing log"), "before anything was written");
    assert!(!rollback("flip log 350 01"), "a later frame is there");
    assert!(!rollback("zero log 390 20"));
    assert!(!rollback("extend-zeros log 5"));
    assert!(!rollback("flip other 2 01"));
    assert!(!rollback("missing other"));
}

#[test]
fn what_is_not_damaged_bears_witness_and_may_be_in_flight() {
    let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
    for count in 1..5u8 {
        image.put("count", &[count; 8]);
        image.put("log", &vec![7; usize::from(count) * 100]);
        snapshots.push(Moment(u64::from(count)), image.clone());
    }
    let rollback = |text: &str| {
        let damaged = apply(&image, &text.parse().unwrap()).unwrap();
        snapshots.is_rollback(&damaged, &image)
    };
    assert!(rollback("truncate log 300"), "the count came first, and the log had still to grow");
    assert!(rollback("truncate log 350"));
    assert!(!rollback("truncate log 200"), "a count of four is no garbage");
    assert!(!rollback("missing log"));
    assert!(rollback("zero count 3 5"), "half of it had been written");
}

#[test]
fn a_file_that_was_made_once_and_changed_later_is_not_what_it_was_when_it_was_made() {
    let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
    for value in [1u8, 5] {
        image.put("pages", &[value; 9000]);
        snapshots.push(Moment(u64::from(value)), image.clone());
    }
    // Now each change is of one byte.
    let mut bytes = [5; 9000];
    for at in [10, 5000] {
        bytes[at] = 9;
        image.put("pages", &bytes);
        snapshots.push(Moment(at as u64), image.clone());
    }
    let rollback = |text: &str| {
        let damaged = apply(&image, &text.parse().unwrap()).unwrap();
        snapshots.is_rollback(&damaged, &image)
    };
    assert!(!rollback("flip pages 100 01"));
    assert!(!rollback("zero pages 4096 600"));
    assert!(rollback("flip pages 5000 01"), "it was being written");
}

#[test]
fn legal_states_from_a_recording_are_rollbacks_too() {
    let mut snapshots = log();
    let damaged = apply(last(&snapshots), &"flip log 350 01".parse().unwrap()).unwrap();
    snapshots.add_legal(damaged.hash());
    assert!(snapshots.is_rollback(&damaged, last(&snapshots)));
}

#[test]
fn older_contents_of_a_block_are_each_found_once() {
    let mut snapshots = Snapshots::default();
    let mut image = Image::empty();
    for byte in [1u8, 2, 2, 1, 3] {
        image.put("f", &[byte; 512]);
        snapshots.push(Moment(u64::from(byte)), image.clone());
    }
    let now = image.file("f").unwrap();
    let older = snapshots.older(Path::new("f"), 0, 512, now);
    let firsts: Vec<u8> = older.iter().map(|bytes| bytes[0]).collect();
    assert_eq!(firsts, [1, 2]);
}
