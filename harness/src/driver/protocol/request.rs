//! Requests on the wire: what unplug writes and a driver reads.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{BadLine, Id, number, split};
use crate::workload::{Key, Mutation, Request, Value};

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

/// The word that a request has on the wire.
pub fn word(request: &Request) -> &'static str {
    match request {
        Request::Open => "open",
        Request::Write(crate::workload::Mutation::Put(..)) => "put",
        Request::Write(crate::workload::Mutation::Del(_)) => "del",
        Request::Batch(_) => "batch",
        Request::Sync => "sync",
        Request::Checkpoint => "checkpoint",
        Request::Dump => "dump",
        Request::Close => "close",
    }
}
