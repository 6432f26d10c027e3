//! A stream of bytes cut into pages of 4 KiB, each with its own CRC, number and owner, so that
//! damage is found where it is and no page passes for another. Knows nothing of what it carries.
//!
//! ```text
//!  0  crc u32 (of the rest of the page) | number u32 | owner u64 | 4080 bytes of the stream
//! ```
//!
//! The last page is filled up with zeros. How long the stream is, the stream itself must say.

use super::bytes::{Fields, crc32};

/// Length of a page.
pub(crate) const PAGE_BYTES: usize = 4096;
const HEADER_BYTES: usize = 16;
/// Bytes of the stream in one page.
pub(crate) const DATA_BYTES: usize = PAGE_BYTES - HEADER_BYTES;
/// How many bytes are handed on at once.
const FLUSH_BYTES: usize = 256 * PAGE_BYTES;

/// Cuts what is written into pages and hands them on in large pieces.
pub(crate) struct PageWriter<'a, E> {
    owner: u64,
    number: u32,
    pages: Vec<u8>,
    used: usize,
    sink: &'a mut dyn FnMut(&[u8]) -> Result<(), E>,
}

impl<'a, E> PageWriter<'a, E> {
    pub(crate) fn new(owner: u64, sink: &'a mut dyn FnMut(&[u8]) -> Result<(), E>) -> Self {
        Self { owner, number: 0, pages: Vec::new(), used: DATA_BYTES, sink }
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.used == DATA_BYTES {
                self.seal();
                if self.pages.len() >= FLUSH_BYTES {
                    (self.sink)(&self.pages)?;
                    self.pages.clear();
                }
                self.pages.extend_from_slice(&[0; HEADER_BYTES]);
                self.used = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(DATA_BYTES - self.used));
            self.pages.extend_from_slice(now);
            self.used += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Fills the last page up and hands it on.
    pub(crate) fn finish(mut self) -> Result<(), E> {
        self.pages.resize(self.pages.len().next_multiple_of(PAGE_BYTES), 0);
        self.seal();
        (self.sink)(&self.pages)
    }

    /// Completes the header of the page that was just filled, if any.
    fn seal(&mut self) {
        let Some(start) = self.pages.len().checked_sub(PAGE_BYTES) else { return };
        let page = &mut self.pages[start..];
        page[4..8].copy_from_slice(&self.number.to_le_bytes());
        page[8..16].copy_from_slice(&self.owner.to_le_bytes());
        let crc = crc32(&[&page[4..]]);
        page[..4].copy_from_slice(&crc.to_le_bytes());
        self.number = self.number.wrapping_add(1);
    }
}

/// Puts the stream together again, in place; or says at which byte of the file a page is bad.
pub(crate) fn join(mut bytes: Vec<u8>, owner: u64) -> Result<Vec<u8>, (u64, &'static str)> {
    let pages = bytes.len() / PAGE_BYTES;
    for number in 0..pages {
        let start = number * PAGE_BYTES;
        check(&bytes[start..start + PAGE_BYTES], number, owner)
            .map_err(|what| (start as u64, what))?;
        bytes.copy_within(start + HEADER_BYTES..start + PAGE_BYTES, number * DATA_BYTES);
    }
    if !bytes.len().is_multiple_of(PAGE_BYTES) {
        return Err(((pages * PAGE_BYTES) as u64, "the file ends inside a page"));
    }
    bytes.truncate(pages * DATA_BYTES);
    Ok(bytes)
}

fn check(page: &[u8], number: usize, owner: u64) -> Result<(), &'static str> {
    let mut fields = Fields::new(page);
    if fields.u32() != Some(crc32(&[&page[4..]])) {
        return Err("a page does not match its CRC");
    }
    if fields.u32() != u32::try_from(number).ok() || fields.u64() != Some(owner) {
        return Err("a page belongs elsewhere");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paged(owner: u64, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut sink = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            Ok::<(), ()>(())
        };
        let mut writer = PageWriter::new(owner, &mut sink);
        pieces.iter().for_each(|piece| writer.write(piece).unwrap());
        writer.finish().unwrap();
        file
    }

    #[test]
    fn every_changed_byte_and_every_moved_page_is_caught() {
        let file = paged(7, &[vec![5; 3 * DATA_BYTES + 1]]);
        assert_eq!(file.len(), 4 * PAGE_BYTES);
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x40;
            let (offset, _) = join(bad, 7).unwrap_err();
            assert_eq!(offset as usize, at / PAGE_BYTES * PAGE_BYTES);
        }
        let mut swapped = file.clone();
        swapped.copy_within(0..PAGE_BYTES, PAGE_BYTES);
        assert_eq!(join(swapped, 7).unwrap_err().0, PAGE_BYTES as u64);
        assert!(join(file.clone(), 8).is_err() && join(file, 7).is_ok());
    }

    proptest! {
        #[test]
        fn a_stream_reads_back_with_zeros_at_its_end(
            pieces in proptest::collection::vec(
                (any::<u8>(), 0usize..9000).prop_map(|(byte, len)| vec![byte; len]), 0..6),
        ) {
            let stream = join(paged(1, &pieces), 1).unwrap();
            let whole = pieces.concat();
            prop_assert_eq!(&stream[..whole.len()], &whole[..]);
            prop_assert!(stream[whole.len()..].iter().all(|&byte| byte == 0));
            prop_assert!(stream.len() < whole.len() + DATA_BYTES + 1);
        }
    }

    #[test]
    fn the_stream_is_the_same_beyond_one_flush() {
        let whole: Vec<u8> = (0..FLUSH_BYTES + 77).map(|at| (at / 7) as u8).collect();
        let stream = join(paged(1, std::slice::from_ref(&whole)), 1).unwrap();
        assert!(stream[..whole.len()] == whole[..]);
    }
}
