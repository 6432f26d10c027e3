//! The primitives of the trace file: numbers, byte strings, lists. Reading believes no length: what
//! is not there cannot be asked for, and nothing is allocated for it.

use std::sync::Arc;

/// Appends to a buffer.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A number, seven bits a byte, low bits first.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number that may be negative: the sign in the lowest bit.
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// A byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A byte string with its length before it.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// Why bytes could not be read: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Offset of the byte, from the start of what was read.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Takes from a buffer.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, Unreadable>;

impl<'a> Reader<'a> {
    /// Reads from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What is wrong here.
    pub fn expected<T>(&self, expected: &'static str) -> Read<T> {
        Err(Unreadable { at: self.at, expected })
    }

    /// True at the end.
    pub fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// A byte.
    pub fn byte(&mut self) -> Read<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => self.expected("a byte, and not the end"),
        }
    }

    /// A number in its shortest form.
    pub fn number(&mut self) -> Read<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || byte == 0 && shift > 0 {
                return self.expected("a number of 64 bits in its shortest form");
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        self.expected("a number of 64 bits")
    }

    /// A number that may be negative.
    pub fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Read<u32> {
        let number = self.number()?;
        match u32::try_from(number) {
            Ok(small) => Ok(small),
            Err(_) => self.expected("a number of 32 bits"),
        }
    }

    /// A flag.
    pub fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.expected("0 or 1"),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = self.number()?;
        let left = &self.bytes[self.at..];
        match usize::try_from(len).ok().and_then(|len| left.get(..len)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => self.expected("as many bytes as announced"),
        }
    }

    /// Text in UTF-8.
    pub fn text(&mut self) -> Read<&'a str> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => self.expected("text in UTF-8"),
        }
    }

    /// Shared text.
    pub fn shared(&mut self) -> Read<Arc<str>> {
        self.text().map(Into::into)
    }

    /// A list: its length, then each item of at least one byte.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.number()?;
        if count > (self.bytes.len() - self.at) as u64 {
            return self.expected("as many items as announced");
        }
        (0..count).map(|_| item(self)).collect()
    }
}
