//! The trace as text, in the manner of strace: one line an event, with file names, offsets, lengths,
//! requests and answers on one timeline. For people; nothing reads it back.
//!
//! ```text
//! event thread   call
//!     0      -      - > 0 open
//!     1      1     #1 openat create "log" mode 0644 = 3
//!     2      1     #2 pwrite64 "log" 0+4096 "aaaaaaaaaaaaaaaaaaaaaaaa"… = 4096
//!     3      1     #3 fdatasync "log" = 0
//!     4      1      - < 0 ack
//! ```

use std::fmt::{self, Write};

use super::event::{Call, Event, EventKind, LOOK, Trace};
use super::op::{FileOp, NodeKind, ResizeHow, SyncScope, Via, WriteSync};
use super::paths::Paths;
use crate::workload::{Answer, Mutation, Request};

/// How many bytes of a write are shown.
const SHOWN_BYTES: usize = 24;

/// The whole trace as text.
pub fn text(trace: &Trace) -> String {
    let mut out = String::from("event thread   call\n");
    let mut paths = Paths::new(trace);
    for (index, event) in trace.events.iter().enumerate() {
        let _ = write!(out, "{index:>5} ");
        let _ = line(&mut out, event, &mut paths);
        out.push('\n');
    }
    for (name, count) in &trace.unmodelled {
        let _ = writeln!(out, "not modelled: {name}, {count} times");
    }
    for what in &trace.blind {
        let _ = writeln!(out, "not seen: {what}");
    }
    out
}

/// One event as text, without its number. `paths` is the moment before it, and afterwards after it.
pub fn line(out: &mut impl Write, event: &Event, paths: &mut Paths) -> fmt::Result {
    match event.thread {
        0 => write!(out, "{:>6} ", "-")?,
        thread => write!(out, "{thread:>6} ")?,
    }
    match &event.kind {
        EventKind::Call(call) => {
            match call.no {
                0 => write!(out, "{:>6} ", "-")?,
                no if no & LOOK != 0 => write!(out, "{:>6} ", format!("r{}", no & !LOOK))?,
                no => write!(out, "{:>6} ", format!("#{no}"))?,
            }
            write_call(out, call, paths)?;
            paths.apply(&call.op);
            Ok(())
        }
        other => {
            write!(out, "{:>6} ", "-")?;
            match other {
                EventKind::Request { op, request } => {
                    write!(out, "> {} ", op.0)?;
                    write_request(out, request)
                }
                EventKind::Reply { op, answer } => match answer {
                    Answer::Ack => write!(out, "< {} ack", op.0),
                    Answer::Err(text) => write!(out, "< {} err {}", op.0, text.escape_debug()),
                    Answer::Refused(text) => {
                        write!(out, "< {} refused {}", op.0, text.escape_debug())
                    }
                },
                EventKind::Line(text) => write!(out, "printed {text:?}"),
                EventKind::Warn(text) => write!(out, "< warn {}", text.escape_debug()),
                EventKind::Exit(text) => write!(out, "{}", text.escape_debug()),
                EventKind::Call(_) => Ok(()),
            }
        }
    }
}

fn write_request(out: &mut impl Write, request: &Request) -> fmt::Result {
    match request {
        Request::Open => out.write_str("open"),
        Request::Write(mutation) => write_mutation(out, mutation),
        Request::Batch(mutations) => {
            out.write_str("batch")?;
            for mutation in mutations {
                out.write_char(' ')?;
                write_mutation(out, mutation)?;
            }
            Ok(())
        }
        Request::Sync => out.write_str("sync"),
        Request::Checkpoint => out.write_str("checkpoint"),
        Request::Dump => out.write_str("dump"),
        Request::Close => out.write_str("close"),
    }
}

fn write_mutation(out: &mut impl Write, mutation: &Mutation) -> fmt::Result {
    match mutation {
        // The debug form of a value is cut to a readable length.
        Mutation::Put(key, value) => write!(out, "put {key} {value:?}"),
        Mutation::Del(key) => write!(out, "del {key}"),
    }
}

