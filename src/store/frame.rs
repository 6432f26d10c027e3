//! A frame: one record of the log, a transaction or the status of one. Encoding and decoding alone;
//! what a bad frame means is decided in `decide`.
//!
//! ```text
//!  0  magic u32 | version u16 | flags u16 | transaction u64 | timestamp u64 | length u32 | crc u32
//! 32  position u64 | durable_to u64 | chain u32 | count u32 | body
//! ```
//!
//! The CRC-32 covers the 28 bytes before it and the whole payload (`length` bytes from 32). The
//! payload begins with what lets recovery tell a crash from damage:
//!
//! * `position`: where in the log this frame stands; a copy elsewhere is not taken for it;
//! * `durable_to`: everything before this position had been synced when the frame was written;
//! * `chain`: the CRC of the frame before; a frame of an abandoned tail does not fit.

use super::bytes::{Fields, crc32};
use super::op::{MIN_OP_BYTES, Op};
use super::options::MAX_PAYLOAD_BYTES;

/// Length of a frame's header.
pub const HEADER_BYTES: usize = 32;
/// What every payload begins with.
pub(crate) const PROLOGUE_BYTES: usize = 24;
/// The first four bytes of every frame.
pub const MAGIC: u32 = u32::from_le_bytes(*b"UPFR");
const VERSION: u16 = 1;

/// What a frame says of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The transaction's operations, in force from here on.
    Committed,
    /// The transaction's operations, waiting for their commitment.
    Pending,
    /// An earlier pending transaction is in force from here on.
    Resolved,
    /// An earlier pending transaction will never be in force.
    Aborted,
    /// Everything before a position is in a durable checkpoint.
    Checkpointed,
    /// Everything before this frame had been made durable when it was written.
    Barrier,
}

impl Status {
    fn from_flags(flags: u16) -> Option<Self> {
        Some(match flags {
            1 => Self::Committed,
            2 => Self::Pending,
            3 => Self::Resolved,
            4 => Self::Aborted,
            5 => Self::Checkpointed,
            6 => Self::Barrier,
            _ => return None,
        })
    }

    fn flags(self) -> u16 {
        match self {
            Self::Committed => 1,
            Self::Pending => 2,
            Self::Resolved => 3,
            Self::Aborted => 4,
            Self::Checkpointed => 5,
            Self::Barrier => 6,
        }
    }

    /// The status in a word, as people know it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Committed | Self::Resolved => "committed",
            Self::Pending => "pending",
            Self::Aborted => "aborted",
            Self::Checkpointed => "checkpointed",
            Self::Barrier => "barrier",
        }
    }
}

/// A frame without its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it says.
    pub status: Status,
    /// The transaction it says it of; for checkpoints and barriers the last one before.
    pub transaction: u64,
    /// When it was written, by the store's clock.
    pub timestamp_ns: u64,
    /// Where it stands in the log.
    pub position: u64,
    /// Up to where the log was known to be durable when this was written.
    pub durable_to: u64,
    /// CRC of the frame before.
    pub chain: u32,
}

/// What follows the prologue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The operations of a committed or pending transaction.
    Ops(&'a [Op]),
    /// The position a checkpoint covers.
    Checkpoint(u64),
    /// Nothing.
    Empty,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Fewer bytes are left than a header has.
    ShortHeader,
    /// The header is all zeros: a page that was never written.
    Zeros,
    /// The first four bytes are another word.
    Magic,
    /// Another version of the format.
    Version,
    /// No such status.
    Flags,
    /// The length is impossible.
    Length,
    /// Fewer bytes are left than the length says.
    ShortPayload,
    /// Header and payload do not match their CRC.
    Crc,
    /// The frame belongs to another place of the log.
    Position,
    /// The frame follows another frame than the one before it here.
    Chain,
    /// The payload says nothing sensible.
    Body,
}

impl Bad {
    /// In words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ShortHeader => "the file ends inside a frame's header",
            Self::Zeros => "zeros where a frame should begin",
            Self::Magic => "no frame begins here",
            Self::Version => "a frame of an unknown version",
            Self::Flags => "a frame of an unknown status",
            Self::Length => "a frame with an impossible length",
            Self::ShortPayload => "the file ends inside a frame",
            Self::Crc => "a frame that does not match its CRC",
            Self::Position => "a frame that belongs elsewhere in the log",
            Self::Chain => "a frame that does not follow the one before it",
            Self::Body => "a frame whose contents make no sense",
        }
    }
}

/// A frame that checked out, still in its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// What it says.
    pub head: Head,
    /// Its CRC, which the next frame repeats.
    pub crc: u32,
    /// Its length with header.
    pub len: usize,
    count: usize,
    body: &'a [u8],
}

