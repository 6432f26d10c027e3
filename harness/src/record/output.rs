//! What the program prints on its standard output, seen at the entry of the write: whole lines become
//! replies, warnings or, in the whole-program form, promises on the timeline.

use crate::base::limits::{LINE_BYTES, PRINTED_BYTES, PRINTED_LINES};
use crate::driver::protocol::{self, Reply};
use crate::trace::EventKind;
use crate::workload::Answer;

use super::timeline::State;

/// How the program's output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// As the driver protocol.
    Protocol,
    /// As plain lines, each of them a promise.
    Lines,
}

/// The output so far that is not yet a whole line.
#[derive(Debug)]
pub struct Output {
    speech: Speech,
    rest: Vec<u8>,
    /// Bytes and lines that were printed.
    bytes: u64,
    lines: u64,
    /// A line is longer than any may be: the session will say so; nothing more is read here.
    lost: bool,
}

impl Output {
    /// Nothing was printed yet.
    pub fn new(speech: Speech) -> Self {
        Self { speech, rest: Vec::new(), bytes: 0, lines: 0, lost: false }
    }

    /// Takes what one write prints and returns what it says.
    pub fn push(&mut self, bytes: &[u8], state: &mut State) -> Vec<EventKind> {
        let mut said = Vec::new();
        if self.lost {
            return said;
        }
        if self.speech == Speech::Lines && self.is_beyond_limits(bytes, state) {
            return said;
        }
        let mut from = self.rest.len();
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(at) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            let line = &self.rest[start..from + at];
            said.extend(match self.speech {
                Speech::Protocol => reply(line, state),
                Speech::Lines => Some(EventKind::Line(String::from_utf8_lossy(line).into())),
            });
            from += at + 1;
            start = from;
        }
        self.rest.drain(..start);
        self.lost = self.rest.len() > LINE_BYTES;
        said
    }

    /// True if a whole program prints more than any may: it is ended then.
    fn is_beyond_limits(&mut self, bytes: &[u8], state: &mut State) -> bool {
        self.bytes += bytes.len() as u64;
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let most = if self.bytes > PRINTED_BYTES {
            format!("{} MiB", PRINTED_BYTES >> 20)
        } else if self.lines > PRINTED_LINES {
            format!("{PRINTED_LINES} lines")
        } else if self.rest.len() + bytes.len() > LINE_BYTES && !bytes.contains(&b'\n') {
            format!("{} MiB in one line", LINE_BYTES >> 20)
        } else {
            return false;
        };
        state.fill(format!("the workload prints more than {most} on its standard output"));
        self.lost = true;
        true
    }
}

/// What a line says, if it is about something that was asked. Lines that break the protocol are the
/// session's to complain of.
fn reply(line: &[u8], state: &mut State) -> Option<EventKind> {
    if line.starts_with(b"have ") {
        return None;
    }
    let (id, answer) = match protocol::parse_reply(line).ok()? {
        Reply::Ack { id, .. } => (id, Answer::Ack),
        Reply::Err { id, text } => (id, Answer::Err(text)),
        Reply::Refused { id, text } => (id, Answer::Refused(text)),
        Reply::Warn(text) => return Some(EventKind::Warn(text.into())),
        Reply::Have { .. } => return None,
    };
    let op = state.ids.remove(&id)?;
    state.outstanding = state.outstanding.saturating_sub(1);
    Some(EventKind::Reply { op, answer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::OpNo;

    #[test]
    fn a_reply_counts_when_its_newline_is_written_and_only_once() {
        let mut state = State { outstanding: 1, ..State::default() };
        state.ids.insert(1, OpNo(7));
        let mut output = Output::new(Speech::Protocol);
        assert_eq!(output.push(b"warn care\nack", &mut state), [EventKind::Warn("care".into())]);
        assert_eq!(output.push(b" 1", &mut state), []);
        let reply = EventKind::Reply { op: OpNo(7), answer: Answer::Ack };
        assert_eq!(output.push(b"\nack 1\nack 99\n", &mut state), [reply]);
        assert_eq!(state.outstanding, 0);
    }

    #[test]
    fn a_program_that_prints_without_end_is_ended() {
        for piece in [&b"y\n"[..], &[b'x'; 4096]] {
            let (mut output, mut state) = (Output::new(Speech::Lines), State::default());
            let most = PRINTED_BYTES.max(PRINTED_LINES) / piece.len() as u64 + 1;
            let mut lines = 0;
            for _ in 0..most {
                lines += output.push(piece, &mut state).len() as u64;
            }
            assert!(state.full.is_some() && state.killed, "{}", piece.len());
            assert!(lines <= PRINTED_LINES);
            assert_eq!(output.push(b"more\n", &mut state), []);
        }
    }

    #[test]
    fn lines_of_one_write_keep_their_order() {
        let mut output = Output::new(Speech::Lines);
        let said = output.push(b"one\ntwo\nth", &mut State::default());
        assert_eq!(said, [EventKind::Line("one".into()), EventKind::Line("two".into())]);
    }
}
