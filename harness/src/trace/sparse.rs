//! The bytes of a file by pages, so that a hole costs nothing however long it is.

use std::collections::BTreeMap;

use crate::base::limits::PAGE_BYTES;

const PAGE: usize = PAGE_BYTES as usize;

/// A file's bytes. Pages that are not there are zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Sparse {
    /// A file that holds `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut sparse = Self::default();
        sparse.write(0, bytes);
        sparse
    }

    /// Its size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True for an empty file.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a page of bytes in its place, as far as the size reaches.
    pub fn set_page(&mut self, number: u64, bytes: [u8; PAGE]) {
        self.pages.insert(number, Box::new(bytes));
    }

    /// The pages that are no holes, by their number; the last may reach beyond the size, with zeros.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &[u8; PAGE])> {
        self.pages.iter().map(|(number, page)| (*number, &**page))
    }

    /// The numbers of those among them that are in a range.
    pub fn pages_in(&self, range: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        self.pages.range(range).map(|(number, _)| *number)
    }

    /// The bytes of one page, fewer where the file ends in it.
    pub fn page(&self, number: u64) -> &[u8] {
        static HOLE: [u8; PAGE] = [0; PAGE];
        let left = self.len.saturating_sub(number.saturating_mul(PAGE_BYTES));
        let bytes = self.pages.get(&number).map_or(&HOLE, |page| page);
        &bytes[..left.min(PAGE_BYTES) as usize]
    }

    /// Its stretches of neighbouring pages, each with where it stands; the last ends with the file.
    pub fn runs(&self) -> Vec<(u64, Vec<u8>)> {
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for &number in self.pages.keys() {
            let (at, bytes) = (number * PAGE_BYTES, self.page(number));
            match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == at => {
                    run.extend_from_slice(bytes)
                }
                _ => runs.push((at, bytes.to_vec())),
            }
        }
        runs.retain(|(_, run)| !run.is_empty());
        runs
    }

    /// Puts bytes at a place; the file grows to hold them.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.len = self.len.max(offset.saturating_add(bytes.len() as u64));
        self.pieces(offset, bytes.len() as u64, |page, inside, done| {
            let count = inside.len();
            page[inside].copy_from_slice(&bytes[done..done + count]);
        });
    }

    /// Zeros a range; the size stays.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len).min(self.len);
        if offset >= end {
            return;
        }
        for (number, page) in self.pages.range_mut(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let at = number * PAGE_BYTES;
            let from = offset.clamp(at, at + PAGE_BYTES) - at;
            let to = end.clamp(at, at + PAGE_BYTES) - at;
            page[from as usize..to.max(from) as usize].fill(0);
        }
    }

    /// Cuts the file, or lets it grow with zeros.
    pub fn resize(&mut self, len: u64) {
        if len < self.len {
            self.zero(len, self.len - len);
            self.pages.split_off(&len.div_ceil(PAGE_BYTES));
        }
        self.len = len;
    }

    /// The bytes at a place, at most to the end.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = offset.saturating_add(len as u64).min(self.len);
        let mut bytes = vec![0; end.saturating_sub(offset) as usize];
        if bytes.is_empty() {
            return bytes;
        }
        for (number, page) in self.pages.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let at = number * PAGE_BYTES;
            let (from, to) = (offset.max(at), end.min(at + PAGE_BYTES));
            if from < to {
                bytes[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&page[(from - at) as usize..(to - at) as usize]);
            }
        }
        bytes
    }

    /// The first byte at or after `offset` that is not in a hole; the size where there is none.
    pub fn next_data(&self, offset: u64) -> u64 {
        let page = self.pages.range(offset / PAGE_BYTES..).next();
        page.map_or(self.len, |(number, _)| (number * PAGE_BYTES).max(offset)).min(self.len)
    }

    fn pieces(
        &mut self,
        offset: u64,
        len: u64,
        mut each: impl FnMut(&mut [u8; PAGE], std::ops::Range<usize>, usize),
    ) {
        let mut done = 0;
        while done < len {
            let at = offset + done;
            let inside = (at % PAGE_BYTES) as usize;
            let count = (PAGE - inside).min((len - done) as usize);
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(|| Box::new([0; PAGE]));
            each(page, inside..inside + count, done as usize);
            done += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Zero(u64, u64),
        Resize(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = proptest::collection::vec(any::<u8>(), 1..6000);
        prop_oneof![
            (0u64..20_000, bytes).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            (0u64..20_000, 0u64..9_000).prop_map(|(at, len)| Step::Zero(at, len)),
            (0u64..25_000).prop_map(Step::Resize),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_vector_would(
            steps in proptest::collection::vec(step(), 0..20), at in 0u64..25_000, len in 0usize..9_000,
        ) {
            let (mut sparse, mut plain) = (Sparse::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        sparse.write(at, &bytes);
                        let end = at as usize + bytes.len();
                        plain.resize(plain.len().max(end), 0);
                        plain[at as usize..end].copy_from_slice(&bytes);
                    }
                    Step::Zero(at, len) => {
                        sparse.zero(at, len);
                        let end = (at + len).min(plain.len() as u64) as usize;
                        let at = (at as usize).min(end);
                        plain[at..end].fill(0);
                    }
                    Step::Resize(len) => {
                        sparse.resize(len);
                        plain.resize(len as usize, 0);
                    }
                }
            }
            prop_assert_eq!(sparse.len(), plain.len() as u64);
            prop_assert!(sparse.read(0, plain.len() + 9) == plain);
            let from = (at as usize).min(plain.len());
            let to = (at as usize + len).min(plain.len()).max(from);
            prop_assert!(sparse.read(at, len) == plain[from..to]);
        }
    }
}
