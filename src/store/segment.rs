//! One file of the log: a header that says where it begins, then frames. Reading alone: what a
//! segment's end means is decided in `decide`.
//!
//! ```text
//!  0  magic "UPLUGLOG" | version u32 | zero u32 | base u64 | next transaction u64
//! 32  chain u32 (CRC of the last frame before) | zeros | crc u32 at 60
//! ```

use super::bytes::{Fields, crc32};
use super::frame::{self, Bad, Decoded};

/// Length of a segment's header.
pub(crate) const HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"UPLUGLOG";
const VERSION: u32 = 1;

/// Where a segment begins and what came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position of its first frame.
    pub(crate) base: u64,
    /// Number of the next transaction.
    pub(crate) next_transaction: u64,
    /// CRC of the frame before; 0 at the very beginning.
    pub(crate) chain: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.next_transaction.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.chain.to_le_bytes());
        let crc = crc32(&[&bytes[..60]]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment that is named for `base`; or says what is wrong.
    pub(crate) fn decode(bytes: &[u8], base: u64) -> Result<Self, &'static str> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or("the file ends inside the segment's header")?;
        let (covered, crc) = bytes.split_at(60);
        if crc != crc32(&[covered]).to_le_bytes() {
            return Err("the segment's header does not match its CRC");
        }
        let mut fields = Fields::new(covered);
        let magic = fields.take(8);
        let version = fields.u32();
        let _ = fields.u32();
        let (Some(own), Some(next_transaction), Some(chain)) =
            (fields.u64(), fields.u64(), fields.u32())
        else {
            return Err("the file ends inside the segment's header");
        };
        if magic != Some(MAGIC) || version != Some(VERSION) {
            return Err("no segment of a known version begins here");
        }
        if own != base {
            return Err("the segment belongs under another name");
        }
        Ok(Self { base, next_transaction, chain })
    }
}

/// Walks the frames of a segment in order, to the first that does not check out.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    base: u64,
    /// Position of the next frame.
    pub(crate) position: u64,
    /// CRC of the last frame.
    pub(crate) chain: u32,
}

impl<'a> Frames<'a> {
    /// Over a whole segment file whose header was read.
    pub(crate) fn new(bytes: &'a [u8], header: &Header) -> Self {
        Self { bytes, base: header.base, position: header.base, chain: header.chain }
    }

    /// Where in the file `position` is.
    pub(crate) fn offset(&self, position: u64) -> usize {
        HEADER_BYTES + (position - self.base) as usize
    }

    /// The bytes from the next frame on.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset(self.position)..).unwrap_or_default()
    }

    /// The next frame; `None` at the exact end of the file.
    pub(crate) fn next_frame(&mut self) -> Option<Result<Decoded<'a>, Bad>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        Some(frame::decode(rest, self.position).and_then(|frame| {
            if frame.head.chain != self.chain {
                return Err(Bad::Chain);
            }
            self.position += frame.len as u64;
            self.chain = frame.crc;
            Ok(frame)
        }))
    }

    /// Up to where the frames beyond a bad one prove the log to have been synced: `Ok(None)` if
    /// there is no such frame, `Err` if these bytes are so made that looking would take too long.
    pub(crate) fn proof_beyond(&self) -> Result<Option<u64>, ()> {
        let rest = self.rest();
        // Real tails hold frames that do not overlap; the allowance is for torn ones.
        let mut allowance = rest.len().saturating_mul(8);
        let (mut at, mut proved) = (1, None);
        while at < rest.len() {
            let position = self.position + at as u64;
            if !frame::could_begin(&rest[at..], position) {
                at += 1;
                continue;
            }
            match frame::decode(&rest[at..], position) {
                Ok(frame) => {
                    proved = proved.max(Some(frame.head.durable_to));
                    at += frame.len;
                }
                Err(_) => {
                    let claimed = Fields::new(&rest[at + 24..]).u32().unwrap_or_default() as usize;
                    allowance = allowance.checked_sub(claimed.min(rest.len())).ok_or(())?;
                    at += 1;
                }
            }
        }
        Ok(proved)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Body, Head, Status, encode};
    use super::*;

    fn log(count: u64, synced: bool) -> (Vec<u8>, Vec<usize>) {
        let header = Header { base: 100, next_transaction: 5, chain: 77 };
        let (mut bytes, mut ends, mut chain) = (header.encode().to_vec(), Vec::new(), 77);
        for n in 0..count {
            let position = 100 + (bytes.len() - HEADER_BYTES) as u64;
            let head = Head {
                status: Status::Committed,
                transaction: 5 + n,
                timestamp_ns: 0,
                position,
                durable_to: if synced { position } else { 0 },
                chain,
            };
            chain = encode(&mut bytes, &head, &Body::Ops(&[]));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn walk(bytes: &[u8]) -> (usize, Option<Bad>, Result<Option<u64>, ()>) {
        let header = Header::decode(bytes, 100).unwrap();
        let mut frames = Frames::new(bytes, &header);
        let mut count = 0;
        loop {
            match frames.next_frame() {
                Some(Ok(_)) => count += 1,
                Some(Err(bad)) => return (count, Some(bad), frames.proof_beyond()),
                None => return (count, None, Ok(None)),
            }
        }
    }

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_of_it_is_caught() {
        let header = Header { base: 1 << 40, next_transaction: 9, chain: 3 };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes, 1 << 40), Ok(header));
        assert!(Header::decode(&bytes, 1 << 41).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad, 1 << 40).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Header::decode(&bytes[..len], 1 << 40).is_err());
        }
    }

    #[test]
    fn a_bad_frame_that_later_frames_call_synced_is_proved() {
        let (mut bytes, ends) = log(5, true);
        bytes[ends[1] + 20] ^= 1;
        let (count, bad, proof) = walk(&bytes);
        assert_eq!((count, bad), (2, Some(Bad::Crc)));
        assert!(proof.unwrap().unwrap() > 100 + (ends[1] - HEADER_BYTES) as u64);
    }

    #[test]
    fn a_bad_frame_among_unsynced_ones_is_not_proved() {
        let (mut bytes, ends) = log(5, false);
        bytes[ends[1] + 20] ^= 1;
        assert_eq!(walk(&bytes), (2, Some(Bad::Crc), Ok(Some(0))));
    }

    #[test]
    fn a_frame_with_another_past_does_not_follow() {
        let (bytes, ends) = log(3, true);
        let (other, _) = log(3, false);
        let mixed = [&other[..ends[0]], &bytes[ends[0]..]].concat();
        assert_eq!(walk(&mixed).1, Some(Bad::Chain));
    }

    #[test]
    fn a_tail_made_to_waste_time_is_given_up() {
        let (mut bytes, _) = log(1, true);
        bytes.push(1);
        for _ in 0..2000 {
            let position = 100 + (bytes.len() - HEADER_BYTES) as u64;
            let start = bytes.len();
            let head = Head {
                status: Status::Committed,
                transaction: 0,
                timestamp_ns: 0,
                position,
                durable_to: 0,
                chain: 0,
            };
            encode(&mut bytes, &head, &Body::Ops(&[]));
            bytes[start + 24..start + 28].copy_from_slice(&50_000u32.to_le_bytes());
        }
        assert_eq!(walk(&bytes).2, Err(()));
    }
}
