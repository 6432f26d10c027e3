//! Crash states print as they parse; a loss is the same however it was given.

use super::*;
use proptest::prelude::*;

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        (1u8..0xff).prop_map(|arrived| Form::Sectors { arrived, garbage: false }),
        (0u8..0xff).prop_map(|arrived| Form::Sectors { arrived, garbage: true }),
        any::<u64>().prop_map(Form::Cut),
    ]
}

proptest! {
    #[test]
    fn every_state_parses_back_from_its_text(
        point: u32, pages: Option<u32>,
        lost in proptest::collection::btree_set(0u32..60, 0..30),
        forms in proptest::collection::vec((0u32..60, form()), 0..8),
    ) {
        let lost: Vec<u32> = lost.into_iter().collect();
        let crash = match pages {
            Some(pages) => Crash::Kill { pages },
            None => Crash::Power(Loss::new(&lost, forms.clone())),
        };
        let state = CrashState { point: EventNo(point), crash };
        prop_assert_eq!(state.to_string().parse::<CrashState>().unwrap(), state.clone());
        if let Some(loss) = state.loss() {
            let expected: Vec<u32> = lost.iter().copied()
                .filter(|effect| forms.iter().all(|form| form.0 != *effect)).collect();
            prop_assert_eq!(loss.lost().map(|effect| effect.0).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in "[0-9]{0,3}( (lost|sectors|garbage|cut|kill))? [0-9a-f,:-]{0,20}( cut 1:2)?",
    ) {
        if let Ok(state) = text.parse::<CrashState>() {
            prop_assert_eq!(state.to_string().parse::<CrashState>().unwrap(), state);
        }
    }
}

#[test]
fn the_text_form_is_short() {
    let forms = vec![
        (14, Form::Cut(8192)),
        (12, Form::Sectors { arrived: 15, garbage: false }),
        (13, Form::Sectors { arrived: 0, garbage: true }),
    ];
    let state = CrashState::power(EventNo(57), Loss::new(&[3, 4, 5, 6, 7, 9], forms));
    assert_eq!(state.to_string(), "57 lost 3-7,9 sectors 12:0f garbage 13:00 cut 14:8192");
    assert_eq!(CrashState::kill(EventNo(1)).to_string(), "1 kill");
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "expected a number"),
        ("5 lost", "without its list"),
        ("5 lost 4-2", "rising"),
        ("5 lost 1,1", "rising"),
        ("5 lost 4294967295", "rising"),
        ("5 lost 3 sectors 3:0f", "named twice"),
        ("5 sectors 3:ff", "not a part"),
        ("5 burnt 3", "expected kill, lost"),
        ("5 kill 1 2", "after the end"),
    ] {
        let error = text.parse::<CrashState>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
