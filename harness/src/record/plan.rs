//! What is to strike a recorded run, and where: kills at an exact file operation, calls that fail,
//! calls cut short. The coordinate is the number that the trace gives a call ([`crate::trace::Call::no`]):
//! two runs of the same program make the same calls, if not the same bytes. Prints as it parses:
//!
//! ```text
//! kill-before:12            the twelfth operation never happens
//! kill-inside:12:4096       its first 4096 bytes are written
//! kill-after:12             it happens, and nothing after it
//! fail:34:EIO:once
//! fail:34:EIO:from-then-on  and every later call that can fail so
//! fail:34:ENOSPC:until:50   and every later call before the fiftieth
//! short:12:100              it moves 100 bytes
//! fail:r3:EIO:once          the third call that only looks (recorded with `trace_reads`)
//! ```
//!
//! Operations and looks have counters of their own, so that the number of an operation is the same
//! whether looks are recorded or not.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;

use crate::base::{HarnessError, Result};
use crate::trace::event::LOOK;

/// How long a planned failure lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This call alone.
    Once,
    /// This call and every later one that can fail in the same way: the disk stays broken or full.
    FromThenOn,
    /// The same, up to but without the operation of this number: there is room again.
    Until(u32),
}

/// One thing that strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The whole process tree is killed before this call has any effect.
    KillBefore(u32),
    /// The write is cut short, at the last page boundary of the file that is not beyond `bytes`
    /// bytes of it, and the tree killed. Other calls: as before.
    KillInside {
        /// The call.
        nth: u32,
        /// At most this many bytes are written.
        bytes: u64,
    },
    /// The call happens and the tree is killed before its next step.
    KillAfter(u32),
    /// The call does not happen and returns an error. A sync that fails so is recorded as failed.
    Fail {
        /// The call.
        nth: u32,
        /// The error.
        errno: i32,
        /// How long it lasts.
        extent: Extent,
    },
    /// The call moves only so many bytes and returns their number.
    Short {
        /// The call.
        nth: u32,
        /// At most this many bytes, at least 1.
        bytes: u64,
    },
}

impl Strike {
    /// The call at which it strikes first.
    pub fn nth(&self) -> u32 {
        match *self {
            Strike::KillBefore(nth) | Strike::KillAfter(nth) => nth,
            Strike::KillInside { nth, .. }
            | Strike::Fail { nth, .. }
            | Strike::Short { nth, .. } => nth,
        }
    }
}

/// Everything that strikes one run. Empty: nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub Vec<Strike>);

impl Plan {
    /// Nothing strikes.
    pub fn none() -> Self {
        Self::default()
    }

    /// One thing strikes.
    pub fn one(strike: Strike) -> Self {
        Self(vec![strike])
    }
}

struct Number(u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 & LOOK != 0 { write!(f, "r{}", self.0 & !LOOK) } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Strike::KillBefore(nth) => write!(f, "kill-before:{}", Number(nth)),
            Strike::KillInside { nth, bytes } => write!(f, "kill-inside:{}:{bytes}", Number(nth)),
            Strike::KillAfter(nth) => write!(f, "kill-after:{}", Number(nth)),
            Strike::Fail { nth, errno, extent } => {
                write!(f, "fail:{}:{}:", Number(nth), errno_name(errno))?;
                match extent {
                    Extent::Once => f.write_str("once"),
                    Extent::FromThenOn => f.write_str("from-then-on"),
                    Extent::Until(end) => write!(f, "until:{}", Number(end)),
                }
            }
            Strike::Short { nth, bytes } => write!(f, "short:{}:{bytes}", Number(nth)),
        }
    }
}

/// The symbolic name of an error number, or the number itself.
pub fn errno_name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => errno.to_string(),
        known => format!("{known:?}"),
    }
}

/// The error number of a symbolic name.
pub fn errno_of(name: &str) -> Option<i32> {
    // All error numbers of Linux are below this.
    (1..4096).find(|number| errno_name(*number) == name)
}

impl FromStr for Strike {
    type Err = HarnessError;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |what: &str| {
            HarnessError::input(format!(
                "strike `{text}`: {what}; expected kill-before:N, kill-inside:N:BYTES, \
                 kill-after:N, fail:N:ERRNO:once|from-then-on|until:M or short:N:BYTES"
            ))
        };
        let mut words = text.split(':');
        let mut next = |what: &str| words.next().ok_or_else(|| bad(&format!("no {what}")));
        let number = |word: &str| -> Result<u32> {
            let (mark, digits) = match word.strip_prefix('r') {
                Some(rest) => (LOOK, rest),
                None => (0, word),
            };
            match digits.parse::<u32>() {
                Ok(nth) if nth > 0 && nth < LOOK => Ok(nth | mark),
                _ => Err(bad(&format!("`{word}` is no number of a call"))),
            }
        };
        let bytes = |word: &str| -> Result<u64> {
            word.parse().map_err(|_| bad(&format!("`{word}` is no number of bytes")))
        };
        let verb = next("verb")?;
        let nth = number(next("number")?)?;
        let strike = match verb {
            "kill-before" => Strike::KillBefore(nth),
            "kill-after" => Strike::KillAfter(nth),
            "kill-inside" => Strike::KillInside { nth, bytes: bytes(next("bytes")?)? },
            "short" => Strike::Short { nth, bytes: bytes(next("bytes")?)? },
            "fail" => {
                let name = next("error")?;
                let errno =
                    errno_of(name).ok_or_else(|| bad(&format!("`{name}` is no error of Linux")))?;
                let extent = match next("extent")? {
                    "once" => Extent::Once,
                    "from-then-on" => Extent::FromThenOn,
                    "until" => Extent::Until(number(next("number after until")?)?),
                    other => return Err(bad(&format!("`{other}` is no extent"))),
                };
                Strike::Fail { nth, errno, extent }
            }
            other => return Err(bad(&format!("`{other}` is no strike"))),
        };
        match words.next() {
            Some(extra) => Err(bad(&format!("`{extra}` is too much"))),
            None => Ok(strike),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, strike) in self.0.iter().enumerate() {
            write!(f, "{}{strike}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = HarnessError;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        text.split(',').map(str::parse).collect::<Result<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
