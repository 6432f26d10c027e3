//! Many writers at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;

fn many_writers(durability: Durability, threads: u64, each: u64) -> (u64, u64) {
    let dir = tempdir();
    let options = Options { durability, checkpoint_bytes: Some(20_000), ..options() };
    let (store, _) = Store::open(dir.path(), options).unwrap();
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (store, acknowledged) = (&store, &acknowledged);
            scope.spawn(move || {
                for n in 0..each {
                    let name = [key(thread), key(n)].concat();
                    store.put(&name, &value(n, 60)).unwrap();
                    assert_eq!(store.get(&name).unwrap(), Some(value(n, 60)));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let totals = store.stats().totals;
    let held = contents(&store);
    assert_eq!((held.len() as u64, acknowledged.into_inner()), (threads * each, threads * each));
    drop(store);
    assert_eq!(contents(&open_whole(dir.path())), held);
    (totals.groups, totals.syncs)
}

#[test]
fn writers_of_a_group_share_one_write_and_one_sync() {
    let dir = tempdir();
    let options = Options { durability: Durability::GROUP, ..options() };
    let (store, _) = Store::open(dir.path(), options).unwrap();
    std::thread::scope(|scope| {
        // Whoever leads waits for this as it would for a slow sync; meanwhile all of them queue.
        let busy = store.keeper();
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || store.put(&key(n), &value(n, 100)).unwrap());
        }
        while store.queue.len() < 8 {
            std::thread::yield_now();
        }
        drop(busy);
    });
    let totals = store.stats().totals;
    assert_eq!((totals.frames, totals.groups, totals.syncs), (8, 1, 1));
    drop(store);
    assert_eq!(contents(&open_whole(dir.path())), filled(0..8));
    let waits = Durability::GroupCommit { max_delay: Duration::from_millis(2), max_pending: 8 };
    assert!(many_writers(waits, 8, 40).0 <= 320);
}

#[test]
fn a_group_is_never_larger_than_its_limit() {
    let alone = Durability::GroupCommit { max_delay: Duration::ZERO, max_pending: 1 };
    assert_eq!(many_writers(alone, 6, 20).0, 120);
}

#[test]
fn every_transaction_of_an_immediate_store_has_a_sync_of_its_own() {
    let (groups, syncs) = many_writers(Durability::Immediate, 4, 30);
    assert!(groups == 120 && syncs >= 120);
}

#[test]
fn a_relaxed_store_keeps_all_writers_work_without_syncs_of_its_own() {
    let (_, syncs) = many_writers(Durability::Relaxed, 8, 50);
    assert!(syncs < 60, "{syncs} syncs");
}

#[test]
fn one_of_two_that_settle_the_same_transaction_wins() {
    let dir = tempdir();
    let (store, _) =
        Store::open(dir.path(), Options { durability: Durability::GROUP, ..options() }).unwrap();
    for round in 0..50 {
        let transaction = store.prepare(Batch::default().put(b"k", &value(round, 9))).unwrap();
        let wins = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    wins.fetch_add(u64::from(store.commit(transaction).is_ok()), Ordering::Relaxed)
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
    }
}

#[test]
fn readers_see_large_values_while_they_are_overwritten_and_compacted_away() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    store.put(b"k", &value(0, 66_000)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..40 {
                store.put(b"k", &value(n, 66_000)).unwrap();
                store.checkpoint().unwrap();
            }
        });
        while !writer.is_finished() {
            let bytes = store.get(b"k").unwrap().unwrap();
            assert_eq!(bytes.len(), 66_000);
        }
    });
}