fn write_call(out: &mut impl Write, call: &Call, paths: &Paths) -> fmt::Result {
    write!(out, "{} ", call.name)?;
    match &call.op {
        FileOp::Create { at, node, mode, .. } => {
            write!(out, "create \"{}\" ", paths.place(at))?;
            match node {
                NodeKind::File => write!(out, "mode {mode:04o}")?,
                NodeKind::Dir => write!(out, "directory, mode {mode:04o}")?,
                NodeKind::Symlink(target) => write!(out, "-> \"{}\"", target.escape_ascii())?,
                NodeKind::Special => write!(out, "special")?,
            }
        }
        FileOp::CreateUnnamed { file, mode } => {
            write!(out, "create <unnamed {}> mode {mode:04o}", file.0)?;
        }
        FileOp::Link { at, file } => {
            write!(out, "\"{}\" to \"{}\"", paths.place(at), paths.path(*file))?;
        }
        FileOp::Unlink { at, .. } => write!(out, "\"{}\"", paths.place(at))?,
        FileOp::Rename { from, to, replaced, .. } => {
            write!(out, "\"{}\" to \"{}\"", paths.place(from), paths.place(to))?;
            if replaced.is_some() {
                out.write_str(" over what was there")?;
            }
        }
        FileOp::Exchange { a, b, .. } => {
            write!(out, "exchange \"{}\" and \"{}\"", paths.place(a), paths.place(b))?;
        }
        FileOp::Write { file, offset, bytes, sync, via } => {
            write!(out, "\"{}\" {offset}+{}", paths.path(*file), bytes.len())?;
            match sync {
                WriteSync::None => {}
                WriteSync::Data => out.write_str(" dsync")?,
                WriteSync::Full => out.write_str(" sync")?,
            }
            if *via == Via::Mapping {
                out.write_str(" mapped")?;
            }
            let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
            let more = if shown.len() < bytes.len() { "…" } else { "" };
            write!(out, " \"{}\"{more}", shown.escape_ascii())?;
        }
        FileOp::Resize { file, from, to, how } => {
            let how = match how {
                ResizeHow::Truncate => "size",
                ResizeHow::OpenTruncate => "O_TRUNC size",
                ResizeHow::Allocate => "allocate size",
            };
            write!(out, "\"{}\" {how} {from} to {to}", paths.path(*file))?;
        }
        FileOp::Allocate { file, offset, len } => {
            write!(out, "\"{}\" allocate {offset}+{len}", paths.path(*file))?;
        }
        FileOp::Zero { file, offset, len } => {
            write!(out, "\"{}\" zero {offset}+{len}", paths.path(*file))?;
        }
        FileOp::Sync { file, scope } | FileOp::FailedSync { file, scope } => {
            write!(out, "\"{}\"", paths.path(*file))?;
            if let SyncScope::Range { offset, len } = scope {
                write!(out, " {offset}+{len}")?;
            }
        }
        FileOp::SyncAll => out.write_str("everything")?,
        FileOp::Nothing { file } | FileOp::Failed { file } => {
            if let Some(file) = file {
                write!(out, "\"{}\"", paths.path(*file))?;
            }
        }
    }
    if call.no == 0 {
        return Ok(());
    }
    write!(out, " = {}", call.result)?;
    if call.injected {
        out.write_str(" (planned)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::samples;
    use crate::trace::{FileId, Place};
    use crate::workload::OpNo;
    use proptest::prelude::*;

    #[test]
    fn the_example_in_the_head_of_this_file_is_what_is_printed() {
        let file = FileId(1);
        let at = Place { dir: FileId::ROOT, name: b"log".as_slice().into() };
        let event = |thread, kind| Event { thread, kind, stack: Arc::default() };
        let call = |no, name: &str, result, op| {
            event(1, EventKind::Call(Call { no, name: name.into(), result, injected: false, op }))
        };
        let create = FileOp::Create { at, file, node: NodeKind::File, mode: 0o644 };
        let (bytes, sync) = (vec![b'a'; 4096].into(), WriteSync::None);
        let trace = Trace {
            events: vec![
                event(0, EventKind::Request { op: OpNo(0), request: Request::Open }),
                call(1, "openat", 3, create),
                call(
                    2,
                    "pwrite64",
                    4096,
                    FileOp::Write { file, offset: 0, bytes, sync, via: Via::Call },
                ),
                call(3, "fdatasync", 0, FileOp::Sync { file, scope: SyncScope::Data }),
                event(1, EventKind::Reply { op: OpNo(0), answer: Answer::Ack }),
            ],
            ..Trace::default()
        };
        let expected = "\
event thread   call
    0      -      - > 0 open
    1      1     #1 openat create \"log\" mode 0644 = 3
    2      1     #2 pwrite64 \"log\" 0+4096 \"aaaaaaaaaaaaaaaaaaaaaaaa\"… = 4096
    3      1     #3 fdatasync \"log\" = 0
    4      1      - < 0 ack
";
        assert_eq!(text(&trace), expected);
    }

    proptest! {
        #[test]
        fn every_trace_has_one_line_an_event(trace in samples::trace()) {
            let text = text(&trace);
            let lines = 1 + trace.events.len() + trace.unmodelled.len() + trace.blind.len();
            prop_assert_eq!(text.lines().count(), lines);
        }
    }
}
