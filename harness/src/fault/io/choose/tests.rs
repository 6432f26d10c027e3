//! Recordings of a few calls, and every failure that is tried on them.

use std::sync::Arc;

use super::*;
use crate::trace::{Event, Place};

fn trace(calls: &[(u32, &str, i64, FileOp)]) -> Trace {
    let event = |(no, name, result, op): &(u32, &str, i64, FileOp)| Event {
        thread: 1,
        kind: EventKind::Call(Call {
            no: *no,
            name: (*name).into(),
            result: *result,
            injected: false,
            op: op.clone(),
        }),
        stack: Arc::default(),
    };
    Trace { events: calls.iter().map(event).collect(), ..Trace::default() }
}

fn texts(trace: &Trace) -> Vec<String> {
    attempts(trace, &mut Rng::new(1), false).iter().map(|one| one.strike.to_string()).collect()
}

fn nothing() -> FileOp {
    FileOp::Nothing { file: Some(FileId(1)) }
}

#[test]
fn every_error_of_a_call_is_tried_and_nothing_that_it_cannot_return() {
    let found = texts(&trace(&[(7, "fdatasync", 0, nothing())]));
    let mut sorted = found.clone();
    sorted.sort();
    let expected = [
        "fail:7:EDQUOT:from-then-on",
        "fail:7:EDQUOT:once",
        "fail:7:EIO:from-then-on",
        "fail:7:EIO:once",
        "fail:7:ENOSPC:once",
    ];
    assert_eq!(sorted, expected);
    assert_eq!(found[0], "fail:7:EIO:once", "the most telling one first");
}

#[test]
fn an_open_of_what_exists_cannot_run_out_of_space() {
    let found = texts(&trace(&[(1, "openat", 3, nothing())]));
    assert!(found.iter().all(|text| !text.contains("ENOSPC") && !text.contains("EROFS")));
    assert!(found.contains(&"fail:1:EMFILE:once".to_owned()));
}

#[test]
fn the_close_of_a_directory_cannot_fail() {
    let dir = FileOp::Nothing { file: Some(FileId::ROOT) };
    assert!(texts(&trace(&[(LOOK | 1, "close", 0, dir)])).is_empty());
    assert!(!texts(&trace(&[(LOOK | 1, "close", 0, nothing())])).is_empty());
}

#[test]
fn interrupted_calls_are_interrupted_once() {
    let found = texts(&trace(&[(LOOK | 2, "pread64", 100, nothing())]));
    let interrupted: Vec<_> = found.iter().filter(|text| text.contains("EINTR")).collect();
    assert_eq!(interrupted, ["fail:r2:EINTR:once"]);
    for short in ["short:r2:50", "short:r2:1", "short:r2:99"] {
        assert!(found.contains(&short.to_owned()), "{short}");
    }
}

#[test]
fn calls_that_failed_and_stores_into_mappings_are_left_out() {
    let failed = FileOp::Failed { file: None };
    assert!(texts(&trace(&[(1, "openat", -2, failed), (0, "store", 5, nothing())])).is_empty());
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let calls: Vec<_> = (1..9).map(|no| (no, "pwrite64", 40, nothing())).collect();
    let trace = trace(&calls);
    let order = |seed| attempts(&trace, &mut Rng::new(seed), false);
    assert_eq!(order(3), order(3));
    assert_ne!(order(3), order(4));
    assert!(order(3).is_sorted_by_key(Attempt::turn));
}

#[test]
fn a_full_disk_takes_what_fits_and_then_nothing() {
    let all = attempts(&trace(&[(3, "write", 40, nothing())]), &mut Rng::new(1), false);
    let plans: Vec<String> = all.iter().map(|one| one.plan().to_string()).collect();
    assert!(plans.contains(&"short:3:20,fail:4:ENOSPC:once".to_owned()), "{plans:?}");
}

