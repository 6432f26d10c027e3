//! What group commit gains: durable transactions a second with 1, 4, 16 and 64 writers, with a sync
//! for each against shared syncs, on the same disk, in turn. redb stands beside it: one write
//! transaction at a time, each with its own sync.
//!
//!     cargo bench --bench group_commit [-- DIRECTORY]
//!
//! The directory should lie on a real disk: on a memory file system a sync costs nothing.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use unplug::store::{Durability, Options, Store};

const SPAN: Duration = Duration::from_secs(2);

/// Runs `write` on so many threads for a while; transactions a second.
fn rate(writers: u64, write: impl Fn(u64) + Sync) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (stop, done, write) = (&stop, &done, &write);
            scope.spawn(move || {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    write((writer << 32) | (n % 1000));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

fn store(dir: &Path, durability: Durability, writers: u64) -> (f64, f64) {
    let place = tempfile::tempdir_in(dir).expect("a directory to write to");
    let options = Options { durability, ..Options::default() };
    let (store, _) = Store::open(place.path(), options).expect("a new store");
    let rate = rate(writers, |n| {
        store.put(&n.to_be_bytes(), &[7; 100]).expect("room on the disk");
    });
    let totals = store.stats().totals;
    (rate, totals.frames as f64 / totals.syncs.max(1) as f64)
}

#[cfg(feature = "redb")]
fn redb(dir: &Path, writers: u64) -> f64 {
    const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("pairs");
    let place = tempfile::tempdir_in(dir).expect("a directory to write to");
    let database = redb::Database::create(place.path().join("redb")).expect("a new database");
    rate(writers, |n| {
        let transaction = database.begin_write().expect("a transaction");
        transaction
            .open_table(TABLE)
            .and_then(|mut table| Ok(table.insert(n, &[7; 100][..]).map(drop)?))
            .expect("an insert");
        transaction.commit().expect("a commit");
    })
}

#[cfg(not(feature = "redb"))]
fn redb(_: &Path, _: u64) -> f64 {
    f64::NAN
}

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let dir = named.map_or_else(std::env::temp_dir, PathBuf::from);
    println!("durable transactions a second, values of 100 bytes, in {}", dir.display());
    println!(
        "{:>8} {:>12} {:>12} {:>6} {:>14} {:>12} {:>12}",
        "writers", "each synced", "group", "gain", "tx per sync", "redb", "group/redb"
    );
    for writers in [1, 4, 16, 64] {
        let (each, _) = store(&dir, Durability::Immediate, writers);
        let (group, shared) = store(&dir, Durability::GROUP, writers);
        let peer = redb(&dir, writers);
        println!(
            "{writers:>8} {each:>12.0} {group:>12.0} {:>5.1}x {shared:>14.1} {peer:>12.0} {:>11.1}x",
            group / each,
            group / peer
        );
    }
}
