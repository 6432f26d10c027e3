//! Opening: a new store is made so that no crash leaves half of one; an old one is recovered, and what
//! recovery shows is written anew and durable before `open` returns.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use unplug_harness::driver::NotOpened;
use unplug_harness::workload::Mutation;

use super::flaw::{Flaw, Variant};
use super::frame::{self, Place, Role};
use super::head::{Head, Slot};
use super::replay::{self, Broken, Replayed, START, align, replay};
use super::snapshot::{self, Pairs};
use super::store::{Store, new_segment, sync_dir};

/// Opens the store in `dir`.
pub fn open(
    dir: &Path,
    variant: Variant,
    flaw: Option<Flaw>,
    warn: &dyn Fn(&str),
) -> Result<Store, NotOpened> {
    let failed = |error: io::Error| NotOpened::Failed(error.to_string());
    let lock = hold(dir).map_err(failed)?;
    let lock_file = match flaw {
        Some(Flaw::StaleLock) => Some(take_lock_file(dir)?),
        _ => None,
    };
    let parts = match Head::open(dir, variant, flaw).map_err(failed)? {
        Some(Ok(head)) => recover(dir, head, variant, flaw)?,
        Some(Err(why)) => return Err(NotOpened::Refused(why)),
        None => create(dir, variant, flaw)?,
    };
    let Parts { head, pairs, replayed, log } = parts;
    let slot = head.slot();
    let clean = slot.sealed == Some(replayed.last) && replayed.whole;
    let mut store = Store {
        dir: dir.to_path_buf(),
        variant,
        flaw,
        pairs,
        head,
        log: Arc::new(log),
        segment: replayed.segment,
        end: replayed.end,
        last: replayed.last,
        // After a kill the log may be in the page cache only.
        synced: if clean { replayed.last } else { slot.base },
        held_back: Vec::new(),
        cut: None,
        poisoned: None,
        _lock: lock,
        lock_file,
    };
    for text in &replayed.dropped {
        warn(text);
    }
    if !clean {
        // The head that was read may be in the page cache only, after a kill or a failed sync, and the
        // one on disk may still need what this one does not: nothing of that goes before the next head
        // is durable.
        remove_strays(dir, &slot, replayed.segment, Strays::Ahead, variant).map_err(failed)?;
        unclean(&mut store, &replayed)?;
    }
    remove_strays(dir, &store.head.slot(), store.segment, Strays::All, variant).map_err(failed)?;
    Ok(store)
}

struct Parts {
    head: Head,
    pairs: Pairs,
    replayed: Replayed,
    log: File,
}

/// The directory's own lock, for as long as the file lives.
fn hold(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(io::Error::other("the store is open elsewhere"))
        }
    }
}

fn take_lock_file(dir: &Path) -> Result<std::path::PathBuf, NotOpened> {
    let path = dir.join("lock");
    match File::create_new(&path) {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(NotOpened::Refused("the store is locked".into()))
        }
        Err(error) => Err(NotOpened::Failed(error.to_string())),
    }
}

/// The log first, with its name; then the head, whole, under its name. A head without a log is damage.
fn create(dir: &Path, variant: Variant, flaw: Option<Flaw>) -> Result<Parts, NotOpened> {
    let failed = |error: io::Error| NotOpened::Failed(error.to_string());
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let len = entry.metadata().map_err(failed)?.len();
        let log = name.starts_with("log-");
        if name.starts_with("snap-") || (log && (name != "log-00000001" || len > START as u64)) {
            return Err(NotOpened::Refused(format!("there is a {name} and no head")));
        }
    }
    let log = new_segment(dir, 1, 0).map_err(failed)?;
    sync_dir(dir, flaw).map_err(failed)?;
    let slot = Slot { generation: 1, segment: 1, ..Slot::default() };
    let head = Head::create(dir, slot, variant, flaw).map_err(failed)?;
    sync_dir(dir, flaw).map_err(failed)?;
    let replayed = Replayed {
        segment: 1,
        end: START as u64,
        last_begins: START as u64,
        last: 0,
        dropped: Vec::new(),
        whole: true,
    };
    // Not sealed in the file, and clean all the same: nothing is there to be lost.
    let mut parts = Parts { head, pairs: Pairs::new(), replayed, log };
    let sealed = Slot { sealed: Some(0), ..slot };
    parts.head.write(dir, sealed).map_err(failed)?;
    Ok(parts)
}

