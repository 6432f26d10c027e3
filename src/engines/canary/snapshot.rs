//! Snapshots: every pair at one moment, in a file of its own with one checksum over all of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::flaw::Flaw;

const MAGIC: u32 = 0x5041_4e53;

/// What the store holds.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Where the snapshot of this number lies.
pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("snap-{number:08}"))
}

/// Writes it beside, syncs it and gives it its name. The directory is not synced yet.
pub fn write(dir: &Path, number: u64, pairs: &Pairs, flaw: Option<Flaw>) -> io::Result<File> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value);
    }
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    let beside = dir.join("snap.tmp");
    let mut file = File::create(&beside)?;
    file.write_all(&out)?;
    if !matches!(flaw, Some(Flaw::RenameNewUnsynced | Flaw::LogRemovedEarly)) {
        file.sync_all()?;
    }
    std::fs::rename(&beside, path(dir, number))?;
    Ok(file)
}

/// Reads it back; nothing if it does not check out.
pub fn read(dir: &Path, number: u64) -> io::Result<Option<Pairs>> {
    match std::fs::read(path(dir, number)) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(bytes: &[u8]) -> Option<Pairs> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc32fast::hash(body) != u32::from_le_bytes(sum.try_into().ok()?) {
        return None;
    }
    let mut rest = body.get(12..)?;
    let mut take = |len: usize| {
        let (head, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some(head)
    };
    let mut pairs = Pairs::new();
    for _ in 0..u64::from_le_bytes(body.get(4..12)?.try_into().ok()?) {
        let key_len = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
        let value_len = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
        let key = take(key_len)?.to_vec();
        pairs.insert(key, take(value_len)?.to_vec());
    }
    Some(pairs)
}
