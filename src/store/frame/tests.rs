//! Frames round trip, and every bit that flips is noticed.

use super::super::op::tests::any_op;
use super::super::op::{Stored, ValueRef};
use super::*;
use proptest::prelude::*;

fn head(status: Status, position: u64) -> Head {
    Head { status, transaction: 7, timestamp_ns: 8, position, durable_to: position / 2, chain: 9 }
}

fn samples() -> Vec<Vec<u8>> {
    let put = |key: &[u8], value: &[u8]| Op::Put(key.into(), Stored::Inline(value.into()));
    let large = Op::Put(b"k3"[..].into(), Stored::File(ValueRef { id: 1, len: 70_000, crc: 5 }));
    let ops = [put(b"k1", b"value one"), Op::Del(b"k2"[..].into()), large];
    let bodies = [
        (Status::Committed, Body::Ops(&ops[..1])),
        (Status::Committed, Body::Ops(&ops)),
        (Status::Pending, Body::Ops(&ops)),
        (Status::Committed, Body::Ops(&[])),
        (Status::Resolved, Body::Empty),
        (Status::Aborted, Body::Empty),
        (Status::Checkpointed, Body::Checkpoint(400)),
        (Status::Barrier, Body::Empty),
    ];
    let frame = |(status, body): (Status, Body<'_>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes, &head(status, 4096), &body);
        bytes
    };
    bodies.into_iter().map(frame).collect()
}

#[test]
fn the_header_is_32_bytes_laid_out_as_documented() {
    let bytes = &samples()[0];
    assert_eq!(&bytes[..4], b"UPFR");
    assert_eq!(bytes[4..8], [1, 0, 1, 0]);
    assert_eq!(bytes[8..16], 7u64.to_le_bytes());
    assert_eq!(bytes[16..24], 8u64.to_le_bytes());
    assert_eq!(bytes[24..28], (bytes.len() as u32 - 32).to_le_bytes());
    let crc = crc32(&[&bytes[..28], &bytes[32..]]);
    assert_eq!(bytes[28..32], crc.to_le_bytes());
}

#[test]
fn every_flipped_bit_of_every_sample_frame_is_caught() {
    for sample in samples() {
        assert!(decode(&sample, 4096).is_ok_and(|frame| frame.ops().is_ok() || frame.count == 0));
        for bit in 0..sample.len() * 8 {
            let mut bytes = sample.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes, 4096).is_err(), "bit {bit} of {sample:?}");
        }
    }
}

#[test]
fn every_shortened_frame_is_caught() {
    for sample in samples() {
        for len in 0..sample.len() {
            assert!(decode(&sample[..len], 4096).is_err());
        }
    }
}

#[test]
fn a_frame_at_another_position_is_not_taken() {
    for sample in samples() {
        assert_eq!(decode(&sample, 4095).unwrap_err(), Bad::Position);
        assert!(could_begin(&sample, 4096) && !could_begin(&sample, 4095));
    }
}

proptest! {
    #[test]
    fn a_frame_reads_back_as_it_was_written(
        ops in proptest::collection::vec(any_op(), 0..8), position in 0..u64::MAX, pending: bool
    ) {
        let status = if pending { Status::Pending } else { Status::Committed };
        let head = head(status, position);
        let mut bytes = b"before".to_vec();
        let crc = encode(&mut bytes, &head, &Body::Ops(&ops));
        prop_assert_eq!(bytes.len() - 6, encoded_len(&ops));
        bytes.extend_from_slice(b"after");
        let frame = decode(&bytes[6..], position).unwrap();
        prop_assert_eq!((frame.head, frame.crc, frame.len), (head, crc, bytes.len() - 11));
        prop_assert_eq!(frame.ops().unwrap(), ops);
    }

    #[test]
    fn any_changed_byte_is_caught(
        ops in proptest::collection::vec(any_op(), 0..8), at: usize, xor in 1u8..
    ) {
        let mut bytes = Vec::new();
        encode(&mut bytes, &head(Status::Committed, 0), &Body::Ops(&ops));
        let at = at % bytes.len();
        bytes[at] ^= xor;
        prop_assert!(decode(&bytes, 0).is_err());
    }

    #[test]
    fn any_bytes_are_a_frame_or_not_without_a_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool
    ) {
        if magic && bytes.len() > 8 {
            bytes[..8].copy_from_slice(b"UPFR\x01\0\x01\0");
        }
        if let Ok(frame) = decode(&bytes, 0) {
            let _ = frame.ops();
        }
    }
}
