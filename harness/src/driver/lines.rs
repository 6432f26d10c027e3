//! Bytes in pieces, lines out, with a limit on the length of one line.

/// A buffer that gives whole lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the first line that was not yet given begins.
    start: usize,
    /// Up to where there is known to be no newline.
    seen: usize,
}

/// A line grew beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The limit in bytes.
    pub limit_bytes: usize,
}

impl Lines {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its newline, if there is one.
    pub fn next_line(&mut self, limit_bytes: usize) -> Result<Option<&[u8]>, TooLong> {
        match memchr::memchr(b'\n', &self.bytes[self.seen..]) {
            Some(at) => {
                let line = self.start..self.seen + at;
                if line.len() > limit_bytes {
                    return Err(TooLong { limit_bytes });
                }
                self.start = line.end + 1;
                self.seen = self.start;
                Ok(Some(&self.bytes[line]))
            }
            None => {
                self.seen = self.bytes.len();
                if self.seen - self.start > limit_bytes {
                    return Err(TooLong { limit_bytes });
                }
                Ok(None)
            }
        }
    }

    /// What stands after the last newline.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_over_the_limit_is_refused_whole_or_not() {
        let mut lines = Lines::default();
        lines.push(b"12345");
        assert_eq!(lines.next_line(4), Err(TooLong { limit_bytes: 4 }));
        let mut lines = Lines::default();
        lines.push(b"12345\n");
        assert_eq!(lines.next_line(4), Err(TooLong { limit_bytes: 4 }));
        let mut lines = Lines::default();
        lines.push(b"1234\n");
        assert_eq!(lines.next_line(4), Ok(Some(&b"1234"[..])));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_were_cut(
            text in "[a-c\n]{0,60}", cuts in proptest::collection::vec(0usize..7, 0..30),
        ) {
            let mut lines = Lines::default();
            let mut given = Vec::new();
            let mut left = text.as_bytes();
            let mut cuts = cuts.into_iter().cycle();
            while !left.is_empty() {
                let (piece, rest) = left.split_at(cuts.next().unwrap_or(1).clamp(1, left.len()));
                lines.push(piece);
                left = rest;
                while let Some(line) = lines.next_line(100).unwrap() {
                    given.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            let mut expected: Vec<&str> = text.split('\n').collect();
            let rest = expected.pop().unwrap_or_default();
            prop_assert_eq!(given, expected);
            prop_assert_eq!(lines.rest(), rest.as_bytes());
        }
    }
}