impl Decoded<'_> {
    /// The operations, checked one by one.
    pub fn ops(&self) -> Result<Vec<Op>, Bad> {
        let mut fields = Fields::new(self.body);
        // The count was checked against the bytes there are.
        let mut ops = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            ops.push(Op::decode(&mut fields).ok_or(Bad::Body)?);
        }
        if fields.rest().is_empty() { Ok(ops) } else { Err(Bad::Body) }
    }

    /// The position that a checkpoint's frame names.
    pub fn checkpoint(&self) -> Option<u64> {
        (self.head.status == Status::Checkpointed).then(|| Fields::new(self.body).u64()).flatten()
    }
}

/// Appends the frame's bytes and returns its CRC.
pub fn encode(out: &mut Vec<u8>, head: &Head, body: &Body<'_>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&head.status.flags().to_le_bytes());
    out.extend_from_slice(&head.transaction.to_le_bytes());
    out.extend_from_slice(&head.timestamp_ns.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&head.position.to_le_bytes());
    out.extend_from_slice(&head.durable_to.to_le_bytes());
    out.extend_from_slice(&head.chain.to_le_bytes());
    match body {
        Body::Ops(ops) => {
            out.extend_from_slice(&(ops.len() as u32).to_le_bytes());
            ops.iter().for_each(|op| op.encode(out));
        }
        Body::Checkpoint(position) => {
            out.extend_from_slice(&0u32.to_le_bytes());
            out.extend_from_slice(&position.to_le_bytes());
        }
        Body::Empty => out.extend_from_slice(&0u32.to_le_bytes()),
    }
    let length = (out.len() - start - HEADER_BYTES) as u32;
    out[start + 24..start + 28].copy_from_slice(&length.to_le_bytes());
    let crc = crc32(&[&out[start..start + 28], &out[start + HEADER_BYTES..]]);
    out[start + 28..start + 32].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// How long the frame of these operations will be.
pub(crate) fn encoded_len(ops: &[Op]) -> usize {
    HEADER_BYTES + PROLOGUE_BYTES + ops.iter().map(Op::encoded_len).sum::<usize>()
}

/// Reads the frame that begins `bytes` and must stand at `position` of the log.
pub fn decode(bytes: &[u8], position: u64) -> Result<Decoded<'_>, Bad> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(Bad::ShortHeader);
    };
    let mut fields = Fields::new(header);
    let magic = fields.u32().ok_or(Bad::ShortHeader)?;
    if magic != MAGIC {
        let zeros = header.iter().all(|&byte| byte == 0);
        return Err(if zeros { Bad::Zeros } else { Bad::Magic });
    }
    let version = fields.u16().ok_or(Bad::ShortHeader)?;
    let flags = fields.u16().ok_or(Bad::ShortHeader)?;
    let transaction = fields.u64().ok_or(Bad::ShortHeader)?;
    let timestamp_ns = fields.u64().ok_or(Bad::ShortHeader)?;
    let length = fields.u32().ok_or(Bad::ShortHeader)? as usize;
    let crc = fields.u32().ok_or(Bad::ShortHeader)?;
    if version != VERSION {
        return Err(Bad::Version);
    }
    let status = Status::from_flags(flags).ok_or(Bad::Flags)?;
    if !(PROLOGUE_BYTES..=MAX_PAYLOAD_BYTES).contains(&length) {
        return Err(Bad::Length);
    }
    let payload = rest.get(..length).ok_or(Bad::ShortPayload)?;
    let mut fields = Fields::new(payload);
    let own = fields.u64().ok_or(Bad::Body)?;
    if crc32(&[&header[..28], payload]) != crc {
        return Err(Bad::Crc);
    }
    if own != position {
        return Err(Bad::Position);
    }
    let durable_to = fields.u64().ok_or(Bad::Body)?;
    let chain = fields.u32().ok_or(Bad::Body)?;
    let count = fields.u32().ok_or(Bad::Body)? as usize;
    let body = fields.rest();
    let sensible = match status {
        Status::Committed | Status::Pending => count <= body.len() / MIN_OP_BYTES,
        Status::Checkpointed => count == 0 && body.len() == 8,
        Status::Resolved | Status::Aborted | Status::Barrier => count == 0 && body.is_empty(),
    };
    if !sensible || durable_to > position {
        return Err(Bad::Body);
    }
    let head = Head { status, transaction, timestamp_ns, position, durable_to, chain };
    Ok(Decoded { head, crc, len: HEADER_BYTES + length, count, body })
}

/// True if a frame that claims to stand at `position` could begin here: worth its CRC.
pub(crate) fn could_begin(bytes: &[u8], position: u64) -> bool {
    bytes.get(..4) == Some(&MAGIC.to_le_bytes())
        && bytes.get(HEADER_BYTES..HEADER_BYTES + 8) == Some(&position.to_le_bytes())
}

#[cfg(test)]
mod tests;
