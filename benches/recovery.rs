//! How long it takes to open what a kill left: a log of 100 MB and no checkpoint, beside redb and
//! SQLite (feature `sqlite`) holding the same pairs, and a small store as the harness recovers it
//! thousands of times. The disk cache is warm; every opening is of a fresh copy.
//!
//!     cargo bench --bench recovery [-- DIRECTORY]
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use unplug::store::{Durability, Options, ReadError, Store};

const PAIRS: u64 = 100_000;
const VALUE_BYTES: usize = 950;
/// Transactions of so many pairs, so that filling the peers takes seconds and not hours.
const BATCH: u64 = 1000;

fn key(n: u64) -> [u8; 8] {
    // Spread over the key space, as real keys are.
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

fn value(n: u64) -> Vec<u8> {
    (0..VALUE_BYTES).map(|at| (n as usize + at) as u8).collect()
}

/// How long an opening took, and how much of that on the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Took {
    worked: Duration,
    elapsed: Duration,
}

/// The best of five openings, each of a copy of `from` that nobody closed.
fn best(from: &Path, to: &Path, open: impl Fn(&Path) -> u64) -> Took {
    let once = || {
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to).expect("a directory to write to");
        for entry in fs::read_dir(from).expect("the store") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
        let (start, before) = (Instant::now(), on_processor());
        let keys = open(to);
        let took = Took { worked: on_processor() - before, elapsed: start.elapsed() };
        assert_eq!(keys, PAIRS);
        took
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

fn store_options() -> Options {
    Options { durability: Durability::Relaxed, checkpoint_bytes: None, ..Options::default() }
}

fn store(dir: &Path) -> (Took, u64) {
    let from = dir.join("store");
    let (store, _) = Store::open(&from, store_options()).expect("a new store");
    for n in 0..PAIRS {
        store.put(&key(n), &value(n)).expect("room");
    }
    store.sync().expect("a sync");
    let bytes = store.stats().totals.bytes;
    // Dropped and not closed: a kill.
    drop(store);
    let open = |path: &Path| {
        let (store, _) = Store::open(path, store_options()).expect("recovery");
        store.stats().keys
    };
    (best(&from, &dir.join("store-copy"), open), bytes)
}

#[cfg(feature = "redb")]
fn redb(dir: &Path) -> Option<Took> {
    use redb::{ReadableDatabase, ReadableTableMetadata};
    const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("pairs");
    let from = dir.join("redb");
    fs::create_dir_all(&from).ok()?;
    let database = redb::Database::create(from.join("db")).ok()?;
    for start in (0..PAIRS).step_by(BATCH as usize) {
        let transaction = database.begin_write().ok()?;
        {
            let mut table = transaction.open_table(TABLE).ok()?;
            for n in start..start + BATCH {
                table.insert(&key(n)[..], &value(n)[..]).ok()?;
            }
        }
        transaction.commit().ok()?;
    }
    // Copied while open: what a kill would leave, so that redb has to repair.
    let copied = dir.join("redb-killed");
    fs::create_dir_all(&copied).ok()?;
    fs::copy(from.join("db"), copied.join("db")).ok()?;
    drop(database);
    let open = |path: &Path| {
        let database = redb::Database::create(path.join("db")).expect("recovery");
        let transaction = database.begin_read().expect("a transaction");
        transaction.open_table(TABLE).and_then(|table| Ok(table.len()?)).expect("a count")
    };
    Some(best(&copied, &dir.join("redb-copy"), open))
}

#[cfg(not(feature = "redb"))]
fn redb(_: &Path) -> Option<Took> {
    None
}

#[cfg(feature = "sqlite")]
fn sqlite(dir: &Path) -> Option<Took> {
    let from = dir.join("sqlite");
    fs::create_dir_all(&from).ok()?;
    let open = |path: &Path| {
        let database = rusqlite::Connection::open(path.join("db")).expect("a database");
        let set = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;
                   CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID";
        database.execute_batch(set).expect("settings");
        database
    };
    let mut database = open(&from);
    for start in (0..PAIRS).step_by(BATCH as usize) {
        let transaction = database.transaction().ok()?;
        for n in start..start + BATCH {
            let pair = (&key(n)[..], &value(n)[..]);
            transaction.execute("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)", pair).ok()?;
        }
        transaction.commit().ok()?;
    }
    // Copied while open, its log never checkpointed: SQLite has to read the log.
    let copied = dir.join("sqlite-killed");
    fs::create_dir_all(&copied).ok()?;
    for name in ["db", "db-wal"] {
        fs::copy(from.join(name), copied.join(name)).ok()?;
    }
    drop(database);
    let count = |path: &Path| {
        let database = open(path);
        let count =
            database.query_row("SELECT count(*) FROM pairs", (), |row| row.get::<_, i64>(0));
        count.expect("a count") as u64
    };
    Some(best(&copied, &dir.join("sqlite-copy"), count))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &Path) -> Option<Took> {
    None
}

/// How long this thread has run so far: what the machine's other work does not change.
fn on_processor() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// A store of 200 operations, killed, as the harness recovers it: open, dump, close.
fn small(dir: &Path) -> (Duration, Duration, u64) {
    let from = dir.join("small");
    let options = || Options { segment_bytes: 32 << 10, ..Options::default() };
    let (store, _) = Store::open(&from, options()).expect("a new store");
    for n in 0..200 {
        store.put(&key(n % 120), &value(n)[..200]).expect("room");
    }
    let bytes = store.stats().totals.bytes;
    drop(store);
    let to = dir.join("small-copy");
    let (mut spent, mut worked) = (Duration::ZERO, Duration::ZERO);
    const TIMES: u32 = 2000;
    for _ in 0..TIMES {
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to).expect("a directory");
        for entry in fs::read_dir(&from).expect("the store") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
        let (start, before) = (Instant::now(), on_processor());
        let (store, _) = Store::open(&to, options()).expect("recovery");
        let mut keys = 0;
        let count = |_: &[u8], _: &[u8]| {
            keys += 1;
            Ok::<(), ReadError>(())
        };
        store.scan(b"", count).expect("a dump");
        store.close().expect("a close");
        worked += on_processor() - before;
        spent += start.elapsed();
        assert_eq!(keys, 120);
    }
    (spent / TIMES, worked / TIMES, bytes)
}

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let base = named.map_or_else(std::env::temp_dir, PathBuf::from);
    let place = tempfile::tempdir_in(base).expect("a directory to write to");
    let (own, bytes) = store(place.path());
    println!(
        "recovery after a kill, {PAIRS} pairs, a log of {:.0} MB, best of five",
        bytes as f64 / 1e6
    );
    println!("{:<34} {:>10} {:>17}", "", "elapsed ms", "on the processor");
    let row = |name: &str, took: Option<Took>| match took {
        Some(Took { worked, elapsed }) => println!(
            "{name:<34} {:>10.0} {:>17.0}",
            elapsed.as_secs_f64() * 1e3,
            worked.as_secs_f64() * 1e3
        ),
        None => println!("{name:<34}  not in this build"),
    };
    row("store, replaying the whole log", Some(own));
    row("redb, repairing", redb(place.path()));
    row("SQLite, reading its log", sqlite(place.path()));
    let memory = Path::new("/dev/shm");
    let fast = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let (small, worked, bytes) = small(fast.expect("a directory to write to").path());
    println!(
        "open, dump and close of a killed store of 200 operations ({:.0} KB of log): {:.0} µs, {:.0} \
         of them on the processor",
        bytes as f64 / 1e3,
        small.as_secs_f64() * 1e6,
        worked.as_secs_f64() * 1e6
    );
}
