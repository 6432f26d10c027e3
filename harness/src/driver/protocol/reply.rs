//! Replies on the wire: what a driver writes and unplug reads.

use super::{BadLine, Id, escape, is_plain, number, split, text};
use crate::workload::{Key, Value};

/// A line from the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `ack ID [CAPABILITY…]`.
    Ack {
        /// Which request.
        id: Id,
        /// The words after it.
        words: Vec<String>,
    },
    /// `err ID TEXT`.
    Err {
        /// Which request.
        id: Id,
        /// Why.
        text: String,
    },
    /// `refused ID TEXT`.
    Refused {
        /// Which request.
        id: Id,
        /// Why.
        text: String,
    },
    /// `have ID KEY VALUE`.
    Have {
        /// Which dump.
        id: Id,
        /// The key.
        key: Key,
        /// The value.
        value: Value,
    },
    /// `warn TEXT`.
    Warn(String),
}

/// Appends the line of a reply. Bytes that would break the line are escaped as `\xNN`, so that a
/// store that returns damaged bytes is judged for those and not for breaking the protocol.
pub fn encode_reply(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Ack { id, words } => {
            out.extend_from_slice(format!("ack {id}").as_bytes());
            for word in words {
                out.push(b' ');
                out.extend_from_slice(escape(word.as_bytes(), false).as_bytes());
            }
        }
        Reply::Err { id, text } => {
            out.extend_from_slice(format!("err {id} {}", escape(text.as_bytes(), true)).as_bytes());
        }
        Reply::Refused { id, text } => {
            let text = escape(text.as_bytes(), true);
            out.extend_from_slice(format!("refused {id} {text}").as_bytes());
        }
        Reply::Have { id, key, value } => {
            encode_have(out, *id, key.as_str().as_bytes(), value.as_str().as_bytes());
            return;
        }
        Reply::Warn(text) => {
            out.extend_from_slice(b"warn ");
            out.extend_from_slice(escape(text.as_bytes(), true).as_bytes());
        }
    }
    out.push(b'\n');
}

/// Appends a `have` line straight from a store's bytes.
pub fn encode_have(out: &mut Vec<u8>, id: Id, key: &[u8], value: &[u8]) {
    out.reserve(key.len() + value.len() + 32);
    out.extend_from_slice(b"have ");
    out.extend_from_slice(id.to_string().as_bytes());
    for field in [key, value] {
        out.push(b' ');
        if is_plain(field, false) {
            out.extend_from_slice(field);
        } else {
            out.extend_from_slice(escape(field, false).as_bytes());
        }
    }
    out.push(b'\n');
}

/// Reads a line from a driver, without its newline.
pub fn parse_reply(line: &[u8]) -> Result<Reply, BadLine> {
    let bad = |why: &str| BadLine::new(line, why);
    let (word, rest) = split(line);
    if word == b"warn" {
        return Ok(Reply::Warn(text(rest.unwrap_or_default()).into_owned()));
    }
    if !matches!(word, b"ack" | b"err" | b"refused" | b"have") {
        return Err(bad("expected ack, err, refused, have or warn"));
    }
    let (id, rest) = rest
        .and_then(number)
        .ok_or_else(|| bad("expected the number of a request after the first word"))?;
    match word {
        b"ack" => {
            let rest = rest.unwrap_or_default();
            let words = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
            Ok(Reply::Ack { id, words: words.map(|word| text(word).into_owned()).collect() })
        }
        b"err" => Ok(Reply::Err { id, text: text(rest.unwrap_or_default()).into_owned() }),
        b"refused" => Ok(Reply::Refused { id, text: text(rest.unwrap_or_default()).into_owned() }),
        _ => {
            let (key, value) = split(rest.ok_or_else(|| bad("have needs a key and a value"))?);
            let value = value.ok_or_else(|| bad("have needs a value after the key"))?;
            Ok(Reply::Have { id, key: Key::new(text(key)), value: Value::new(text(value)) })
        }
    }
}
