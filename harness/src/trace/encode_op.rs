//! File operations in the primitives of [`super::wire`], both ways: what is put is taken in the same
//! order. What a trace holds besides them is [`super::encode`].

use super::cipher::{
    Cipher, Read, put_file, put_kind, put_maybe, put_place, take_file, take_kind, take_maybe,
    take_place,
};
use super::op::{FileOp, ResizeHow, SyncScope, Via, WriteSync};
use super::wire::{Reader, Writer};

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

pub(super) fn put_op(w: &mut Writer, op: &FileOp) {
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

pub(super) fn take_op(r: &mut Reader<'_>, cipher: &mut Cipher) -> Read<FileOp> {
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