#[test]
fn a_read_ends_before_a_bad_block_and_the_next_one_meets_it() {
    let all = attempts(&trace(&[(LOOK | 3, "read", 40, nothing())]), &mut Rng::new(1), false);
    let plans: Vec<String> = all.iter().map(|one| one.plan().to_string()).collect();
    assert!(plans.contains(&"short:r3:20,fail:r4:EIO:once".to_owned()), "{plans:?}");
    assert!(plans.iter().all(|plan| !plan.contains("ENOSPC")), "a read needs no room");
}

#[test]
fn a_budget_that_ends_early_has_seen_each_sort_of_failure() {
    let mut calls: Vec<_> = (1..40).map(|no| (no, "fsync", 0, nothing())).collect();
    calls.extend((40..60).map(|no| (no, "pwrite64", 40, nothing())));
    let all = attempts(&trace(&calls), &mut Rng::new(5), false);
    let early: BTreeSet<String> = all[..40].iter().map(|one| one.what.clone()).collect();
    for sort in ["EIO once", "EIO from then on", "ENOSPC once", "EINTR once", "cut short"] {
        assert!(early.contains(sort), "{sort} is not among {early:?}");
    }
    let short = |one: &Attempt| matches!(one.strike, Strike::Short { .. });
    assert!(all[..12].iter().any(short), "a write cut short comes early");
    let syncs = all[..40].iter().filter(|one| one.strike.nth() < 40);
    assert!(syncs.count() < 30, "syncs do not crowd out the writes");
}

#[test]
fn a_budget_that_ends_early_has_seen_each_sort_of_failure_on_each_file() {
    let mut calls = Vec::new();
    let names = ["log", "MANIFEST", "value.000001", "value.000002", "value.000003"];
    for (file, name) in (1u32..).zip(names) {
        let at = Place { dir: FileId::ROOT, name: name.as_bytes().into() };
        let create = FileOp::Create { at, file: FileId(file), node: NodeKind::File, mode: 0o644 };
        calls.push((file, "openat", 3, create));
    }
    let look = |file| FileOp::Nothing { file: Some(FileId(file)) };
    calls.extend((1..30).map(|no| (LOOK | no, "openat", 3, look(1))));
    calls.extend([(LOOK | 30, "openat", 3, look(2)), (LOOK | 31, "openat", 3, look(3))]);
    calls.extend((32..300).map(|no| (LOOK | no, "pread64", 40, look(1))));
    let all = attempts(&trace(&calls), &mut Rng::new(5), false);
    let opened = |one: &&Attempt| matches!(one.strike, Strike::Fail { nth, errno: libc::EMFILE, .. } if nth & LOOK != 0);
    let soon = all.partition_point(|one| one.turn() <= 4);
    assert!(soon < 120, "{soon} of {} come before the fifth turn", all.len());
    let early: BTreeSet<u32> =
        all[..soon].iter().filter(opened).map(|one| one.strike.nth() & !LOOK).collect();
    for no in [30, 31] {
        assert!(early.contains(&no), "{no} is not among {early:?}");
    }
    assert!(early.len() < 12, "files with numbers are one: {early:?}");
}

#[test]
fn where_several_requests_are_outstanding_syncs_and_writes_fail_and_syncs_first() {
    let mut calls: Vec<_> = (1..25).map(|no| (no, "fdatasync", 0, nothing())).collect();
    calls.extend((25..50).map(|no| (no, "pwrite64", 40, nothing())));
    calls.extend((50..60).map(|no| (no, "rename", 0, nothing())));
    calls.extend((1..30).map(|no| (LOOK | no, "pread64", 40, nothing())));
    let all = attempts(&trace(&calls), &mut Rng::new(5), true);
    assert!(all.iter().all(|one| one.strike.nth() < 50));
    assert!(all.iter().any(|one| one.strike.nth() >= 25));
    let soon = all.iter().filter(|one| one.turn() <= 2 && one.what == "EIO once");
    let syncs: BTreeSet<u32> = soon.map(|one| one.strike.nth()).filter(|nth| *nth < 25).collect();
    assert_eq!(syncs.len(), 24, "each sync once");
}
