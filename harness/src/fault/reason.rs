//! Why a store did not open, in its own words. Pure.

use crate::diagnose::plain;
use crate::oracle::Kind;

/// The reason at the end of a violation's sentence, without numbers and without paths, which differ from one directory to
/// the next; nothing for kinds whose sentences tell of requests, and where the store said nothing.
pub fn reason(kind: Kind, sentence: &str) -> Option<String> {
    use Kind::{RecoveryCrashed, Refused, RefusedUnborn};
    if !matches!(kind, Refused | RefusedUnborn | RecoveryCrashed) {
        return None;
    }
    let (_, text) = sentence.split_once(": ")?;
    let words = text.split_whitespace().filter(|word| !word.contains('/'));
    Some(plain(&words.collect::<Vec<_>>().join(" "))).filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_the_store_said_without_numbers_and_paths() {
        let told = |sentence| reason(Kind::Refused, sentence);
        let one = told("the store does not open after a kill at 207: frame 12 of /a/b: damaged");
        let other =
            told("the store does not open after a power cut at 3: frame 9 of /c/d: damaged");
        assert!(one.is_some() && one == other);
        assert_ne!(one, told("the store does not open after a kill at 207: frame 12 is missing"));
        assert_eq!(told("the store does not open after a kill at 207"), None);
        assert_eq!(reason(Kind::LostAck, "put k1 is lost: the store has the older put"), None);
    }
}
