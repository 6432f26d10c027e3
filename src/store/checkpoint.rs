//! A checkpoint: everything the store holds at one position of the log, as a stream in pages.
//! Encoding and decoding alone; when one is taken and which are kept is in `compact`.

use super::bytes::Fields;
use super::error::Damage;
use super::frame::PROLOGUE_BYTES;
use super::names;
use super::op::{MIN_OP_BYTES, Op, Stored};
use super::pages::{PageWriter, join};
use super::segment;
use super::table::{Dead, Table};

const MAGIC: &[u8; 8] = b"UPLUGCKP";
const VERSION: u64 = 1;
const HEADER_BYTES: usize = 88;
const DEAD_BYTES: usize = 16;
const PENDING_BYTES: usize = 12;

/// What a checkpoint says besides the contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Everything before this position of the log is in it.
    pub(crate) position: u64,
    /// Position of the checkpoint before, to which recovery falls back.
    pub(crate) previous: Option<u64>,
    /// CRC of the last frame before `position`.
    pub(crate) chain: u32,
    /// Number of the next transaction.
    pub(crate) next_transaction: u64,
    /// Number of the next value file.
    pub(crate) next_value: u64,
}

impl Header {
    /// The header of the segment that begins here.
    pub(crate) fn segment(&self) -> segment::Header {
        let Self { position: base, next_transaction, chain, .. } = *self;
        segment::Header { base, next_transaction, chain }
    }
}

/// Writes a checkpoint's file, piece by piece; `dead` are the value files of `table.dead` that a
/// fallback may still need.
pub(crate) fn encode<E>(
    header: &Header,
    table: &Table,
    dead: &[Dead],
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let prepared = table.pending.values().flatten().map(Op::encoded_len).sum::<usize>();
    let kept: usize = table.keys.iter().map(|(key, stored)| put_len(key, stored)).sum();
    let length = HEADER_BYTES
        + dead.len() * DEAD_BYTES
        + table.pending.len() * PENDING_BYTES
        + prepared
        + kept;
    let mut writer = PageWriter::new(header.position, sink);
    let words = [
        VERSION,
        length as u64,
        header.position,
        header.previous.map_or(u64::MAX, |previous| previous),
        u64::from(header.chain),
        header.next_transaction,
        header.next_value,
        dead.len() as u64,
        table.pending.len() as u64,
        table.keys.len() as u64,
    ];
    writer.write(MAGIC)?;
    for word in words {
        writer.write(&word.to_le_bytes())?;
    }
    for dead in dead {
        writer.write(&dead.id.to_le_bytes())?;
        writer.write(&dead.since.to_le_bytes())?;
    }
    let mut bytes = Vec::new();
    for (transaction, ops) in &table.pending {
        bytes.clear();
        bytes.extend_from_slice(&transaction.to_le_bytes());
        bytes.extend_from_slice(&(ops.len() as u32).to_le_bytes());
        ops.iter().for_each(|op| op.encode(&mut bytes));
        writer.write(&bytes)?;
    }
    for (key, stored) in &table.keys {
        bytes.clear();
        Op::encode_put(key, stored, &mut bytes);
        writer.write(&bytes)?;
    }
    writer.finish()
}

fn put_len(key: &[u8], stored: &Stored) -> usize {
    match stored {
        Stored::Inline(value) => 7 + key.len() + value.len(),
        Stored::File(_) => 23 + key.len(),
    }
}

/// Reads the file of the checkpoint that is named for `position`.
pub(crate) fn decode(bytes: Vec<u8>, position: u64) -> Result<(Header, Table), Damage> {
    let name = names::checkpoint(position);
    let stream = join(bytes, position).map_err(|(at, what)| Damage::new(&*name, at, what))?;
    parse(&stream, position)
        .ok_or_else(|| Damage::new(name, 0, "its pages check out but their contents make no sense"))
}

