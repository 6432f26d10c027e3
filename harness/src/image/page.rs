//! One page of a file: 4,096 bytes that never change, with their hash.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::base::limits::PAGE_BYTES;

/// A page's size, for arrays.
pub const PAGE: usize = PAGE_BYTES as usize;

static ZEROS: [u8; PAGE] = [0; PAGE];

/// 4,096 bytes with their hash. A page of zeros is no page: it is absent wherever pages are kept.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    bytes: [u8; PAGE],
    hash: u128,
}

impl Page {
    /// The page of these bytes; nothing where they are all zero.
    pub fn new(bytes: [u8; PAGE]) -> Option<Page> {
        if bytes == ZEROS {
            return None;
        }
        let hash = xxh3_128(&bytes);
        Some(Page(Arc::new(Inner { bytes, hash })))
    }

    /// The page that begins with these bytes (at most a page's worth) and goes on with zeros.
    pub fn padded(bytes: &[u8]) -> Option<Page> {
        let mut whole = ZEROS;
        whole[..bytes.len()].copy_from_slice(bytes);
        Page::new(whole)
    }

    /// The bytes of a page, or zeros where there is none.
    pub fn bytes_of(page: Option<&Page>) -> &[u8; PAGE] {
        page.map_or(&ZEROS, Page::bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; PAGE] {
        &self.0.bytes
    }

    /// Its share in the hash of a file in which it is page `no`.
    pub(super) fn share(&self, no: u64) -> u128 {
        mix(self.0.hash, no)
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Page) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.0.bytes == other.0.bytes)
    }
}

impl Eq for Page {}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({:032x})", self.0.hash)
    }
}

/// Hashes a hash with a number, so that sums of the results tell orders apart.
pub(super) fn mix(hash: u128, number: u64) -> u128 {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&hash.to_le_bytes());
    bytes[16..].copy_from_slice(&number.to_le_bytes());
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_zeros_is_no_page() {
        assert_eq!(Page::padded(&[]), None);
        assert_eq!(Page::padded(&[0, 0]), None);
        assert_eq!(Page::padded(&[0, 1]).unwrap().bytes()[..3], [0, 1, 0]);
    }
}
