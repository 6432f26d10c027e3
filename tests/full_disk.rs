//! A disk that is really full: a tiny memory file system, filled through the drivers of this build until
//! they say so, given room again, written on, killed and opened again. Nothing acknowledged is lost.
//!
//! The file system is mounted in a mount namespace of the test's own thread: nobody else sees it, and
//! it is gone with the thread. Where that is not permitted the test says so and does nothing.
//!
//! Not here: engines that store through a shared mapping, for which a full disk is a signal and not an
//! error; sled and persy, which after a request that found no room do not answer another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use unplug_harness::base::Rng;

/// The size of the disk, and of what is removed from it to make room, in MiB.
const DISK: (usize, usize) = (6, 3);
/// jammdb makes its file longer by 8 MiB at a time.
const IN_STEPS: (&str, (usize, usize)) = ("jammdb", (24, 12));
const VALUE: usize = 20_000;
/// The disk must be full after so many values.
const MOST: usize = 600;
/// A driver that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(120);
/// Engines that store through a mapping, and two that hang once a request has found no room (both tried; killed
/// and opened again with room, they have what was acknowledged):
///
/// * sled 0.34.7: a value of its own file (`blobs/`) that cannot be written is answered with the error, but
///   its place in the buffer of the log stays claimed (`encapsulate(…)?` in pagecache/logger.rs), so the buffer is
///   never written; the next `flush` waits for it without end (`make_stable_inner` in pagecache/iobuf.rs).
/// * persy 1.8.1: the locks on the pages of an index are handed to the transaction only after these were written
///   (`update_changed` in index/keeper_tx.rs), so the rollback of one that found no room leaves them. The next
///   transaction waits for them (`lock_all` in locks.rs) for `transaction_lock_timeout`, by default a day.
const LEFT_OUT: [&str; 5] = ["lmdb:writemap", "sanakirja", "canary:mapped", "sled", "persy"];

/// A driver and what it was asked.
struct Driver {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    id: u32,
}

/// The answer to one request.
#[derive(Debug)]
enum Answer {
    Ack(BTreeMap<String, String>),
    /// `err` or `refused`, with its text; or the end of the driver.
    No(String),
}

impl Answer {
    fn is_ack(&self) -> bool {
        matches!(self, Answer::Ack(_))
    }
}

impl Driver {
    fn start(engine: &str) -> Driver {
        let mut child = Command::new(env!("CARGO_BIN_EXE_unplug"))
            .args(["driver", engine])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Driver { input: child.stdin.take(), child, lines, id: 0 }
    }

