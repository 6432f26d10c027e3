//! Every type of a trace in the primitives of [`super::wire`], both ways: what is put is taken in the
//! same order. One pair of functions a type, each beside the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{
    Call, Event, EventKind, FileId, FileOp, Name, NodeKind, Place, ResizeHow, SyncScope, Trace,
    TreeNode, Via, WriteSync,
};
use super::wire::{Reader, Unreadable, Writer};
use crate::workload::{Answer, Key, Mutation, OpNo, Request, Value};

type Read<T> = Result<T, Unreadable>;

/// What reading shares: names of calls and files come again and again.
#[derive(Debug, Default)]
pub struct Cipher {
    names: BTreeMap<Vec<u8>, Name>,
    calls: BTreeMap<String, Arc<str>>,
}

pub fn put_trace(w: &mut Writer, trace: &Trace) {
    w.number(trace.initial.len() as u64);
    for node in &trace.initial {
        put_node(w, node);
    }
    w.number(trace.events.len() as u64);
    for event in &trace.events {
        put_event(w, event);
    }
    w.number(trace.unmodelled.len() as u64);
    for (name, count) in &trace.unmodelled {
        w.bytes(name.as_bytes());
        w.number(*count);
    }
    w.number(trace.blind.len() as u64);
    for text in &trace.blind {
        w.bytes(text.as_bytes());
    }
}

