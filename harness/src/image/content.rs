//! A regular file's bytes: a size and sparse copy-on-write pages, with a hash kept up to date at
//! every edit. A gigabyte of zeros costs nothing.

use super::page::{PAGE, Page, mix};
use super::radix::Radix;
use crate::base::limits::PAGE_BYTES;

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub struct Content {
    size: u64,
    pages: Radix<Page>,
    /// The sum of the pages' shares.
    sum: u128,
    /// How many pages are not zero.
    count: u64,
}

impl Content {
    /// These bytes.
    pub fn of(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages are not all zero: what the file costs.
    pub fn pages_used(&self) -> u64 {
        self.count
    }

    /// The hash of size and bytes.
    pub fn hash(&self) -> u128 {
        mix(self.sum, self.size)
    }

    /// Page `no`; nothing where it is all zero or absent.
    pub fn page(&self, no: u64) -> Option<&Page> {
        self.pages.get(no)
    }

    /// The numbers of the pages that are not zero, from `from` on.
    pub fn next_page(&self, from: u64) -> Option<u64> {
        self.pages.first_from(from)
    }

    /// Puts a page in its place, whatever the size; [`Content::clip`] comes after the last one.
    pub fn set_page(&mut self, no: u64, page: Option<Page>) {
        let old = match page {
            Some(page) => {
                self.sum = self.sum.wrapping_add(page.share(no));
                self.count += 1;
                self.pages.set(no, page)
            }
            None => self.pages.remove(no),
        };
        if let Some(old) = old {
            self.sum = self.sum.wrapping_sub(old.share(no));
            self.count -= 1;
        }
    }

    /// Sets the size and discards every byte beyond it.
    pub fn clip(&mut self, size: u64) {
        self.size = size;
        let mut from = size / PAGE_BYTES;
        let kept = (size % PAGE_BYTES) as usize;
        if kept > 0 {
            if let Some(page) = self.pages.get(from)
                && page.bytes()[kept..] != Page::bytes_of(None)[kept..]
            {
                let shorter = Page::padded(&page.bytes()[..kept]);
                self.set_page(from, shorter);
            }
            from += 1;
        }
        while let Some(no) = self.pages.first_from(from) {
            self.set_page(no, None);
            from = no;
        }
    }

    /// Makes the file longer (by zeros) or shorter.
    pub fn resize(&mut self, size: u64) {
        if size < self.size { self.clip(size) } else { self.size = size }
    }

    /// Sets the size and keeps what lies beyond it, as the pages of [`Content::set_page`] do.
    pub(super) fn resize_raw(&mut self, size: u64) {
        self.size = size;
    }

    /// Writes bytes, making the file longer where they reach beyond its end. What would lie beyond
    /// the greatest file offset is not written.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let room = (i64::MAX as u64).saturating_sub(offset).min(bytes.len() as u64) as usize;
        let bytes = &bytes[..room];
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (no, within) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let part = &bytes[done..bytes.len().min(done + PAGE - within)];
            let mut page = *Page::bytes_of(self.page(no));
            page[within..within + part.len()].copy_from_slice(part);
            self.set_page(no, Page::new(page));
            done += part.len();
        }
        if !bytes.is_empty() {
            self.size = self.size.max(offset + bytes.len() as u64);
        }
    }

    /// Overwrites a range with zeros; the size stays.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len).min(self.size);
        let mut from = offset / PAGE_BYTES;
        while let Some(no) = self.pages.first_from(from).filter(|no| no * PAGE_BYTES < end) {
            let start = offset.max(no * PAGE_BYTES) - no * PAGE_BYTES;
            let stop = end.min((no + 1) * PAGE_BYTES) - no * PAGE_BYTES;
            if start < stop {
                let mut page = *Page::bytes_of(self.page(no));
                page[start as usize..stop as usize].fill(0);
                self.set_page(no, Page::new(page));
            }
            from = no + 1;
        }
    }

    /// Up to `len` bytes from `offset` on: fewer at the end of the file.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let len = self.size.saturating_sub(offset).min(len as u64) as usize;
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset + bytes.len() as u64;
            let within = (at % PAGE_BYTES) as usize;
            let page = Page::bytes_of(self.page(at / PAGE_BYTES));
            bytes.extend_from_slice(&page[within..PAGE.min(within + len - bytes.len())]);
        }
        bytes
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        self.read(0, usize::MAX)
    }

    /// Calls `visit` with every page in which `self` and `new` differ, in order: its number and its
    /// new bytes (nothing: zeros). What the two share is not looked at. Sizes are not compared.
    pub fn differences<'a>(
        &'a self,
        new: &'a Content,
        visit: &mut dyn FnMut(u64, Option<&'a Page>),
    ) {
        self.pages.differences(&new.pages, &|a, b| a == b, &mut |no, _, page| visit(no, page));
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        if self.size != other.size || self.sum != other.sum {
            return false;
        }
        let mut same = true;
        self.differences(other, &mut |_, _| same = false);
        same
    }
}

impl Eq for Content {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sparse_gigabyte_costs_nothing_and_the_same_bytes_have_the_same_hash() {
        let mut sparse = Content::default();
        sparse.resize(1 << 30);
        sparse.write((1 << 30) - 1, b"x");
        assert_eq!((sparse.size(), sparse.pages_used()), (1 << 30, 1));
        sparse.write((1 << 30) - 1, &[0]);
        let mut empty = Content::default();
        empty.resize(1 << 30);
        assert_eq!(sparse.hash(), empty.hash());
        assert_eq!(sparse, empty);
        assert_ne!(empty.hash(), Content::default().hash());
    }

    #[test]
    fn no_offset_is_too_large() {
        let mut content = Content::default();
        content.write(u64::MAX - 3, b"abc");
        content.zero(u64::MAX - 3, u64::MAX);
        assert_eq!(content.size(), 0);
        content.write(i64::MAX as u64 - 2, b"abc");
        assert_eq!(content.size(), i64::MAX as u64);
    }

    proptest! {
        #[test]
        fn it_is_a_vector_of_bytes(
            edits in proptest::collection::vec((0u8..4, 0u64..20_000, 0usize..9000, any::<u8>()), 0..20),
        ) {
            let mut content = Content::default();
            let mut bytes: Vec<u8> = Vec::new();
            for (what, offset, len, fill) in edits {
                let at = offset as usize;
                match what {
                    0 | 1 => {
                        content.write(offset, &vec![fill; len]);
                        if len > 0 {
                            bytes.resize(bytes.len().max(at + len), 0);
                            bytes[at..at + len].fill(fill);
                        }
                    }
                    2 => {
                        content.resize(offset);
                        bytes.resize(at, 0);
                    }
                    _ => {
                        content.zero(offset, len as u64);
                        let end = bytes.len().min(at + len);
                        if at < end { bytes[at..end].fill(0); }
                    }
                }
            }
            prop_assert_eq!(content.size(), bytes.len() as u64);
            prop_assert_eq!(&content.bytes(), &bytes);
            prop_assert_eq!(content.hash(), Content::of(&bytes).hash());
        }
    }
}