    fn ask(&mut self, request: &str) -> Answer {
        self.id += 1;
        let sent = writeln!(self.input.as_mut().unwrap(), "{} {request}", self.id);
        if let Err(error) = sent {
            return Answer::No(error.to_string());
        }
        let mut shown = BTreeMap::new();
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Answer::No("it ended".into()),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no answer to {request:.40}"),
            };
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("ack"), ..) => return Answer::Ack(shown),
                (Some("err" | "refused"), _, text) => return Answer::No(text.unwrap_or("").into()),
                (Some("have"), _, Some(pair)) => {
                    let (key, value) = pair.split_once(' ').unwrap();
                    shown.insert(key.to_owned(), value.to_owned());
                }
                (Some("warn"), ..) => {}
                _ => panic!("{line:.80} is no reply"),
            }
        }
    }

    fn dump(&mut self) -> BTreeMap<String, String> {
        match self.ask("dump") {
            Answer::Ack(shown) => shown,
            Answer::No(text) => panic!("dump: {text}"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was asked of a store and promised by it. No key is written twice.
#[derive(Default)]
struct Asked {
    acked: BTreeMap<String, String>,
    failed: BTreeSet<String>,
    number: usize,
}

impl Asked {
    /// Puts the next value.
    fn put(&mut self, driver: &mut Driver, len: usize) -> Answer {
        self.number += 1;
        let key = format!("k{}", self.number);
        let value = format!("{key}.{}", noise(self.number as u64, len));
        let answer = driver.ask(&format!("put {key} {value}"));
        match answer {
            Answer::Ack(_) => drop(self.acked.insert(key, value)),
            Answer::No(_) => drop(self.failed.insert(key)),
        }
        answer
    }

    /// Everything acknowledged is there, and nothing but what was asked for.
    #[track_caller]
    fn is_shown_by(&self, shown: &BTreeMap<String, String>, when: &str) {
        for (key, value) in &self.acked {
            assert!(shown.get(key) == Some(value), "{when}: {key} was acknowledged and is lost");
        }
        for key in shown.keys() {
            let known = self.acked.contains_key(key) || self.failed.contains(key);
            assert!(known, "{when}: {key} was never written");
        }
    }
}

/// Letters that no compression makes shorter by much: some engines compress.
fn noise(seed: u64, len: usize) -> String {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| char::from(b'!' + (rng.next_u64() % 94) as u8)).collect()
}

/// Fills the disk through `engine`. Says how many values were acknowledged, and whether writing went on
/// without opening the store again.
fn fill(engine: &str, disk: &Path, room: usize) -> (usize, bool) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![7; room << 20]).unwrap();
    let store = disk.join("store");
    std::fs::create_dir(&store).unwrap();
    let open = format!("open {}", store.display());
    let mut driver = Driver::start(engine);
    let mut asked = Asked::default();
    assert!(driver.ask(&open).is_ack(), "{engine} does not open");
    while asked.put(&mut driver, VALUE).is_ack() {
        assert!(asked.number < MOST, "{engine}: the disk is never full");
    }
    assert!(asked.number > 10, "{engine}: full after {}", asked.number);
    // Full, and it goes on being asked.
    for len in [VALUE, 10, 3 * VALUE] {
        asked.put(&mut driver, len);
    }
    // A store that has failed may say so instead of showing anything; what it shows is true.
    if let Answer::Ack(shown) = driver.ask("dump") {
        asked.is_shown_by(&shown, "on the full disk");
    }
    std::fs::remove_file(&ballast).unwrap();
    let resumed = asked.put(&mut driver, VALUE).is_ack();
    if !resumed {
        driver.ask("close");
        drop(driver);
        driver = Driver::start(engine);
        match driver.ask(&open) {
            Answer::Ack(_) => {}
            Answer::No(text) => panic!("{engine} does not open with room again: {text}"),
        }
    }
    for _ in 0..5 {
        let answer = asked.put(&mut driver, VALUE);
        assert!(answer.is_ack(), "{engine}, with room again: {answer:?}");
    }
    asked.is_shown_by(&driver.dump(), "with room again");
    assert!(driver.ask("close").is_ack(), "{engine} does not close");
    assert!(driver.ask(&open).is_ack(), "{engine} does not open again");
    asked.is_shown_by(&driver.dump(), "after a close");
    assert!(asked.put(&mut driver, VALUE).is_ack());
    // Killed and started anew.
    drop(driver);
    driver = Driver::start(engine);
    assert!(driver.ask(&open).is_ack(), "{engine} does not open after a kill");
    asked.is_shown_by(&driver.dump(), "after a kill");
    (asked.acked.len(), resumed)
}

/// Runs `test` in a thread with a disk of its own of so many MiB; false where that is not permitted.
fn with_disk(size: usize, test: impl FnOnce(&Path) + Send) -> bool {
    let size = format!("size={size}m");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let none = None::<&str>;
            let own = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            // Before anything is mounted: what is mounted from here on is seen by this thread alone.
            if unshare(CloneFlags::CLONE_NEWNS).is_err()
                || mount(none, "/", none, own, none).is_err()
                || mount(Some("none"), path, Some("tmpfs"), MsFlags::empty(), Some(&size[..]))
                    .is_err()
            {
                return false;
            }
            test(path);
            true
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Past the test harness, which shows nothing of a test that passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn engines() -> Vec<String> {
    let flawed = |name: &str| unplug::engines::canary::FLAWED.iter().any(|row| row.name == name);
    let names = unplug::engines::all().into_iter().map(|entry| entry.name.to_owned());
    names.filter(|name| !flawed(name) && !LEFT_OUT.contains(&name.as_str())).collect()
}

#[test]
fn every_engine_survives_a_full_disk_and_writes_again_when_there_is_room() {
    for engine in engines() {
        let mut seen = None;
        let (size, room) = if engine == IN_STEPS.0 { IN_STEPS.1 } else { DISK };
        if !with_disk(size, |disk| seen = Some(fill(&engine, disk, room))) {
            say("SKIPPED: no disk can be mounted here (that needs root); none was filled");
            return;
        }
        let (acked, resumed) = seen.unwrap();
        say(&format!("{engine}: {acked} values acknowledged; resumed without a reopen: {resumed}"));
        let own = engine.starts_with("builtin");
        assert!(resumed || !own, "{engine} goes on when there is room again");
    }
}

#[test]
fn a_store_that_forgets_one_acknowledged_value_is_noticed() {
    let mut asked = Asked::default();
    asked.acked.insert("k1".into(), "v".into());
    asked.failed.insert("k2".into());
    let shown = |keys: &[&str]| -> BTreeMap<String, String> {
        keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect()
    };
    asked.is_shown_by(&shown(&["k1"]), "whole");
    asked.is_shown_by(&shown(&["k1", "k2"]), "and what failed");
    for bad in [shown(&[]), shown(&["k1", "k3"])] {
        assert!(std::panic::catch_unwind(|| asked.is_shown_by(&bad, "bad")).is_err());
    }
}
