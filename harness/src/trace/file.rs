//! The trace file: a saved finding carries its trace, because a second run makes the same calls but
//! not the same bytes.
//!
//! ```text
//! magic        8 bytes   "unplugtr"
//! version      u32       1
//! length       u64       of the payload
//! checksum     u32       CRC-32 of the payload
//! payload                the initial tree, the events, the unmodelled calls, the blind spots
//! ```
//!
//! Little-endian; the payload in the primitives of [`super::wire`]. A file from elsewhere is not
//! believed: it is checked in form here and in sense by [`super::check`].

use super::check::check;
use super::cipher::Cipher;
use super::encode::{put_trace, take_trace};
use super::event::Trace;
use super::wire::{Reader, Unreadable, Writer};

const MAGIC: &[u8; 8] = b"unplugtr";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
/// The largest file that is read.
pub const FILE_LIMIT_BYTES: u64 = 4 << 30;

/// Why a trace file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTrace {
    /// It does not begin as a trace file does.
    #[error("not a trace file: it does not begin with `unplugtr`")]
    Magic,
    /// Made by another version.
    #[error("a trace file of version {0}; this unplug reads version {VERSION}")]
    Version(u32),
    /// Cut off, or with something after its end.
    #[error("{there} bytes of payload where {announced} are announced")]
    Length {
        /// By the header.
        announced: u64,
        /// In the file.
        there: u64,
    },
    /// The checksum is not that of the payload.
    #[error("damaged: its checksum is not that of its contents")]
    Checksum,
    /// The payload is not in the form of a trace.
    #[error("at byte {at}: expected {expected}")]
    Form {
        /// Offset in the file.
        at: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// It is in the right form and contradicts itself.
    #[error("event {event}: {why}")]
    Sense {
        /// The index of the event.
        event: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// The bytes of a trace file.
pub fn encode(trace: &Trace) -> Vec<u8> {
    let mut payload = Writer::default();
    put_trace(&mut payload, trace);
    let payload = payload.0;
    let mut file = Vec::with_capacity(HEADER_BYTES + payload.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    file.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    file.extend_from_slice(&payload);
    file
}

/// The trace that a file holds. Never panics, whatever the bytes are.
pub fn decode(file: &[u8]) -> Result<Trace, BadTrace> {
    let (header, payload) = file.split_at_checked(HEADER_BYTES).ok_or(BadTrace::Magic)?;
    let (magic, rest) = header.split_first_chunk::<8>().ok_or(BadTrace::Magic)?;
    if magic != MAGIC {
        return Err(BadTrace::Magic);
    }
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(BadTrace::Magic)?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(BadTrace::Magic)?;
    let (checksum, _) = rest.split_first_chunk::<4>().ok_or(BadTrace::Magic)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(BadTrace::Version(version));
    }
    let (announced, there) = (u64::from_le_bytes(*length), payload.len() as u64);
    if announced != there {
        return Err(BadTrace::Length { announced, there });
    }
    if crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
        return Err(BadTrace::Checksum);
    }
    let mut reader = Reader::new(payload);
    let trace = take_trace(&mut reader, &mut Cipher::default())
        .and_then(|trace| if reader.is_done() { Ok(trace) } else { reader.expected("the end") });
    let trace = trace.map_err(|Unreadable { at, expected }| BadTrace::Form {
        at: at + HEADER_BYTES,
        expected,
    })?;
    check(&trace).map_err(|wrong| BadTrace::Sense { event: wrong.event, why: wrong.why })?;
    Ok(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::samples::trace;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_trace_comes_back_as_it_was(trace in trace()) {
            let file = encode(&trace);
            prop_assert_eq!(decode(&file).expect("reads"), trace);
        }

        #[test]
        fn any_flipped_bit_and_any_cut_is_noticed(trace in trace(), bit in any::<prop::sample::Index>()) {
            let file = encode(&trace);
            let bit = bit.index(file.len() * 8);
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&flipped).is_err());
            prop_assert!(decode(&file[..bit / 8]).is_err());
        }

        #[test]
        fn a_forged_payload_is_read_or_refused_and_never_panics(
            trace in trace(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut file = encode(&trace);
            for (at, byte) in changes {
                let at = HEADER_BYTES + at.index(file.len() - HEADER_BYTES);
                file[at] = byte;
            }
            let sum = crc32fast::hash(&file[HEADER_BYTES..]).to_le_bytes();
            file[20..24].copy_from_slice(&sum);
            if let Ok(trace) = decode(&file) {
                prop_assert!(crate::trace::replay::replay(&trace).is_ok());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut file = encode(&Trace::default());
            file.truncate(HEADER_BYTES);
            file[12..20].copy_from_slice(&(payload.len() as u64).to_le_bytes());
            file[20..24].copy_from_slice(&crc32fast::hash(&payload).to_le_bytes());
            file.extend_from_slice(&payload);
            let _ = decode(&file);
        }
    }

    #[test]
    fn the_header_says_what_is_wrong() {
        assert_eq!(decode(b"no trace"), Err(BadTrace::Magic));
        let mut file = encode(&Trace::default());
        file[8] = 9;
        assert_eq!(decode(&file), Err(BadTrace::Version(9)));
        file[8] = 1;
        file.push(0);
        assert!(matches!(decode(&file), Err(BadTrace::Length { .. })));
    }
}
