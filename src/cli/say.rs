//! Standard output. What cannot be written is an error with a sentence; a reader that went away has
//! read enough.

use std::fmt;
use std::io::{ErrorKind, Write};

use unplug_harness::base::{HarnessError, Result, visible};

/// Writes a line.
pub fn line(text: fmt::Arguments<'_>) -> Result<()> {
    whole(&format!("{text}\n"))
}

/// Writes a line to standard error. Where that takes nothing there is nobody left to tell.
pub fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(text));
}

/// Writes a text that ends its own lines.
pub fn whole(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(visible(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(&error)),
        _ => Ok(()),
    }
}

/// The error of a standard output that takes nothing more: it is the caller's, and full or gone.
pub fn unwritten(error: &std::io::Error) -> HarnessError {
    HarnessError::input(format!("standard output: cannot be written to: {error}"))
}
