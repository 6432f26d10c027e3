//! Bytes as one word of text: `%`, space and what is not printable ASCII stand as `%` and two hexadecimal
//! digits.

/// The word for these bytes.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'%' => text.push_str("%25"),
            _ if byte.is_ascii_graphic() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text
}

/// The bytes of a word; nothing where a `%` has no two digits after it.
pub fn unescape(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = rest.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_the_same_after_they_were_a_word(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let word = escape(&bytes);
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(unescape(&word), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            unescape(&text);
        }
    }

    #[test]
    fn half_an_escape_is_none() {
        for word in ["%", "%2", "a%+f", "%g0"] {
            assert_eq!(unescape(word), None, "{word}");
        }
    }
}