fn parse(stream: &[u8], position: u64) -> Option<(Header, Table)> {
    let mut fields = Fields::new(stream);
    if fields.take(MAGIC.len())? != MAGIC || fields.u64()? != VERSION {
        return None;
    }
    let length = usize::try_from(fields.u64()?).ok()?;
    let (body, padding) = stream.split_at_checked(length)?;
    let mut fields = Fields::new(body.get(24..)?);
    let mut header = Header { position: fields.u64()?, ..Header::default() };
    header.previous = Some(fields.u64()?).filter(|&previous| previous != u64::MAX);
    header.chain = u32::try_from(fields.u64()?).ok()?;
    header.next_transaction = fields.u64()?;
    header.next_value = fields.u64()?;
    let (dead, pending, keys) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let is_early = header.previous.is_none_or(|previous| previous < position);
    if header.position != position || !is_early || padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut table = Table::default();
    for _ in 0..dead {
        table.dead.push(Dead { id: fields.u64()?, since: fields.u64()? });
    }
    for _ in 0..pending {
        let transaction = fields.u64()?;
        let count = fields.u32()? as usize;
        if count > fields.rest().len() / MIN_OP_BYTES {
            return None;
        }
        let ops = (0..count).map(|_| Op::decode(&mut fields)).collect::<Option<Vec<_>>>()?;
        table.pending.insert(transaction, ops);
    }
    let mut sorted: Vec<(Box<[u8]>, Stored)> = Vec::new();
    for _ in 0..keys {
        let Op::Put(key, stored) = Op::decode(&mut fields)? else { return None };
        if sorted.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        sorted.push((key, stored));
    }
    table.keys = sorted.into_iter().collect();
    fields.rest().is_empty().then_some((header, table))
}

// A checkpoint stores keys as the log stores puts; the formats change together.
const _: () = assert!(PROLOGUE_BYTES == 24 && HEADER_BYTES == 8 + 10 * 8);

#[cfg(test)]
mod tests {
    use super::super::op::tests::any_op;
    use super::*;
    use proptest::prelude::*;

    fn file(header: &Header, table: &Table) -> Vec<u8> {
        let mut file = Vec::new();
        let mut sink = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            Ok::<(), ()>(())
        };
        encode(header, table, &table.dead, &mut sink).unwrap();
        file
    }

    fn table(ops: Vec<Op>) -> Table {
        let mut table = Table::default();
        table.prepare(3, ops.clone());
        table.prepare(4, Vec::new());
        table.apply(ops, 12);
        table
    }

    #[test]
    fn a_checkpoint_of_another_position_or_of_more_than_it_says_is_refused() {
        let header = Header { position: 9, previous: Some(4), ..Header::default() };
        let bytes = file(&header, &table(vec![Op::Del(b"k"[..].into())]));
        assert!(decode(bytes.clone(), 9).is_ok());
        assert!(decode(bytes.clone(), 8).is_err());
        assert!(decode([bytes.clone(), bytes].concat(), 9).is_err());
        assert!(decode(Vec::new(), 9).is_err());
    }

    #[test]
    fn the_previous_checkpoint_is_an_earlier_one() {
        let header = Header { position: 9, previous: Some(9), ..Header::default() };
        assert!(decode(file(&header, &Table::default()), 9).is_err());
    }

    proptest! {
        #[test]
        fn a_checkpoint_reads_back_as_it_was_taken(
            ops in proptest::collection::vec(any_op(), 0..300),
            position in 0..u64::MAX, chain: u32, next: u64,
        ) {
            let header =
                Header { position, previous: None, chain, next_transaction: next, next_value: 5 };
            let table = table(ops);
            let (read, contents) = decode(file(&header, &table), position).unwrap();
            prop_assert_eq!(read, header);
            prop_assert_eq!(contents, table);
        }

        #[test]
        fn any_stream_is_a_checkpoint_or_not_without_a_panic(
            mut stream in proptest::collection::vec(any::<u8>(), 0..200), length: u16, small: u8
        ) {
            if stream.len() >= 88 {
                stream[..8].copy_from_slice(MAGIC);
                stream[8..16].copy_from_slice(&VERSION.to_le_bytes());
                stream[16..24].copy_from_slice(&u64::from(length % 200).to_le_bytes());
                stream[64..72].copy_from_slice(&u64::from(small).to_le_bytes());
            }
            let _ = parse(&stream, 0);
        }
    }
}
