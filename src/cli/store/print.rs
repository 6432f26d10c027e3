//! What store commands print: damage, counters, frames.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::failure::Failure;
use crate::store::{LoggedFrame, Op, Stored, verify};

/// Says exactly where damage is, or that there is none.
pub(super) fn check(dir: &Path, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let found = verify(dir)?;
    for damage in &found.damage {
        writeln!(out, "damage: {damage}")?;
    }
    for notice in &found.notices {
        writeln!(out, "note: {notice}")?;
    }
    let (files, frames, keys) = (found.files, found.frames, found.keys);
    if found.damage.is_empty() {
        writeln!(out, "sound: {keys} keys, {frames} frames, {files} files read")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "damaged in {} places; {frames} frames check out", found.damage.len())?;
    Ok(ExitCode::from(1))
}

/// Prints an object's fields, one a line, those of objects inside by their own names.
pub(super) fn print_flat(value: &serde_json::Value, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Object(_) => print_flat(value, out)?,
            serde_json::Value::Null => writeln!(out, "{name:<14} none")?,
            value => writeln!(out, "{name:<14} {value}")?,
        }
    }
    Ok(())
}

/// Prints a frame in a line, with `ops` also what it changes.
pub(super) fn print_frame(frame: &LoggedFrame, ops: bool, out: &mut dyn Write) -> io::Result<()> {
    let head = &frame.head;
    write!(
        out,
        "{:>10}  tx {:<6} {:<12} {:>7} bytes  at {} ns  synced to {}",
        head.position,
        head.transaction,
        head.status.word(),
        frame.length,
        head.timestamp_ns,
        head.durable_to,
    )?;
    if let Some(position) = frame.checkpoint {
        write!(out, "  everything before {position} is in a checkpoint")?;
    }
    if !ops {
        return writeln!(out, "  {} ops", frame.ops.len());
    }
    writeln!(out)?;
    for op in &frame.ops {
        let key = op.key().escape_ascii();
        match op {
            Op::Del(_) => writeln!(out, "{:>12}del {key}", "")?,
            Op::Put(_, Stored::File(file)) => {
                writeln!(
                    out,
                    "{:>12}put {key} = value file {:x}, {} bytes",
                    "", file.id, file.len
                )?;
            }
            Op::Put(_, Stored::Inline(value)) => {
                let start = &value[..value.len().min(60)];
                let more = if value.len() > start.len() { "…" } else { "" };
                writeln!(
                    out,
                    "{:>12}put {key} = {}{more} ({} bytes)",
                    "",
                    start.escape_ascii(),
                    value.len()
                )?;
            }
        }
    }
    Ok(())
}
