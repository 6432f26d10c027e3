//! The file `MARK`: the lock against a second opener, and a witness that stands outside the log.
//!
//! Two slots of 512 bytes, written in turn, each saying "the log was durable up to here, names and
//! all". That stays true for ever, so a slot needs no sync to be believed; it is synced at a clean
//! close so that it is there when a truncated log must be told from a short one. A slot is smaller
//! than a sector and only ever one of the two is being written, so a crash leaves the other.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::bytes::{Fields, crc32};
use super::counters::Totals;
use super::error::{IoFailure, OpenError};
use super::fs::{self, Dir};
use super::names;

const SLOT_BYTES: usize = 512;
const USED_BYTES: usize = 96;
const MAGIC: u32 = u32::from_le_bytes(*b"UPMK");
const VERSION: u32 = 1;

/// What a slot says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The greater is the newer.
    pub(crate) sequence: u64,
    /// The log was durable up to this position.
    pub(crate) durable_to: u64,
    /// Counters over the store's life, as of this slot.
    pub(crate) totals: Totals,
}

/// The open mark; the lock is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    slot: Option<Slot>,
    /// A slot holds something that is neither empty nor valid.
    pub(crate) is_damaged: bool,
    /// Nothing was ever written here: it is written as soon as the first segment is durable.
    pub(crate) is_unborn: bool,
    /// A slot was written and not synced.
    is_unsynced: bool,
}

impl Mark {
    /// Takes the lock, creating the file where it is missing, and reads the newer valid slot.
    pub(crate) fn lock(dir: &Dir) -> Result<Self, OpenError> {
        let file = dir.open_or_create(names::MARK)?;
        Self::hold(file, dir)
    }

    /// The same for a store that must be there and is only looked at: nothing is created.
    pub(crate) fn lock_existing(dir: &Dir) -> Result<Self, OpenError> {
        let file = dir.open_read(names::MARK)?;
        Self::hold(file, dir)
    }

    fn hold(file: File, dir: &Dir) -> Result<Self, OpenError> {
        let path = dir.file(names::MARK);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked(dir.path().to_path_buf()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(IoFailure::new("lock", &path, error).into());
            }
        }
        let bytes = fs::read_start(&file, &path, 2 * SLOT_BYTES)?;
        let (slot, is_damaged) = newest(&bytes);
        Ok(Self { file, slot, is_damaged, is_unborn: bytes.is_empty(), is_unsynced: false })
    }

    /// What the newest slot says; `None` if no store was ever made here, or nothing is left of it.
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// Writes the next slot. Not synced: the claim is true already.
    pub(crate) fn write(
        &mut self,
        dir: &Dir,
        durable_to: u64,
        totals: Totals,
    ) -> Result<(), IoFailure> {
        let sequence = self.slot.map_or(1, |slot| slot.sequence.wrapping_add(1));
        let slot = Slot { sequence, durable_to, totals };
        let offset = sequence % 2 * SLOT_BYTES as u64;
        fs::write_at(&self.file, &dir.file(names::MARK), &encode(&slot), offset)?;
        (self.slot, self.is_unborn, self.is_unsynced) = (Some(slot), false, true);
        Ok(())
    }

    /// Makes the slots durable.
    pub(crate) fn sync(&mut self, path: &Path) -> Result<(), IoFailure> {
        if self.is_unsynced {
            fs::sync_data(&self.file, path)?;
            self.is_unsynced = false;
        }
        Ok(())
    }
}

fn encode(slot: &Slot) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
    let totals = slot.totals.to_array();
    let words = [slot.sequence, slot.durable_to].into_iter().chain(totals);
    for (at, word) in words.enumerate() {
        bytes[8 + at * 8..16 + at * 8].copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc32(&[&bytes[..USED_BYTES]]);
    bytes[USED_BYTES..USED_BYTES + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Slot> {
    let (covered, rest) = bytes.split_at_checked(USED_BYTES)?;
    let crc = Fields::new(rest).u32()?;
    let mut fields = Fields::new(covered);
    let known = fields.u32()? == MAGIC && fields.u32()? == VERSION;
    if !known || crc32(&[covered]) != crc {
        return None;
    }
    let (sequence, durable_to) = (fields.u64()?, fields.u64()?);
    let mut totals = [0; Totals::COUNT];
    for total in &mut totals {
        *total = fields.u64()?;
    }
    Some(Slot { sequence, durable_to, totals: Totals::from_array(totals) })
}

/// The newer valid slot, and whether anything in the file is neither valid nor empty.
fn newest(bytes: &[u8]) -> (Option<Slot>, bool) {
    let mut is_damaged = false;
    let mut best: Option<Slot> = None;
    for (index, raw) in bytes.chunks(SLOT_BYTES).enumerate() {
        match decode(raw).filter(|slot| slot.sequence % 2 == index as u64) {
            Some(slot) if best.is_none_or(|best| best.sequence < slot.sequence) => {
                best = Some(slot)
            }
            Some(_) => {}
            None => is_damaged |= raw.iter().any(|&byte| byte != 0),
        }
    }
    (best, is_damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(sequence: u64) -> Slot {
        let totals = Totals::from_array(std::array::from_fn(|at| sequence + at as u64));
        Slot { sequence, durable_to: 1000 + sequence, totals }
    }

    fn file(slots: [Option<Slot>; 2]) -> Vec<u8> {
        slots.iter().flat_map(|slot| slot.map_or([0; SLOT_BYTES], |slot| encode(&slot))).collect()
    }

    #[test]
    fn the_newer_valid_slot_is_believed() {
        assert_eq!(newest(&file([Some(slot(4)), Some(slot(3))])), (Some(slot(4)), false));
        assert_eq!(newest(&file([Some(slot(4)), Some(slot(5))])), (Some(slot(5)), false));
        assert_eq!(newest(&file([None, Some(slot(1))])), (Some(slot(1)), false));
        assert_eq!(newest(&[]), (None, false));
        assert_eq!(newest(&[0; 700]), (None, false));
    }

    #[test]
    fn every_flipped_bit_of_the_newer_slot_leaves_the_older_one_and_is_noticed() {
        let bytes = file([Some(slot(4)), Some(slot(3))]);
        for bit in 0..(USED_BYTES + 4) * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(newest(&bad), (Some(slot(3)), true), "bit {bit}");
        }
    }

    #[test]
    fn a_slot_in_the_others_place_is_not_believed() {
        assert_eq!(newest(&file([Some(slot(3)), None])), (None, true));
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::create(place.path()).unwrap();
        let mut first = Mark::lock(&dir).unwrap();
        assert!(matches!(Mark::lock(&dir), Err(OpenError::Locked(_))));
        assert_eq!(first.slot(), None);
        first.write(&dir, 55, Totals::default()).unwrap();
        first.write(&dir, 66, Totals::default()).unwrap();
        drop(first);
        assert_eq!(Mark::lock(&dir).unwrap().slot().map(|slot| slot.durable_to), Some(66));
    }
}
