//! Text of programs for people to read: a terminal obeys control characters, and what a program under test
//! prints, or calls its files, may hold any.

use std::borrow::Cow;
use std::fmt::Write;

/// The same text with each control character but the end of a line and the tabulator as `\x1b`, and what
/// turns the direction of writing as `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        let _ = match u32::from(letter) {
            code if is_hidden(letter) && code <= 0xff => write!(shown, "\\x{code:02x}"),
            code if is_hidden(letter) => write!(shown, "\\u{{{code:x}}}"),
            _ => shown.write_char(letter),
        };
    }
    Cow::Owned(shown)
}

fn is_hidden(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (letter.is_control() && letter != '\n' && letter != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        assert_eq!(visible("a\x1b[31m\0\x07\r\n\tz"), "a\\x1b[31m\\x00\\x07\\x0d\n\tz");
        assert_eq!(visible("\u{9b}31m \u{202e}txt"), "\\x9b31m \\u{202e}txt");
        assert!(matches!(visible("été 日本"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_hidden));
        }
    }
}
