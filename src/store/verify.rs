//! Checks a store that is not open, every byte of it, and says exactly where damage is. Changes
//! nothing.

use std::path::Path;

use super::checkpoint;
use super::error::{Damage, OpenError, ReadError};
use super::fs::{self, Dir};
use super::mark::Mark;
use super::names::{self, Listing};
use super::recover::{load, replay, witness};
use super::report::Notice;
use super::segment::{Frames, Header};
use super::values;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Damage, where it is.
    pub damage: Vec<Damage>,
    /// What the next `open` would drop, pass over or remove; a crash leaves such things.
    pub notices: Vec<Notice>,
    /// Segments, checkpoints and value files that were read.
    pub files: u64,
    /// Frames that check out.
    pub frames: u64,
    /// Keys that the store would hold.
    pub keys: u64,
}

/// Reads everything and checks it.
pub fn verify(path: &Path) -> Result<Verified, OpenError> {
    let dir = Dir::open(path)?;
    let mark = Mark::lock_existing(&dir)?;
    let listing = Listing::new(dir.names()?);
    let mut found = Verified::default();
    if mark.is_damaged {
        found.notices.push(Notice::MarkDamaged);
    }
    for &position in &listing.checkpoints {
        let name = names::checkpoint(position);
        let bytes = fs::read_all(&dir.open_read(&name)?, &dir.file(&name))?;
        found.files += 1;
        if let Err(damage) = checkpoint::decode(bytes, position) {
            found.damage.push(damage);
        }
    }
    let mut end = None;
    for &base in &listing.segments {
        end = segment(&dir, base, end, &mut found)?;
    }
    if !(listing.is_bare() && mark.is_unborn) {
        contents(&dir, &mark, &listing, &mut found)?;
    }
    Ok(found)
}

/// Walks one segment by itself; returns where it ends, and its last frame's CRC.
fn segment(
    dir: &Dir,
    base: u64,
    before: Option<(u64, u32)>,
    found: &mut Verified,
) -> Result<Option<(u64, u32)>, OpenError> {
    let name = names::segment(base);
    let bytes = fs::read_all(&dir.open_read(&name)?, &dir.file(&name))?;
    found.files += 1;
    let header = match Header::decode(&bytes, base) {
        Ok(header) => header,
        Err(what) => {
            found.damage.push(Damage::new(name, 0, what));
            return Ok(None);
        }
    };
    if before.is_some_and(|(end, chain)| (end, chain) != (base, header.chain)) {
        found.damage.push(Damage::new(&*name, 0, "it does not follow the segment before it"));
    }
    let mut frames = Frames::new(&bytes, &header);
    while let Some(frame) = frames.next_frame() {
        if let Err(bad) = frame {
            let offset = frames.offset(frames.position) as u64;
            let what = format!("{} ({} bytes follow)", bad.reason(), frames.rest().len());
            found.damage.push(Damage::new(name, offset, what));
            break;
        }
        found.frames += 1;
    }
    Ok(Some((frames.position, frames.chain)))
}

/// What `open` would make of it, and whether every large value reads back.
fn contents(
    dir: &Dir,
    mark: &Mark,
    listing: &Listing,
    found: &mut Verified,
) -> Result<(), OpenError> {
    let opened = load::load(dir, listing, &mut found.notices)
        .and_then(|loaded| replay::replay(dir, listing, loaded, &witness(mark, listing)));
    let replayed = match opened {
        Ok(replayed) => replayed,
        Err(OpenError::Damaged(damage)) => {
            found.damage.push(damage);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // A tail that `open` would drop was counted above as a frame that does not check out; what it
    // is was decided here.
    for notice in &replayed.notices {
        if let Notice::TailDropped { file, offset, .. } = notice {
            found.damage.retain(|damage| (&damage.file, damage.offset) != (file, *offset));
        }
    }
    if let Some(damage) = replayed.damage {
        found.damage.retain(|known| (&known.file, known.offset) != (&damage.file, damage.offset));
        found.damage.push(damage);
    }
    found.notices.extend(replayed.notices);
    found.keys = replayed.table.keys.len() as u64;
    for file in replayed.table.live_files() {
        found.files += 1;
        match values::read(dir, file) {
            Ok(Some(_)) => {}
            Ok(None) => found.damage.push(values::missing(file)),
            Err(ReadError::Damaged(damage)) => found.damage.push(damage),
            Err(ReadError::Io(failure)) => return Err(failure.into()),
            Err(ReadError::Compacted { .. }) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Store};
    use super::*;

    fn store() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 2000, ..Options::default() };
        let (store, _) = Store::open(place.path(), options).unwrap();
        for n in 0..40u8 {
            store.put(&[n], &[n; 90]).unwrap();
            if n % 15 == 7 {
                store.checkpoint().unwrap();
            }
        }
        store.put(b"large", &[1; 70_000]).unwrap();
        store.close().unwrap();
        place
    }

    #[test]
    fn a_sound_store_verifies_and_is_not_changed() {
        let place = store();
        let found = verify(place.path()).unwrap();
        assert_eq!((found.damage, found.notices, found.keys), (vec![], vec![], 41));
        assert!(found.frames > 15 && found.files > 5);
    }

    #[test]
    fn damage_in_any_file_is_found_and_named() {
        let place = store();
        for entry in std::fs::read_dir(place.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            let whole = std::fs::read(&path).unwrap();
            if name == names::MARK {
                continue;
            }
            for at in [0, whole.len() / 2, whole.len() - 1] {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x10;
                std::fs::write(&path, bytes).unwrap();
                let found = verify(place.path()).unwrap();
                let named = found.damage.iter().any(|damage| damage.file == name);
                assert!(named, "{name} byte {at}: {found:?}");
            }
            std::fs::write(&path, whole).unwrap();
        }
        assert_eq!(verify(place.path()).unwrap().damage, []);
    }
}
