//! The head: which snapshot and which log segment the store begins with. Two slots in pages of their
//! own, each with its checksum, written in turn; the newest that checks out counts. In variants it is
//! a shared mapping, or a file that is replaced by rename.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::sys::mman::{MapFlags, MsFlags, ProtFlags, mmap, msync, munmap};

use super::flaw::{Flaw, Variant};

const MAGIC: u32 = 0x4441_4548;
/// Distance of the slots in bytes: a page, so that writing one never touches the other.
const SLOT: usize = 4096;
/// Bytes of a slot in use.
const USED: usize = 48;
const FILE: usize = 2 * SLOT;
const FILE_SHARED: usize = 3 * SLOT;

/// What a slot says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Grows by one with each slot written.
    pub generation: u64,
    /// The snapshot's number; 0 for none.
    pub snapshot: u64,
    /// The first log segment.
    pub segment: u32,
    /// What the snapshot holds: every frame up to this number.
    pub base: u64,
    /// The store was closed cleanly when the log ended at this frame.
    pub sealed: Option<u64>,
}

impl Slot {
    fn encode(&self) -> [u8; USED] {
        let mut out = Vec::with_capacity(USED);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.snapshot.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.sealed.map_or(0, |sealed| sealed + 1).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        let mut bytes = [0; USED];
        bytes.copy_from_slice(&out);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Slot> {
        let bytes = bytes.get(..USED)?;
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if word(0)? != MAGIC || crc32fast::hash(&bytes[..USED - 4]) != word(USED - 4)? {
            return None;
        }
        Some(Slot {
            generation: long(8)?,
            snapshot: long(16)?,
            segment: word(4)?,
            base: long(24)?,
            sealed: long(32)?.checked_sub(1),
        })
    }
}

/// The open head.
#[derive(Debug)]
pub struct Head {
    file: File,
    map: Option<Map>,
    slot: Slot,
    variant: Variant,
    flaw: Option<Flaw>,
}

impl Head {
    /// What the head in `dir` says; nothing if there is none, an error text if it is damaged.
    pub fn open(
        dir: &Path,
        variant: Variant,
        flaw: Option<Flaw>,
    ) -> io::Result<Option<Result<Head, String>>> {
        let path = dir.join("head");
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let slot = if flaw == Some(Flaw::SharedHeader) {
            read_shared(&bytes)
        } else {
            let slots = bytes.chunks(SLOT).filter_map(Slot::decode);
            slots.max_by_key(|slot| slot.generation)
        };
        let Some(slot) = slot else {
            return Ok(Some(Err("no slot of the head checks out".into())));
        };
        let file = File::options().read(true).write(true).open(&path)?;
        let map = if variant == Variant::Mapped { Some(Map::new(&file)?) } else { None };
        Ok(Some(Ok(Head { file, map, slot, variant, flaw })))
    }

    /// Writes the first head of a new store, whole, beside; then gives it its name.
    pub fn create(
        dir: &Path,
        slot: Slot,
        variant: Variant,
        flaw: Option<Flaw>,
    ) -> io::Result<Head> {
        let beside = dir.join("head.tmp");
        let file = File::create(&beside)?;
        let mut head = Head { file, map: None, slot, variant, flaw };
        if flaw == Some(Flaw::SharedHeader) {
            head.file.write_all_at(&vec![0; FILE_SHARED], 0)?;
            head.write_shared(&slot)?;
        } else {
            head.file.write_all_at(&vec![0; FILE], 0)?;
            head.file.write_all_at(&slot.encode(), offset(&slot))?;
        }
        head.file.sync_all()?;
        std::fs::rename(&beside, dir.join("head"))?;
        head.file = File::options().read(true).write(true).open(dir.join("head"))?;
        head.map = if variant == Variant::Mapped { Some(Map::new(&head.file)?) } else { None };
        Ok(head)
    }

    /// What it says.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The file, for whoever takes it for another.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Says something new, durably.
    pub fn write(&mut self, dir: &Path, slot: Slot) -> io::Result<()> {
        let slot = Slot { generation: self.slot.generation + 1, ..slot };
        if self.variant == Variant::Renamed {
            let beside = dir.join("head.tmp");
            let file = File::create(&beside)?;
            file.write_all_at(&slot.encode(), 0)?;
            if self.flaw != Some(Flaw::RenameOverUnsynced) {
                file.sync_all()?;
            }
            std::fs::rename(&beside, dir.join("head"))?;
            File::open(dir)?.sync_all()?;
            self.file = file;
        } else if let Some(map) = &mut self.map {
            map.write(offset(&slot) as usize, &slot.encode());
            if self.flaw != Some(Flaw::MsyncMissing) {
                map.sync()?;
            }
        } else if self.flaw == Some(Flaw::SharedHeader) {
            self.write_shared(&slot)?;
            self.file.sync_data()?;
        } else {
            self.file.write_all_at(&slot.encode(), offset(&slot))?;
            if self.flaw != Some(Flaw::LogRemovedEarly) {
                self.file.sync_data()?;
            }
        }
        self.slot = slot;
        Ok(())
    }

    /// The flawed layout: page 0 says which slot counts, and its checksum.
    fn write_shared(&self, slot: &Slot) -> io::Result<()> {
        let bytes = slot.encode();
        self.file.write_all_at(&bytes, SLOT as u64 + offset(slot))?;
        let mut header = [0; 8];
        header[..4].copy_from_slice(&((slot.generation % 2) as u32).to_le_bytes());
        header[4..].copy_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        self.file.write_all_at(&header, 0)
    }
}

fn read_shared(bytes: &[u8]) -> Option<Slot> {
    let which = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    let slot = bytes.get(SLOT * (1 + which % 2)..)?.get(..USED)?;
    if crc32fast::hash(slot) == sum { Slot::decode(slot) } else { None }
}

fn offset(slot: &Slot) -> u64 {
    (slot.generation % 2) * SLOT as u64
}

/// A shared mapping of the head.
#[derive(Debug)]
struct Map {
    at: std::ptr::NonNull<std::ffi::c_void>,
}

// SAFETY: the mapping belongs to its owner alone, who is behind a lock.
unsafe impl Send for Map {}
// SAFETY: shared references only read nothing of it.
unsafe impl Sync for Map {}

impl Map {
    fn new(file: &File) -> io::Result<Map> {
        let len = std::num::NonZero::new(FILE).ok_or(io::ErrorKind::InvalidInput)?;
        if file.metadata()?.len() < FILE as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: a fresh mapping of a file that is at least as long; nobody shortens it.
        let at = unsafe {
            mmap(
                None,
                len,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                file,
                0,
            )?
        };
        Ok(Map { at })
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= FILE);
        // SAFETY: the range lies inside the mapping, which lives as long as `self`.
        unsafe {
            let to = self.at.as_ptr().cast::<u8>().add(offset);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    fn sync(&self) -> io::Result<()> {
        // SAFETY: the whole mapping.
        unsafe { msync(self.at, FILE, MsFlags::MS_SYNC)? };
        Ok(())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length and unmapped once.
        let _ = unsafe { munmap(self.at, FILE) };
    }
}
