//! Values that name themselves: from 40 bytes up a value carries its key, the number of the request
//! that wrote it, its length and a checksum, so that the oracle can say which write a value that came
//! back belongs to, and a person can see it in a hex dump. Shorter ones are plain text.
//!
//! ```text
//! k17.123.4096.0badcafe.Zx3…      KEY.NUMBER.LENGTH.CRC32.FILLER
//! ```
//!
//! The whole value is a function of key, number and length, so its compact form (`text`) is those
//! three. The checksum covers everything but itself.

use super::op::{Key, Value};

/// From this many bytes up a value names itself.
pub const NAMED_BYTES: usize = 40;

/// Filler: 64 printable characters, none of which is the dot that ends the header.
const FILLER: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What a value says of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueName {
    /// The key that it was written to.
    pub key: Key,
    /// The number of the request that wrote it.
    pub number: u64,
    /// Its length in bytes.
    pub len_bytes: usize,
}

impl ValueName {
    /// The value of this name; nothing where the header does not fit or the value would be too short
    /// to name itself.
    pub fn value(&self) -> Option<Value> {
        let head = format!("{}.{}.{}.", self.key, self.number, self.len_bytes);
        let header_len = head.len() + 9;
        if self.len_bytes < NAMED_BYTES || self.len_bytes < header_len {
            return None;
        }
        let tail = filler(xxhash_rust::xxh3::xxh3_64(head.as_bytes()), self.len_bytes - header_len);
        let crc = checksum(&head, &tail);
        Some(Value::new(format!("{head}{crc:08x}.{tail}")))
    }

    /// What `value` says of itself, if it does and its checksum agrees.
    pub fn of(value: &Value) -> Option<ValueName> {
        let text = value.as_str();
        if text.len() < NAMED_BYTES {
            return None;
        }
        let (header, tail) = text.rsplit_once('.')?;
        let (name, crc) = parse_header(header)?;
        let head = &header[..header.len() - 8];
        let right = name.len_bytes == text.len() && crc == checksum(head, tail);
        right.then_some(name)
    }

    /// What the beginning of `value` claims, whether or not the rest agrees: for a sentence about a
    /// damaged value, never for a judgement.
    pub fn claimed(value: &Value) -> Option<ValueName> {
        let start = value.as_str().get(..value.as_str().len().min(120))?;
        let mut dots = start.match_indices('.').map(|(at, _)| at);
        dots.find_map(|at| parse_header(&start[..at])).map(|(name, _)| name)
    }
}

/// `key.number.length.crc` with everything in its one spelling.
fn parse_header(header: &str) -> Option<(ValueName, u32)> {
    let mut fields = header.rsplitn(4, '.');
    // Capitals and a sign would be read too, and a value with a flipped bit would pass for whole.
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let crc = fields.next().filter(|crc| crc.len() == 8 && crc.bytes().all(is_digit))?;
    let len_bytes = canonical(fields.next()?)?;
    let number = canonical(fields.next()?)?;
    let key = fields.next().filter(|key| !key.is_empty())?;
    let crc = u32::from_str_radix(crc, 16).ok()?;
    let len_bytes = usize::try_from(len_bytes).ok()?;
    Some((ValueName { key: Key::from(key), number, len_bytes }, crc))
}

/// A decimal number without sign or leading zeros.
pub(super) fn canonical(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (digits == "0" || !digits.starts_with('0'))).then_some(number)
}

fn checksum(head: &str, tail: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head.as_bytes());
    hasher.update(tail.as_bytes());
    hasher.finalize()
}

/// `len` characters drawn from `seed`: ten from each number of a SplitMix64 stream.
pub(super) fn filler(seed: u64, len: usize) -> String {
    let mut text = String::with_capacity(len + 10);
    let mut state = seed;
    while text.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut draw = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        draw = (draw ^ (draw >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        draw ^= draw >> 31;
        for _ in 0..10 {
            text.push(char::from(FILLER[(draw & 63) as usize]));
            draw >>= 6;
        }
    }
    text.truncate(len);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_has_the_length_it_was_asked_for_and_the_same_bytes_for_ever() {
        let name = ValueName { key: Key::from("k17"), number: 3, len_bytes: 40 };
        let value = name.value().unwrap();
        assert_eq!(value.as_str(), "k17.3.40.b2b327b5.hEP-SldKrbPiSaJnmYwNUn");
    }

    #[test]
    fn a_value_too_short_for_its_header_does_not_name_itself() {
        let name = |key: &str, len_bytes| ValueName { key: Key::from(key), number: 1, len_bytes };
        assert_eq!(name("k", 39).value(), None);
        assert_eq!(name(&"k".repeat(64), 50).value(), None);
        assert!(name(&"k".repeat(64), 100).value().is_some());
    }

    #[test]
    fn a_checksum_has_one_spelling() {
        let name = ValueName { key: Key::from("k17"), number: 3, len_bytes: 40 };
        let text = name.value().unwrap().as_str().to_owned();
        assert!(ValueName::of(&Value::new(text.clone())).is_some());
        let capital = text.replace("b2b327b5", "B2b327b5");
        assert_eq!(ValueName::of(&Value::new(capital)), None);
    }

    #[test]
    fn the_claim_of_a_damaged_value_can_still_be_read() {
        let name = ValueName { key: Key::from("k.1"), number: 9, len_bytes: 64 };
        let mut text = name.value().unwrap().as_str().to_owned();
        text.replace_range(50..51, "!");
        let value = Value::new(text);
        assert_eq!(ValueName::of(&value), None);
        assert_eq!(ValueName::claimed(&value), Some(name));
    }

    proptest! {
        #[test]
        fn every_value_gives_its_name_back(
            key in "[!-~]{1,64}", number: u64, len_bytes in 40usize..3000,
        ) {
            let name = ValueName { key: Key::new(key), number, len_bytes };
            if let Some(value) = name.value() {
                prop_assert_eq!(value.as_str().len(), len_bytes);
                prop_assert!(value.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(ValueName::of(&value), Some(name));
            }
        }

        #[test]
        fn any_changed_character_is_noticed(at in 0usize..200, with in "[!-~]") {
            let name = ValueName { key: Key::from("k1"), number: 5, len_bytes: 200 };
            let value = name.value().unwrap();
            let mut text = value.as_str().to_owned();
            text.replace_range(at..=at, &with);
            if text != value.as_str() {
                prop_assert_ne!(ValueName::of(&Value::new(text)), Some(name));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            let value = Value::new(text);
            let _ = ValueName::of(&value);
            let _ = ValueName::claimed(&value);
        }
    }
}
