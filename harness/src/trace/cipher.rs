//! The parts that all of a trace is made of (files, places, kinds of nodes) in the primitives of
//! [`super::wire`], both ways: what is put is taken in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{FileId, Name, Place};
use super::op::NodeKind;
use super::wire::{Reader, Unreadable, Writer};

pub(super) type Read<T> = Result<T, Unreadable>;

/// What reading shares: names of calls and files come again and again.
#[derive(Debug, Default)]
pub struct Cipher {
    pub(super) names: BTreeMap<Vec<u8>, Name>,
    pub(super) calls: BTreeMap<String, Arc<str>>,
}

pub(super) fn put_place(w: &mut Writer, place: &Place) {
    w.number(u64::from(place.dir.0));
    w.bytes(&place.name);
}

pub(super) fn take_place(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<Place> {
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

pub(super) fn put_kind(w: &mut Writer, kind: &NodeKind) {
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

pub(super) fn take_kind(r: &mut Reader<'_>) -> Read<NodeKind> {
    let byte = r.byte()?;
    kind_of(byte, r)
}

pub(super) fn kind_of(byte: u8, r: &mut Reader<'_>) -> Read<NodeKind> {
    Ok(match byte {
        0 => NodeKind::File,
        1 => NodeKind::Dir,
        2 => NodeKind::Symlink(r.bytes()?.into()),
        3 => NodeKind::Special,
        _ => return r.expected("a kind of node"),
    })
}

pub(super) fn put_file(w: &mut Writer, file: FileId) {
    w.number(u64::from(file.0));
}

pub(super) fn take_file(r: &mut Reader<'_>) -> Read<FileId> {
    Ok(FileId(r.small()?))
}

pub(super) fn put_maybe(w: &mut Writer, file: Option<FileId>) {
    match file {
        None => w.byte(0),
        Some(file) => {
            w.byte(1);
            put_file(w, file);
        }
    }
}

pub(super) fn take_maybe(r: &mut Reader<'_>) -> Read<Option<FileId>> {
    if r.flag()? { take_file(r).map(Some) } else { Ok(None) }
}
