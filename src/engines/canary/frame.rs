//! One frame of the log: a header of 32 bytes and the changes of one request.
//!
//! ```text
//! magic u32 | segment u32 | sequence u64 | synced u64 | length u32 | crc u32 | payload
//! payload: kind u8, then per change: tag u8 | key length u16 | value length u32 | key | value
//! ```
//!
//! `synced` is the last sequence number known durable when the frame was written: a bad frame before
//! one that says it was synced is damage, and any other bad frame may be what a crash left.

use unplug_harness::workload::Mutation;

use super::flaw::Flaw;

/// Bytes of a header.
pub const HEADER: usize = 32;
const MAGIC: u32 = 0x4641_4e43;
/// Longest payload that is believed.
const PAYLOAD: usize = 64 << 20;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Changes that count.
    Changes,
    /// Changes that count once a commit frame follows.
    Pending,
    /// What was pending counts.
    Commit,
    /// The log goes on in the next segment.
    Rotate,
}

/// One change, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Vec<u8>,
    /// The value; nothing for a delete.
    pub value: Option<Vec<u8>>,
}

/// A frame read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The segment that it was written to.
    pub segment: u32,
    /// Its number.
    pub sequence: u64,
    /// What was known durable when it was written.
    pub synced: u64,
    /// What it is for.
    pub role: Role,
    /// Its changes.
    pub changes: Vec<Change>,
    /// Its length in the log.
    pub len: usize,
}

/// Where a frame stands in the sequence.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The segment.
    pub segment: u32,
    /// Its number.
    pub sequence: u64,
    /// What is known durable.
    pub synced: u64,
}

/// A frame's bytes, filled up to a multiple of `align`.
pub fn encode(
    place: Place,
    role: Role,
    changes: &[Mutation],
    align: usize,
    flaw: Option<Flaw>,
) -> Vec<u8> {
    let mut payload = vec![match role {
        Role::Changes => 0u8,
        Role::Pending => 1,
        Role::Commit => 2,
        Role::Rotate => 3,
    }];
    for change in changes {
        let key = change.key().as_str().as_bytes();
        let value = change.value().map(|value| value.as_str().as_bytes());
        payload.push(if value.is_some() { 1 } else { 2 });
        payload.extend_from_slice(&(key.len() as u16).to_le_bytes());
        payload.extend_from_slice(&(value.unwrap_or_default().len() as u32).to_le_bytes());
        payload.extend_from_slice(key);
        payload.extend_from_slice(value.unwrap_or_default());
    }
    let mut out = Vec::with_capacity(HEADER + payload.len() + align);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&place.segment.to_le_bytes());
    out.extend_from_slice(&place.sequence.to_le_bytes());
    out.extend_from_slice(&place.synced.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let sum = checksum(&out, &payload, flaw);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&payload);
    out.resize(out.len().next_multiple_of(align), 0);
    out
}

fn checksum(header: &[u8], payload: &[u8], flaw: Option<Flaw>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if flaw == Some(Flaw::ChecksumSkipsLength) {
        hasher.update(&header[..24]);
        match parse(payload, true) {
            Some((_, changes)) => changes.iter().for_each(|change| {
                hasher.update(&change.key);
                hasher.update(change.value.as_deref().unwrap_or_default());
            }),
            None => hasher.update(payload),
        }
    } else {
        hasher.update(&header[..28]);
        hasher.update(payload);
    }
    hasher.finalize()
}

/// The frame at the start of `bytes`, if it checks out.
pub fn decode(bytes: &[u8], align: usize, flaw: Option<Flaw>) -> Option<Frame> {
    let header = bytes.get(..HEADER)?;
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let length = word(24)? as usize;
    if word(0)? != MAGIC || length > PAYLOAD {
        return None;
    }
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    if flaw != Some(Flaw::NoChecksum) && checksum(header, payload, flaw) != word(28)? {
        return None;
    }
    // Without a checksum, whatever can be read of the payload is taken.
    let lenient = matches!(flaw, Some(Flaw::NoChecksum | Flaw::ChecksumSkipsLength));
    let (role, changes) = parse(payload, lenient)?;
    let len = (HEADER + length).next_multiple_of(align);
    Some(Frame { segment: word(4)?, sequence: long(8)?, synced: long(16)?, role, changes, len })
}

fn parse(payload: &[u8], lenient: bool) -> Option<(Role, Vec<Change>)> {
    let (&role, mut rest) = payload.split_first()?;
    let role = match role {
        0 => Role::Changes,
        1 => Role::Pending,
        2 => Role::Commit,
        3 => Role::Rotate,
        _ => return None,
    };
    let mut changes = Vec::new();
    while !rest.is_empty() {
        match parse_change(rest, lenient) {
            Some((change, len)) => {
                changes.push(change);
                rest = &rest[len..];
            }
            None if lenient => break,
            None => return None,
        }
    }
    Some((role, changes))
}

/// One change and its length; leniently, a value that is too long for what there is ends with it.
fn parse_change(bytes: &[u8], lenient: bool) -> Option<(Change, usize)> {
    let key_len = usize::from(u16::from_le_bytes(bytes.get(1..3)?.try_into().ok()?));
    let value_len = u32::from_le_bytes(bytes.get(3..7)?.try_into().ok()?) as usize;
    let key = bytes.get(7..7 + key_len)?.to_vec();
    let mut end = (7 + key_len).checked_add(value_len)?;
    if lenient {
        end = end.min(bytes.len());
    }
    let value = bytes.get(7 + key_len..end)?.to_vec();
    let value = match bytes[0] {
        1 => Some(value),
        2 => None,
        _ => return None,
    };
    Some((Change { key, value }, end))
}
