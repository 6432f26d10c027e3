//! A trace, its events and its requests in the primitives of [`super::wire`], both ways: what is put is
//! taken in the same order. One pair of functions a type, each beside the other. File operations are
//! in [`super::encode_op`].

use std::sync::Arc;

use super::cipher::{Cipher, Read, kind_of, put_file, put_kind, put_place, take_file, take_place};
use super::encode_op::{put_op, take_op};
use super::event::{Call, Event, EventKind, Trace, TreeNode};
use super::op::NodeKind;
use super::replay::FILE_BYTES;
use super::sparse::Sparse;
use super::wire::{Reader, Writer};
use crate::base::limits::PAGE_BYTES;
use crate::workload::{Answer, Key, Mutation, OpNo, Request, Value};

/// The kind of node of a regular file with holes, which is held by its runs of pages.
const SPARSE_FILE: u8 = 4;

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
    put_file(w, node.file);
    let runs = node.bytes.runs();
    let whole = match &runs[..] {
        [] => node.bytes.is_empty(),
        [(0, run)] => run.len() as u64 == node.bytes.len(),
        _ => false,
    };
    if whole {
        put_kind(w, &node.node);
        w.number(u64::from(node.mode));
        w.bytes(runs.first().map_or(&[], |(_, run)| run));
    } else {
        w.byte(SPARSE_FILE);
        w.number(u64::from(node.mode));
        w.number(node.bytes.len());
        w.number(runs.len() as u64);
        for (at, run) in &runs {
            w.number(*at);
            w.bytes(run);
        }
    }
}

fn take_node(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<TreeNode> {
    let at = if r.flag()? { Some(take_place(r, cipher)?) } else { None };
    let file = take_file(r)?;
    let kind = r.byte()?;
    if kind == SPARSE_FILE {
        let (node, mode) = (NodeKind::File, r.small()?);
        return Ok(TreeNode { at, file, node, mode, bytes: take_sparse(r)?.into() });
    }
    let (node, mode) = (kind_of(kind, r)?, r.small()?);
    Ok(TreeNode { at, file, node, mode, bytes: Sparse::of(r.bytes()?).into() })
}

/// A file with holes. Its runs are whole pages, so that what is read is not much more than was there.
fn take_sparse(r: &mut Reader<'_>) -> Read<Sparse> {
    let len = r.number()?;
    if len > FILE_BYTES {
        return r.expected("the size of a file");
    }
    let mut sparse = Sparse::default();
    for (at, run) in r.list(|r| Ok((r.number()?, r.bytes()?)))? {
        let end = at.saturating_add(run.len() as u64);
        if at % PAGE_BYTES != 0 || end > len || (end % PAGE_BYTES != 0 && end != len) {
            return r.expected("whole pages of the file");
        }
        sparse.write(at, run);
    }
    sparse.resize(len);
    Ok(sparse)
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
