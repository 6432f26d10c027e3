//! The wire form of the protocol: one line a message, both directions (DRIVER_PROTOCOL.md). Pure:
//! bytes in, values out. Whoever is at the other end is not believed: every line parses or is a
//! [`BadLine`] that says what was expected.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::workload::{Key, Mutation, Request, Value};

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

/// A request as the driver reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its number.
    pub id: Id,
    /// What is asked.
    pub request: Request,
    /// The directory, of `open` alone.
    pub dir: Option<PathBuf>,
}

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

/// Appends the line of a request. `dir` is used by `open` alone and must not hold a newline.
pub fn encode_request(out: &mut Vec<u8>, id: Id, request: &Request, dir: &Path) {
    out.extend_from_slice(id.to_string().as_bytes());
    let mut field = |bytes: &[u8]| {
        out.push(b' ');
        out.extend_from_slice(bytes);
    };
    match request {
        Request::Open => {
            field(b"open");
            field(dir.as_os_str().as_bytes());
        }
        Request::Write(mutation) => encode_mutation(&mut field, mutation),
        Request::Batch(mutations) => {
            field(b"batch");
            mutations.iter().for_each(|mutation| encode_mutation(&mut field, mutation));
        }
        Request::Sync => field(b"sync"),
        Request::Checkpoint => field(b"checkpoint"),
        Request::Dump => field(b"dump"),
        Request::Close => field(b"close"),
    }
    out.push(b'\n');
}

fn encode_mutation(field: &mut impl FnMut(&[u8]), mutation: &Mutation) {
    match mutation {
        Mutation::Put(key, value) => {
            field(b"put");
            field(key.as_str().as_bytes());
            field(value.as_str().as_bytes());
        }
        Mutation::Del(key) => {
            field(b"del");
            field(key.as_str().as_bytes());
        }
    }
}

/// Reads the line of a request, without its newline.
pub fn parse_request(line: &[u8]) -> Result<Ask, BadLine> {
    let bad = |why: &str| BadLine::new(line, why);
    let (id, rest) = number(line).ok_or_else(|| bad("a request starts with its number"))?;
    let (word, rest) = split(rest.ok_or_else(|| bad("a request has a word after its number"))?);
    if word == b"open" {
        let dir =
            rest.filter(|dir| !dir.is_empty()).ok_or_else(|| bad("open needs a directory"))?;
        let dir = Some(PathBuf::from(OsStr::from_bytes(dir)));
        return Ok(Ask { id, request: Request::Open, dir });
    }
    let request = match (word, rest) {
        (b"sync", None) => Request::Sync,
        (b"checkpoint", None) => Request::Checkpoint,
        (b"dump", None) => Request::Dump,
        (b"close", None) => Request::Close,
        (b"sync" | b"checkpoint" | b"dump" | b"close", Some(_)) => {
            return Err(bad("nothing follows this word"));
        }
        (b"put" | b"del", _) => {
            let mut fields = fields(line, 1);
            let mutation = parse_mutation(&mut fields).map_err(bad)?;
            let mutation = mutation.ok_or_else(|| bad("a change is missing"))?;
            if fields.next().is_some() {
                return Err(bad("fields are left over after one change"));
            }
            Request::Write(mutation)
        }
        (b"batch", _) => {
            let mut fields = fields(line, 2);
            let mut mutations: Vec<Mutation> = Vec::new();
            while let Some(mutation) = parse_mutation(&mut fields).map_err(bad)? {
                mutations.push(mutation);
            }
            let mut keys: Vec<&Key> = mutations.iter().map(Mutation::key).collect();
            keys.sort_unstable();
            if mutations.is_empty() {
                return Err(bad("a batch needs at least one put or del"));
            }
            if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(bad("a batch names no key twice"));
            }
            Request::Batch(mutations)
        }
        _ => return Err(bad("expected open, put, del, batch, sync, checkpoint, dump or close")),
    };
    Ok(Ask { id, request, dir: None })
}

fn fields(line: &[u8], skip: usize) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ').skip(skip)
}

fn parse_mutation<'a>(
    fields: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Mutation>, &'static str> {
    let Some(word) = fields.next() else { return Ok(None) };
    let mut text = |what| {
        let bytes = fields.next().filter(|bytes| !bytes.is_empty()).ok_or(what)?;
        if !bytes.iter().all(u8::is_ascii_graphic) {
            return Err("keys and values are printable ASCII without space");
        }
        std::str::from_utf8(bytes).map_err(|_| "keys and values are printable ASCII without space")
    };
    match word {
        b"put" => {
            let key = Key::new(text("put needs a key")?);
            Ok(Some(Mutation::Put(key, Value::new(text("put needs a value")?))))
        }
        b"del" => Ok(Some(Mutation::Del(Key::new(text("del needs a key")?)))),
        _ => Err("expected put or del"),
    }
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