fn recover(
    dir: &Path,
    head: Head,
    variant: Variant,
    flaw: Option<Flaw>,
) -> Result<Parts, NotOpened> {
    let failed = |error: io::Error| NotOpened::Failed(error.to_string());
    let slot = head.slot();
    let mut pairs = match slot.snapshot {
        0 => Pairs::new(),
        number => snapshot::read(dir, number).map_err(failed)?.ok_or_else(|| {
            NotOpened::Refused(format!("snapshot {number} is missing or does not check out"))
        })?,
    };
    let replayed =
        replay(dir, &slot, &mut pairs, variant, flaw).map_err(|broken| match broken {
            Broken::Damage(text) => NotOpened::Refused(text),
            Broken::Unreadable(error) => failed(error),
        })?;
    let path = replay::path(dir, replayed.segment);
    let log = File::options().read(true).write(true).open(path).map_err(failed)?;
    Ok(Parts { head, pairs, replayed, log })
}

/// After a crash everything that is shown is written anew, into a snapshot: what the log holds may be
/// in the page cache only, and after a failed sync it may be nowhere else ever.
fn unclean(store: &mut Store, replayed: &Replayed) -> Result<(), NotOpened> {
    let failed = NotOpened::Failed;
    match store.flaw {
        Some(Flaw::RecoveryPanics) => panic!("the log is not sealed"),
        Some(Flaw::GhostKey) => {
            store.pairs.insert(b"store.recovered".to_vec(), b"1".to_vec());
        }
        Some(Flaw::TrimsOnClose) => {
            // What a clean close sealed stays.
            let sealed = store.head.slot().sealed.is_some_and(|sealed| sealed >= replayed.last);
            store.cut = Some(if sealed { replayed.end } else { replayed.last_begins });
            return Ok(());
        }
        // Left as it is, with the pending frames in it.
        Some(Flaw::Resurrects | Flaw::RecoveryTrustsCache) if replayed.whole => return Ok(()),
        Some(Flaw::RecoveryInPlace) => {
            return in_place(store).map_err(|error| failed(error.to_string()));
        }
        _ => {}
    }
    store.checkpoint().map_err(failed)?;
    if store.flaw == Some(Flaw::CloseCutsBack) {
        store.cut = Some(store.end);
    }
    Ok(())
}

/// The flawed way: the first segment is emptied and everything written to it again. But for a crash
/// inside it nothing is wrong: what the snapshot has and is no longer shown is deleted again, and the
/// head is made durable.
fn in_place(store: &mut Store) -> io::Result<()> {
    let slot = store.head.slot();
    let log =
        File::options().read(true).write(true).open(replay::path(&store.dir, slot.segment))?;
    log.set_len(START as u64)?;
    let before = match slot.snapshot {
        0 => Pairs::new(),
        number => snapshot::read(&store.dir, number)?.unwrap_or_default(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let gone = before.keys().filter(|key| !store.pairs.contains_key(*key));
    let gone = gone.map(|key| Mutation::Del(text(key).as_str().into()));
    let shown = store
        .pairs
        .iter()
        .map(|(key, value)| Mutation::Put(text(key).as_str().into(), text(value).as_str().into()));
    let changes: Vec<Mutation> = gone.chain(shown).collect();
    let place = Place { segment: slot.segment, sequence: slot.base + 1, synced: slot.base };
    let bytes = frame::encode(place, Role::Changes, &changes, align(store.variant), store.flaw);
    log.write_all_at(&bytes, START as u64)?;
    log.sync_all()?;
    store.head.write(&store.dir, Slot { sealed: None, ..slot })?;
    for segment in slot.segment + 1..=store.segment {
        std::fs::remove_file(replay::path(&store.dir, segment))?;
    }
    store.log = Arc::new(log);
    store.segment = slot.segment;
    store.end = START as u64 + bytes.len() as u64;
    store.last = slot.base + 1;
    store.synced = store.last;
    Ok(())
}

/// Which files that the head does not name are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strays {
    /// What no head needs yet.
    Ahead,
    /// What none needs any more, too.
    All,
}

/// Removes what an interrupted checkpoint or rotation left.
fn remove_strays(
    dir: &Path,
    slot: &Slot,
    last: u32,
    which: Strays,
    variant: Variant,
) -> io::Result<()> {
    let all = which == Strays::All;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let number = |prefix| name.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
        let stray = name.ends_with(".tmp")
            || number("snap-")
                .is_some_and(|number| number > slot.snapshot || (all && number < slot.snapshot))
            || number("log-").is_some_and(|number| {
                number > u64::from(last) || (all && number < u64::from(slot.segment))
            })
            || (name == "spare" && variant != Variant::Recycled);
        if stray {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
