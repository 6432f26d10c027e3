//! Snapshots: all pairs of a store at one moment, large values included, as one stream in checked
//! pages. The stream is cut into parts that go to a shelf: a directory, or an object store (feature
//! `s3`); or it is one file. What makes a snapshot valid is its manifest, written last.

mod dir;
mod file;
#[cfg(feature = "s3")]
mod s3;

pub use dir::DirShelf;
#[cfg(feature = "s3")]
pub use s3::S3Shelf;

use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::bytes::{Fields, crc32};
use super::error::{Damage, IoFailure, ReadError, WriteError};
use super::op::Stored;
use super::options::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use super::pages::{PageWriter, join};
use super::store::Store;
use super::values;

const MAGIC: &[u8; 8] = b"UPLUGSNP";
const OWNER: u64 = u64::from_le_bytes(*MAGIC);
const HEADER_BYTES: usize = 24;
/// How much of the stream one part holds.
const PART_BYTES: usize = 8 << 20;
/// How much one transaction of an import holds.
const BATCH_BYTES: usize = 1 << 20;
/// The part that is written last and names the others.
const MANIFEST: &str = "manifest.json";

/// Where parts are put and found again.
pub trait Shelf {
    /// Stores a part whole, or not at all; once this returns it is durable.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), IoFailure>;
    /// The part's bytes.
    fn get(&mut self, name: &str) -> Result<Vec<u8>, IoFailure>;
}

/// Why a snapshot was not exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store could not be read, or the snapshot is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store refused to take the pairs.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An import goes into an empty store, so that what it holds afterwards is the snapshot.
    #[error("the store is not empty; a snapshot is imported into an empty one")]
    NotEmpty,
}

impl From<IoFailure> for SnapshotError {
    fn from(failure: IoFailure) -> Self {
        Self::Read(failure.into())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    keys: u64,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    bytes: u64,
    crc32: u32,
}

impl Store {
    /// Puts a snapshot on a shelf and returns how many keys it holds.
    pub fn export(&self, shelf: &mut dyn Shelf) -> Result<u64, SnapshotError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut buffer: Vec<u8> = Vec::new();
        let mut seal = |bytes: &mut Vec<u8>, shelf: &mut dyn Shelf| {
            let name = format!("part-{:05}", parts.len());
            shelf.put(&name, bytes)?;
            parts.push(Part { name, bytes: bytes.len() as u64, crc32: crc32(&[bytes]) });
            bytes.clear();
            Ok::<(), SnapshotError>(())
        };
        let keys = self.stream(&mut |bytes| {
            buffer.extend_from_slice(bytes);
            if buffer.len() >= PART_BYTES { seal(&mut buffer, shelf) } else { Ok(()) }
        })?;
        if !buffer.is_empty() {
            seal(&mut buffer, shelf)?;
        }
        let manifest = Manifest { format: 1, keys, parts };
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| IoFailure::new("encode", MANIFEST.as_ref(), error.into()))?;
        shelf.put(MANIFEST, &json)?;
        Ok(keys)
    }

    /// Takes all pairs of a snapshot into this store, which must be empty. The snapshot is checked
    /// whole before the first pair is written.
    pub fn import(&self, shelf: &mut dyn Shelf) -> Result<u64, SnapshotError> {
        let json = shelf.get(MANIFEST)?;
        let bad = |part: &str, what: &str| ReadError::from(Damage::new(part, 0, what));
        let manifest: Manifest = serde_json::from_slice(&json)
            .map_err(|error| bad(MANIFEST, &format!("it is no manifest: {error}")))?;
        if manifest.format != 1 {
            return Err(bad(MANIFEST, "a manifest of an unknown format").into());
        }
        let mut stream = Vec::new();
        for part in &manifest.parts {
            // A name leads nowhere but to a part.
            let is_part = part.name.strip_prefix("part-").is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
            if !is_part {
                return Err(bad(MANIFEST, "it names something that is no part").into());
            }
            let bytes = shelf.get(&part.name)?;
            if bytes.len() as u64 != part.bytes || crc32(&[&bytes]) != part.crc32 {
                return Err(bad(&part.name, "it is not what the manifest says").into());
            }
            stream.extend_from_slice(&bytes);
        }
        self.absorb(stream, "the snapshot")
    }

    /// Hands the stream on in pieces.
    fn stream(
        &self,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>,
    ) -> Result<u64, SnapshotError> {
        let contents = self.contents();
        let len = |stored: &Stored| match stored {
            Stored::Inline(value) => value.len() as u64,
            Stored::File(file) => file.len,
        };
        let records = contents.keys.iter().map(|(key, stored)| 10 + key.len() as u64 + len(stored));
        let length = HEADER_BYTES as u64 + records.sum::<u64>();
        let mut writer = PageWriter::new(OWNER, sink);
        writer.write(MAGIC)?;
        writer.write(&length.to_le_bytes())?;
        writer.write(&(contents.keys.len() as u64).to_le_bytes())?;
        for (key, stored) in &contents.keys {
            writer.write(&(key.len() as u16).to_le_bytes())?;
            writer.write(&len(stored).to_le_bytes())?;
            writer.write(key)?;
            match stored {
                Stored::Inline(value) => writer.write(value)?,
                Stored::File(file) => {
                    let read = values::read(&self.disk.dir, *file)?;
                    writer.write(&read.ok_or_else(|| ReadError::from(values::missing(*file)))?)?;
                }
            }
        }
        writer.finish()?;
        Ok(contents.keys.len() as u64)
    }

    fn absorb(&self, pages: Vec<u8>, name: &str) -> Result<u64, SnapshotError> {
        if !self.contents().keys.is_empty() {
            return Err(SnapshotError::NotEmpty);
        }
        let damaged = |at, what| ReadError::from(Damage::new(name, at, what));
        let stream = join(pages, OWNER).map_err(|(at, what)| damaged(at, what))?;
        let pairs = parse(&stream)
            .ok_or_else(|| damaged(0, "its pages check out but their contents make no sense"))?;
        let mut batch = Batch::default();
        let mut bytes = 0;
        for (key, value) in &pairs {
            batch.put(key, value);
            bytes += key.len() + value.len();
            if bytes >= BATCH_BYTES {
                self.apply(&std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        if bytes > 0 {
            self.apply(&batch)?;
        }
        self.sync()?;
        Ok(pairs.len() as u64)
    }
}

fn parse(stream: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut fields = Fields::new(stream);
    if fields.take(MAGIC.len())? != MAGIC {
        return None;
    }
    let length = usize::try_from(fields.u64()?).ok()?;
    let (body, padding) = stream.split_at_checked(length)?;
    let mut fields = Fields::new(body.get(16..)?);
    let count = fields.u64()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let key_len = usize::from(fields.u16()?);
        let value_len = usize::try_from(fields.u64()?).ok()?;
        if key_len == 0 || key_len > MAX_KEY_BYTES || value_len > MAX_VALUE_BYTES {
            return None;
        }
        pairs.push((fields.take(key_len)?, fields.take(value_len)?));
    }
    let ends = fields.rest().is_empty() && padding.iter().all(|&byte| byte == 0);
    ends.then_some(pairs)
}

#[cfg(test)]
mod tests;
