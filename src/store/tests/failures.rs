//! Calls that fail: at every change of a file, once or from then on, every error that can come.

use super::*;
use crate::store::WriteError;
use crate::store::fs::fuse::{self, Fuse};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;

/// What was acknowledged, and what might have happened besides.
#[derive(Default)]
struct Seen {
    sure: Contents,
    /// Keys whose last write failed without being taken back.
    unsure: Vec<Vec<u8>>,
    failures: usize,
}

fn work(store: &Store, seen: &mut Seen) {
    for n in 0..10 {
        let (name, bytes) = match n % 3 {
            0 => (b"large".to_vec(), value(n, 66_000)),
            _ => (key(n), value(n, 700)),
        };
        match store.put(&name, &bytes) {
            Ok(_) => drop(seen.sure.insert(name, bytes)),
            Err(WriteError::Poisoned(_)) => {
                seen.failures += 1;
                seen.unsure.push(name);
            }
            // Taken back: as if it had never been tried.
            Err(_) => seen.failures += 1,
        }
        if n % 4 == 3 && store.checkpoint().is_err() {
            seen.failures += 1;
        }
        assert_eq!(contents(store), seen.sure, "what is served is what was acknowledged");
    }
}

fn try_all(fuse: impl Fn(usize) -> Fuse) -> usize {
    for at in 0.. {
        let dir = tempdir();
        let mut seen = Seen::default();
        let (_, blown) = fuse::with(fuse(at), || {
            if let Ok((store, _)) = Store::open(dir.path(), options()) {
                work(&store, &mut seen);
                if store.close().is_err() {
                    seen.failures += 1;
                }
            }
        });
        let (store, _) = open(dir.path());
        let mut held = contents(&store);
        let mut sure = seen.sure.clone();
        for unsure in &seen.unsure {
            held.remove(unsure);
            sure.remove(unsure);
        }
        assert_eq!(held, sure, "failure at change {at}");
        assert!(listing(dir.path()).temporaries.is_empty());
        work(&store, &mut Seen { sure: contents(&store), ..Seen::default() });
        if !blown {
            return at;
        }
    }
    0
}

#[test]
fn an_input_output_error_at_any_change_loses_nothing_acknowledged() {
    assert!(try_all(|at| Fuse::Once(at, EIO)) > 60);
    assert!(try_all(|at| Fuse::From(at, EIO)) > 60);
}

#[test]
fn a_full_disk_at_any_change_loses_nothing_acknowledged() {
    assert!(try_all(|at| Fuse::Once(at, ENOSPC)) > 60);
    assert!(try_all(|at| Fuse::From(at, ENOSPC)) > 60);
}

#[test]
fn an_interrupted_call_is_repeated_and_nobody_notices() {
    for at in 0.. {
        let dir = tempdir();
        let mut seen = Seen::default();
        let (_, blown) = fuse::with(Fuse::Once(at, EINTR), || {
            let store = open_whole(dir.path());
            work(&store, &mut seen);
            store.close().unwrap();
        });
        assert_eq!((seen.failures, seen.sure.len()), (0, 7));
        if !blown {
            break;
        }
    }
}

#[test]
fn an_error_at_any_change_of_recovery_hides_nothing_and_the_next_recovery_gives_the_same() {
    let dir = tempdir();
    let (store, _) = Store::open(dir.path(), relaxed()).unwrap();
    work(&store, &mut Seen::default());
    fill(&store, 0..5);
    let expected = contents(&store);
    drop(store);
    fs::write(dir.path().join(names::value(99)), b"orphan").unwrap();
    let newest = newest_segment(dir.path());
    let torn = [fs::read(&newest).unwrap(), vec![3; 40]].concat();
    fs::write(newest, torn).unwrap();
    let files = snapshot(dir.path());
    for errno in [EIO, ENOSPC] {
        for at in 0.. {
            let dir = restore(&files);
            let (opened, blown) = fuse::with(Fuse::Once(at, errno), || {
                Store::open(dir.path(), options()).map(|(store, _)| contents(&store))
            });
            match opened {
                // What failed was tidiness, and nobody depends on that.
                Ok(shown) => assert_eq!(shown, expected, "error at change {at}"),
                Err(error) => assert!(blown && matches!(error, OpenError::Io(_)), "{error}"),
            }
            assert_eq!(contents(&open(dir.path()).0), expected);
            if !blown {
                break;
            }
        }
    }
}

#[test]
fn a_read_error_is_never_taken_for_the_end_of_the_log() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    fill(&store, 0..5);
    drop(store);
    // A directory in the place of the segment: it opens for nobody and reads as nothing.
    let path = newest_segment(dir.path());
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Store::open(dir.path(), options()), Err(OpenError::Io(_))));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, kept).unwrap();
    assert_eq!(contents(&open_whole(dir.path())), filled(0..5));
}
