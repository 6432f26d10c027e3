//! The wire form of the protocol: one line a message, both directions (DRIVER_PROTOCOL.md). Pure:
//! bytes in, values out. Whoever is at the other end is not believed: every line parses or is a
//! [`BadLine`] that says what was expected.

mod reply;
mod request;

use std::borrow::Cow;
use std::fmt;

pub use reply::{Reply, encode_have, encode_reply, parse_reply};
pub use request::{Ask, encode_request, parse_request, word};

/// The number of a request: decimal, from 1 in each process, growing by one.
pub type Id = u64;

/// A line that is not the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The start of the line, readable.
    pub line: String,
    /// What was expected.
    pub why: String,
}

impl BadLine {
    /// How much of the line is quoted.
    const SHOWN_BYTES: usize = 160;

    /// Quotes `line` and says `why`.
    pub fn new(line: &[u8], why: impl Into<String>) -> Self {
        let mut shown = escape(&line[..line.len().min(Self::SHOWN_BYTES)], true).into_owned();
        if line.len() > Self::SHOWN_BYTES {
            shown.push_str(&format!("… ({} bytes)", line.len()));
        }
        Self { line: shown, why: why.into() }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", self.why, self.line)
    }
}

impl std::error::Error for BadLine {}

/// The first field and, where a space follows it, the rest.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    }
}

/// A decimal number without sign, and the rest.
fn number(line: &[u8]) -> Option<(Id, Option<&[u8]>)> {
    let (digits, rest) = split(line);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Bytes as text: what is not UTF-8 becomes `\xNN`, so that two different damages stay different.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => escape(bytes, true),
    }
}

/// True if every byte is printable ASCII, or where allowed a space. Without a branch a byte, so that the
/// compiler looks at many at once: every byte that a dump prints comes by here.
fn is_plain(bytes: &[u8], space: bool) -> bool {
    let first = if space { b' ' } else { b'!' };
    bytes.iter().fold(true, |all, byte| all & (first..=b'~').contains(byte))
}

fn escape(bytes: &[u8], space: bool) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() || (space && byte == b' ');
    if is_plain(bytes, space)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;