pub fn take_trace(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<Trace> {
    Ok(Trace {
        initial: r.list(|r| take_node(r, cipher))?,
        events: r.list(|r| take_event(r, cipher))?,
        unmodelled: r.list(|r| Ok((r.text()?.to_string(), r.number()?)))?.into_iter().collect(),
        blind: r.list(|r| r.text().map(str::to_string))?,
    })
}

fn put_node(w: &mut Writer, node: &TreeNode) {
    match &node.at {
        None => w.byte(0),
        Some(at) => {
            w.byte(1);
            put_place(w, at);
        }
    }
    w.number(u64::from(node.file.0));
    put_kind(w, &node.node);
    w.number(u64::from(node.mode));
    w.bytes(&node.bytes);
}

fn take_node(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<TreeNode> {
    Ok(TreeNode {
        at: if r.flag()? { Some(take_place(r, cipher)?) } else { None },
        file: take_file(r)?,
        node: take_kind(r)?,
        mode: r.small()?,
        bytes: r.bytes()?.into(),
    })
}

fn put_place(w: &mut Writer, place: &Place) {
    w.number(u64::from(place.dir.0));
    w.bytes(&place.name);
}

fn take_place(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<Place> {
    let dir = take_file(r)?;
    let name = r.bytes()?;
    let bad = matches!(name, b"" | b"." | b"..") || name.iter().any(|b| matches!(b, b'/' | 0));
    if bad {
        return r.expected("a name: not empty, not `.` or `..`, without `/` and NUL");
    }
    let name = match cipher.names.get(name) {
        Some(known) => known.clone(),
        None => {
            let shared: Name = name.into();
            cipher.names.insert(name.to_vec(), shared.clone());
            shared
        }
    };
    Ok(Place { dir, name })
}

fn put_kind(w: &mut Writer, kind: &NodeKind) {
    match kind {
        NodeKind::File => w.byte(0),
        NodeKind::Dir => w.byte(1),
        NodeKind::Symlink(target) => {
            w.byte(2);
            w.bytes(target);
        }
        NodeKind::Special => w.byte(3),
    }
}

fn take_kind(r: &mut Reader<'_>) -> Read<NodeKind> {
    Ok(match r.byte()? {
        0 => NodeKind::File,
        1 => NodeKind::Dir,
        2 => NodeKind::Symlink(r.bytes()?.into()),
        3 => NodeKind::Special,
        _ => return r.expected("a kind of node"),
    })
}

fn put_event(w: &mut Writer, event: &Event) {
    w.number(u64::from(event.thread));
    w.number(event.stack.len() as u64);
    for address in event.stack.iter() {
        w.number(*address);
    }
    match &event.kind {
        EventKind::Request { op, request } => {
            w.byte(0);
            w.number(u64::from(op.0));
            put_request(w, request);
        }
        EventKind::Reply { op, answer } => {
            w.byte(1);
            w.number(u64::from(op.0));
            match answer {
                Answer::Ack => w.byte(0),
                Answer::Err(text) => {
                    w.byte(1);
                    w.bytes(text.as_bytes());
                }
                Answer::Refused(text) => {
                    w.byte(2);
                    w.bytes(text.as_bytes());
                }
            }
        }
        EventKind::Line(text) => {
            w.byte(2);
            w.bytes(text.as_bytes());
        }
        EventKind::Warn(text) => {
            w.byte(3);
            w.bytes(text.as_bytes());
        }
        EventKind::Exit(text) => {
            w.byte(4);
            w.bytes(text.as_bytes());
        }
        EventKind::Call(call) => {
            w.byte(5);
            w.number(u64::from(call.no));
            w.bytes(call.name.as_bytes());
            w.signed(call.result);
            w.byte(u8::from(call.injected));
            put_op(w, &call.op);
        }
    }
}

fn take_event(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<Event> {
    let thread = r.small()?;
    let stack = r.list(Reader::number)?.into();
    let kind = match r.byte()? {
        0 => EventKind::Request { op: OpNo(r.small()?), request: take_request(r)? },
        1 => {
            let op = OpNo(r.small()?);
            let answer = match r.byte()? {
                0 => Answer::Ack,
                1 => Answer::Err(r.text()?.to_string()),
                2 => Answer::Refused(r.text()?.to_string()),
                _ => return r.expected("a kind of answer"),
            };
            EventKind::Reply { op, answer }
        }
        2 => EventKind::Line(r.shared()?),
        3 => EventKind::Warn(r.shared()?),
        4 => EventKind::Exit(r.shared()?),
        5 => {
            let no = r.small()?;
            let name = r.text()?;
            let name = match cipher.calls.get(name) {
                Some(known) => known.clone(),
                None => {
                    let shared: Arc<str> = name.into();
                    cipher.calls.insert(name.to_string(), shared.clone());
                    shared
                }
            };
            let (result, injected) = (r.signed()?, r.flag()?);
            EventKind::Call(Call { no, name, result, injected, op: take_op(r, cipher)? })
        }
        _ => return r.expected("a kind of event"),
    };
    Ok(Event { thread, kind, stack })
}

fn put_request(w: &mut Writer, request: &Request) {
    match request {
        Request::Open => w.byte(0),
        Request::Write(mutation) => {
            w.byte(1);
            put_mutation(w, mutation);
        }
        Request::Batch(mutations) => {
            w.byte(2);
            w.number(mutations.len() as u64);
            for mutation in mutations {
                put_mutation(w, mutation);
            }
        }
        Request::Sync => w.byte(3),
        Request::Checkpoint => w.byte(4),
        Request::Dump => w.byte(5),
        Request::Close => w.byte(6),
    }
}

fn take_request(r: &mut Reader<'_>) -> Read<Request> {
    Ok(match r.byte()? {
        0 => Request::Open,
        1 => Request::Write(take_mutation(r)?),
        2 => Request::Batch(r.list(take_mutation)?),
        3 => Request::Sync,
        4 => Request::Checkpoint,
        5 => Request::Dump,
        6 => Request::Close,
        _ => return r.expected("a kind of request"),
    })
}

fn put_mutation(w: &mut Writer, mutation: &Mutation) {
    match mutation {
        Mutation::Put(key, value) => {
            w.byte(0);
            w.bytes(key.as_str().as_bytes());
            w.bytes(value.as_str().as_bytes());
        }
        Mutation::Del(key) => {
            w.byte(1);
            w.bytes(key.as_str().as_bytes());
        }
    }
}

fn take_mutation(r: &mut Reader<'_>) -> Read<Mutation> {
    Ok(match r.byte()? {
        0 => Mutation::Put(Key::new(r.text()?), Value::new(r.text()?)),
        1 => Mutation::Del(Key::new(r.text()?)),
        _ => return r.expected("a kind of change"),
    })
}

fn put_file(w: &mut Writer, file: FileId) {
    w.number(u64::from(file.0));
}

fn take_file(r: &mut Reader<'_>) -> Read<FileId> {
    Ok(FileId(r.small()?))
}

fn put_maybe(w: &mut Writer, file: Option<FileId>) {
    match file {
        None => w.byte(0),
        Some(file) => {
            w.byte(1);
            put_file(w, file);
        }
    }
}

fn take_maybe(r: &mut Reader<'_>) -> Read<Option<FileId>> {
    if r.flag()? { take_file(r).map(Some) } else { Ok(None) }
}

fn put_scope(w: &mut Writer, scope: SyncScope) {
    match scope {
        SyncScope::Full => w.byte(0),
        SyncScope::Data => w.byte(1),
        SyncScope::Range { offset, len } => {
            w.byte(2);
            w.number(offset);
            w.number(len);
        }
    }
}

fn take_scope(r: &mut Reader<'_>) -> Read<SyncScope> {
    Ok(match r.byte()? {
        0 => SyncScope::Full,
        1 => SyncScope::Data,
        2 => SyncScope::Range { offset: r.number()?, len: r.number()? },
        _ => return r.expected("a scope of a sync"),
    })
}

fn put_op(w: &mut Writer, op: &FileOp) {
    match op {
        FileOp::Create { at, file, node, mode } => {
            w.byte(0);
            put_place(w, at);
            put_file(w, *file);
            put_kind(w, node);
            w.number(u64::from(*mode));
        }
        FileOp::CreateUnnamed { file, mode } => {
            w.byte(1);
            put_file(w, *file);
            w.number(u64::from(*mode));
        }
        FileOp::Link { at, file } => {
            w.byte(2);
            put_place(w, at);
            put_file(w, *file);
        }
        FileOp::Unlink { at, file } => {
            w.byte(3);
            put_place(w, at);
            put_file(w, *file);
        }
        FileOp::Rename { from, to, file, replaced } => {
            w.byte(4);
            put_place(w, from);
            put_place(w, to);
            put_file(w, *file);
            put_maybe(w, *replaced);
        }
        FileOp::Exchange { a, b, file_a, file_b } => {
            w.byte(5);
            put_place(w, a);
            put_place(w, b);
            put_file(w, *file_a);
            put_file(w, *file_b);
        }
        FileOp::Write { file, offset, bytes, sync, via } => {
            w.byte(6);
            put_file(w, *file);
            w.number(*offset);
            w.bytes(bytes);
            w.byte(match sync {
                WriteSync::None => 0,
                WriteSync::Data => 1,
                WriteSync::Full => 2,
            });
            w.byte(u8::from(*via == Via::Mapping));
        }
        FileOp::Resize { file, from, to, how } => {
            w.byte(7);
            put_file(w, *file);
            w.number(*from);
            w.number(*to);
            w.byte(match how {
                ResizeHow::Truncate => 0,
                ResizeHow::OpenTruncate => 1,
                ResizeHow::Allocate => 2,
            });
        }
        FileOp::Allocate { file, offset, len } => {
            w.byte(8);
            put_file(w, *file);
            w.number(*offset);
            w.number(*len);
        }
        FileOp::Zero { file, offset, len } => {
            w.byte(9);
            put_file(w, *file);
            w.number(*offset);
            w.number(*len);
        }
        FileOp::Sync { file, scope } => {
            w.byte(10);
            put_file(w, *file);
            put_scope(w, *scope);
        }
        FileOp::SyncAll => w.byte(11),
        FileOp::FailedSync { file, scope } => {
            w.byte(12);
            put_file(w, *file);
            put_scope(w, *scope);
        }
        FileOp::Nothing { file } => {
            w.byte(13);
            put_maybe(w, *file);
        }
        FileOp::Failed { file } => {
            w.byte(14);
            put_maybe(w, *file);
        }
    }
}

fn take_op(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<FileOp> {
    Ok(match r.byte()? {
        0 => FileOp::Create {
            at: take_place(r, cipher)?,
            file: take_file(r)?,
            node: take_kind(r)?,
            mode: r.small()?,
        },
        1 => FileOp::CreateUnnamed { file: take_file(r)?, mode: r.small()? },
        2 => FileOp::Link { at: take_place(r, cipher)?, file: take_file(r)? },
        3 => FileOp::Unlink { at: take_place(r, cipher)?, file: take_file(r)? },
        4 => FileOp::Rename {
            from: take_place(r, cipher)?,
            to: take_place(r, cipher)?,
            file: take_file(r)?,
            replaced: take_maybe(r)?,
        },
        5 => FileOp::Exchange {
            a: take_place(r, cipher)?,
            b: take_place(r, cipher)?,
            file_a: take_file(r)?,
            file_b: take_file(r)?,
        },
        6 => FileOp::Write {
            file: take_file(r)?,
            offset: r.number()?,
            bytes: r.bytes()?.into(),
            sync: match r.byte()? {
                0 => WriteSync::None,
                1 => WriteSync::Data,
                2 => WriteSync::Full,
                _ => return r.expected("a durability of a write"),
            },
            via: if r.flag()? { Via::Mapping } else { Via::Call },
        },
        7 => FileOp::Resize {
            file: take_file(r)?,
            from: r.number()?,
            to: r.number()?,
            how: match r.byte()? {
                0 => ResizeHow::Truncate,
                1 => ResizeHow::OpenTruncate,
                2 => ResizeHow::Allocate,
                _ => return r.expected("a way to set a size"),
            },
        },
        8 => FileOp::Allocate { file: take_file(r)?, offset: r.number()?, len: r.number()? },
        9 => FileOp::Zero { file: take_file(r)?, offset: r.number()?, len: r.number()? },
        10 => FileOp::Sync { file: take_file(r)?, scope: take_scope(r)? },
        11 => FileOp::SyncAll,
        12 => FileOp::FailedSync { file: take_file(r)?, scope: take_scope(r)? },
        13 => FileOp::Nothing { file: take_maybe(r)? },
        14 => FileOp::Failed { file: take_maybe(r)? },
        _ => return r.expected("a kind of operation"),
    })
}
