//! Damages print as they parse, and what is no damage says what was expected.

use super::*;
use proptest::prelude::*;

fn path() -> impl Strategy<Value = PathBuf> {
    let name = proptest::collection::vec(any::<u8>(), 1..8);
    let names = proptest::collection::vec(name, 1..4);
    let path = names.prop_map(|names| path_of(&names.join(&b'/')));
    path.prop_filter("plain", |path| is_plain(path))
}

fn harm() -> impl Strategy<Value = Harm> {
    let len = 1..=RANGE_BYTES;
    prop_oneof![
        (any::<u64>(), 1u8..).prop_map(|(offset, mask)| Harm::Flip { offset, mask }),
        (any::<u64>(), len.clone()).prop_map(|(offset, len)| Harm::Zero { offset, len }),
        (any::<u64>(), len.clone(), any::<u64>()).prop_map(|(offset, len, seed)| Harm::Garbage {
            offset,
            len,
            seed
        }),
        any::<u64>().prop_map(|size| Harm::Truncate { size }),
        len.clone().prop_map(|len| Harm::ExtendZeros { len }),
        (len.clone(), any::<u64>()).prop_map(|(len, seed)| Harm::ExtendGarbage { len, seed }),
        (any::<u64>(), proptest::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(offset, bytes)| Harm::Older { offset, bytes: bytes.into() }),
        (any::<u64>(), len, path(), any::<u64>()).prop_map(|(offset, len, from, from_offset)| {
            Harm::Misdirect { offset, len, from, from_offset }
        }),
        Just(Harm::Missing),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_parses_back((file, harm) in (path(), harm())) {
        let damage = Damage { file, harm };
        prop_assert_eq!(damage.to_string().parse::<Damage>().unwrap(), damage);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in "(flip|zero|older|misdirect|missing|x)( [a-f0-9%./]{0,6}){0,5}|\\PC{0,40}",
    ) {
        if let Ok(damage) = text.parse::<Damage>() {
            prop_assert_eq!(damage.to_string(), text);
        }
    }
}

#[test]
fn what_leads_out_of_the_image_or_asks_for_too_much_is_an_error() {
    for text in [
        "missing ../etc/passwd",
        "missing /etc/passwd",
        "missing a/./b",
        "missing a//b",
        "missing %2e%2e",
        "missing ",
        "missing",
        "flip a 0 00",
        "flip a 0 1",
        "flip a 00 01",
        "zero a 0 99999999999",
        "zero a 0 0",
        "older a 0 0g",
        "older a 0 0",
        "truncate a -1",
        "truncate a 1 2",
        "melt a",
    ] {
        let error = text.parse::<Damage>().unwrap_err();
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}
