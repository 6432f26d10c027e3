//! One mapped file as it was last seen, and what differs from that now.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::Store;
use crate::base::holes::data_after;
use crate::base::limits::PAGE_BYTES;
use crate::trace::FileId;

/// The unit in which a file is read and compared first.
const CHUNK_BYTES: u64 = 64 * PAGE_BYTES;
/// Files with more bytes than this are compared only where it decides what is durable or promised:
/// their states in between are not known.
const LARGE_BYTES: u64 = 32 << 20;

/// One file with a live mapping.
#[derive(Debug)]
pub(super) struct Shadow {
    file: File,
    ino: u64,
    size: u64,
    /// What is known of it, by chunk; a chunk that is missing is all zeros.
    chunks: BTreeMap<u64, Vec<u8>>,
}

impl Shadow {
    /// The bytes of this moment are known.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let data = file.metadata()?;
        let mut shadow =
            Shadow { file, ino: data.ino(), size: data.len(), chunks: BTreeMap::new() };
        shadow.chunks = shadow.read()?.into_iter().collect();
        Ok(shadow)
    }

    /// Its inode number.
    pub(super) fn ino(&self) -> u64 {
        self.ino
    }

    /// All that is known of it: where, and the bytes.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        self.chunks.iter().map(|(chunk, bytes)| {
            let offset = chunk * CHUNK_BYTES;
            let len = self.size.saturating_sub(offset).min(CHUNK_BYTES) as usize;
            (offset, bytes.get(..len).unwrap_or(bytes).to_vec())
        })
    }

    /// Its size was set.
    pub(super) fn resize(&mut self, from: u64, to: u64) {
        self.zero(to, from.saturating_sub(to));
        self.size = to;
    }

    /// What of it is no hole.
    pub(super) fn data_bytes(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK_BYTES
    }

    /// True if it is compared only where it decides something.
    pub(super) fn is_large(&self) -> bool {
        self.data_bytes() > LARGE_BYTES
    }

    /// The chunks that hold data now, whole, in order.
    fn read(&self) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut chunks = Vec::new();
        let mut from = 0;
        let mut last = None;
        while let Some((start, end)) = data_after(&self.file, from, self.size) {
            for chunk in start / CHUNK_BYTES..end.div_ceil(CHUNK_BYTES) {
                if last != Some(chunk) {
                    chunks.push((chunk, self.read_chunk(chunk)?));
                    last = Some(chunk);
                }
            }
            from = end;
        }
        Ok(chunks)
    }

    fn read_chunk(&self, chunk: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CHUNK_BYTES as usize];
        let at = chunk * CHUNK_BYTES;
        let end = self.size.saturating_sub(at).min(CHUNK_BYTES) as usize;
        let mut filled = 0;
        while filled < end {
            match self.file.read_at(&mut bytes[filled..end], at + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(bytes)
    }

    /// What was stored since the last comparison.
    pub(super) fn compare(&mut self, id: FileId, stores: &mut Vec<Store>) -> io::Result<()> {
        for (chunk, now) in self.read()? {
            let known = self.chunks.entry(chunk).or_insert_with(|| vec![0; now.len()]);
            if *known != now {
                differences(id, chunk * CHUNK_BYTES, known, &now, stores);
                *known = now;
            }
        }
        Ok(())
    }

    /// Bytes were written.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (chunk, inside) = (at / CHUNK_BYTES, (at % CHUNK_BYTES) as usize);
            let known = self.chunks.entry(chunk).or_insert_with(|| vec![0; CHUNK_BYTES as usize]);
            let count = (known.len() - inside).min(bytes.len() - done);
            known[inside..inside + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    /// Bytes became zeros.
    pub(super) fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        for (chunk, known) in &mut self.chunks {
            let at = chunk * CHUNK_BYTES;
            let from = offset.clamp(at, at + CHUNK_BYTES) - at;
            let to = end.clamp(at, at + CHUNK_BYTES) - at;
            known[from as usize..to as usize].fill(0);
        }
    }
}

/// The stores between two pictures of one chunk: neighbouring changed pages are one store.
fn differences(file: FileId, at: u64, before: &[u8], now: &[u8], stores: &mut Vec<Store>) {
    const PAGE: usize = PAGE_BYTES as usize;
    let mut open = false;
    for (page, (old, new)) in before.chunks(PAGE).zip(now.chunks(PAGE)).enumerate() {
        let Some(first) = old.iter().zip(new).position(|(a, b)| a != b) else {
            open = false;
            continue;
        };
        let last = old.iter().zip(new).rposition(|(a, b)| a != b).unwrap_or(first);
        let start = at + (page * PAGE) as u64;
        match stores.last_mut() {
            // The rest of the page before is unchanged: what stands there joins the two.
            Some(store) if open && store.file == file => {
                let have = (store.offset + store.bytes.len() as u64 - at) as usize;
                store.bytes.extend_from_slice(&now[have..page * PAGE + last + 1]);
            }
            _ => stores.push(Store {
                file,
                offset: start + first as u64,
                bytes: new[first..=last].to_vec(),
            }),
        }
        open = true;
    }
}
