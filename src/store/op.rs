//! The operations inside a transaction and their bytes. Knows nothing of frames.

use super::bytes::Fields;
use super::options::{LARGE_VALUE_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// A value that has a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueRef {
    /// Names the file; never used twice.
    pub id: u64,
    /// Length of the value in bytes.
    pub len: u64,
    /// CRC-32 of the value.
    pub crc: u32,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The value itself.
    Inline(Box<[u8]>),
    /// The value's file.
    File(ValueRef),
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The key holds this now.
    Put(Box<[u8]>, Stored),
    /// The key is gone.
    Del(Box<[u8]>),
}

const PUT: u8 = 1;
const PUT_FILE: u8 = 2;
const DEL: u8 = 3;
/// The fewest bytes an operation takes: kind, key length, one byte of key.
pub(crate) const MIN_OP_BYTES: usize = 4;

impl Op {
    /// The key that is changed.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Del(key) => key,
        }
    }

    /// How many bytes `encode` will append.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Put(key, Stored::Inline(value)) => 7 + key.len() + value.len(),
            Self::Put(key, Stored::File(_)) => 23 + key.len(),
            Self::Del(key) => 3 + key.len(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put(key, stored) => Self::encode_put(key, stored, out),
            Self::Del(key) => {
                out.push(DEL);
                out.extend_from_slice(&(key.len() as u16).to_le_bytes());
                out.extend_from_slice(key);
            }
        }
    }

    /// The same for a put whose parts are somewhere else.
    pub(crate) fn encode_put(key: &[u8], stored: &Stored, out: &mut Vec<u8>) {
        out.push(if matches!(stored, Stored::Inline(_)) { PUT } else { PUT_FILE });
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        match stored {
            Stored::Inline(value) => {
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(key);
                out.extend_from_slice(value);
            }
            Stored::File(file) => {
                out.extend_from_slice(&file.id.to_le_bytes());
                out.extend_from_slice(&file.len.to_le_bytes());
                out.extend_from_slice(&file.crc.to_le_bytes());
                out.extend_from_slice(key);
            }
        }
    }

    /// Reads one operation; `None` if these bytes are none.
    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.u8()?;
        let key_len = usize::from(fields.u16()?);
        if key_len == 0 || key_len > MAX_KEY_BYTES {
            return None;
        }
        match kind {
            PUT => {
                let len = fields.u32()? as usize;
                if len > LARGE_VALUE_BYTES {
                    return None;
                }
                let key = fields.take(key_len)?;
                Some(Self::Put(key.into(), Stored::Inline(fields.take(len)?.into())))
            }
            PUT_FILE => {
                let file = ValueRef { id: fields.u64()?, len: fields.u64()?, crc: fields.u32()? };
                if file.len > MAX_VALUE_BYTES as u64 {
                    return None;
                }
                Some(Self::Put(fields.take(key_len)?.into(), Stored::File(file)))
            }
            DEL => Some(Self::Del(fields.take(key_len)?.into())),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any operation the store could write.
    pub(crate) fn any_op() -> impl Strategy<Value = Op> {
        let key = proptest::collection::vec(any::<u8>(), 1..20).prop_map(Vec::into_boxed_slice);
        let bytes = proptest::collection::vec(any::<u8>(), 0..60).prop_map(Vec::into_boxed_slice);
        let file = (any::<u64>(), 0..MAX_VALUE_BYTES as u64, any::<u32>())
            .prop_map(|(id, len, crc)| Stored::File(ValueRef { id, len, crc }));
        let stored = prop_oneof![bytes.prop_map(Stored::Inline), file];
        prop_oneof![
            (key.clone(), stored).prop_map(|(key, stored)| Op::Put(key, stored)),
            key.prop_map(Op::Del)
        ]
    }

    proptest! {
        #[test]
        fn an_operation_reads_back_and_is_as_long_as_it_said(op in any_op()) {
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), op.encoded_len());
            prop_assert!(bytes.len() >= MIN_OP_BYTES);
            let mut fields = Fields::new(&bytes);
            prop_assert_eq!(Op::decode(&mut fields), Some(op));
            prop_assert!(fields.rest().is_empty());
        }

        #[test]
        fn any_bytes_are_an_operation_or_none_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            let _ = Op::decode(&mut Fields::new(&bytes));
        }
    }
}
