//! Scenario files read, and the errors that name their fields.

use super::*;
use crate::scenario::{HistoryText, MediaStrike};

fn sample(case: Option<Case>) -> Scenario {
    Scenario {
        about: "A store that forgets.".into(),
        target: TargetText::Engine("canary:forgetful".into()),
        options: Options { seed: 9, extent: Extent::Cases(5), ..Options::default() },
        case,
        recorded: None,
        expect: Expect { outcome: Outcome::Violated, kind: Some("lost-ack".into()) },
    }
}

#[test]
fn a_scenario_parses_back_from_what_it_prints() {
    let media = MediaStrike {
        history: HistoryText::default(),
        base: "base".into(),
        damages: vec!["flip log 3 1".into()],
        ..MediaStrike::default()
    };
    let case = Case { strike: Strike::Media(media), ..Case::default() };
    for scenario in [sample(None), sample(Some(case)), sample(Some(Case::default()))] {
        assert_eq!(Scenario::parse(&scenario.print()).unwrap(), scenario);
    }
}

#[test]
fn what_is_wrong_in_a_scenario_is_named() {
    let good = r#"{"unplug":1,"target":{"engine":"builtin"},"expect":{"outcome":"held"}}"#;
    assert!(Scenario::parse(good).is_ok());
    let cases = [
        ("[]", "not a JSON object"),
        (r#"{"unplug":2}"#, "unplug: version 2: expected 1"),
        ("{}", "unplug: missing"),
        (&good.replace("\"held\"", "\"fine\""), "expect.outcome: `fine`: expected one of held"),
        (&good.replace("}}", "},\"more\":1}"), "unknown field `more`"),
        (&good.replace("\"engine\":\"builtin\"", "\"program\":[]"), "target.program: empty"),
        (&good.replace("}}", "},\"options\":{\"ops\":0}}"), "options.ops: 0 is not in"),
        (&good.replace("}}", "},\"options\":{\"sed\":0}}"), "unknown field `sed`"),
        (&good.replace("}}", "},\"options\":{\"budget_s\":-1}}"), "options.budget_s: -1"),
        (&good.replace("}}", "},\"options\":{\"faults\":[\"rust\"]}}"), "options.faults: `rust`"),
        (
            &good.replace(
                "}}",
                "},\"case\":{\"capabilities\":\"\",\"strike\":{\"fault\":\"fire\"}}}",
            ),
            "unknown variant `fire`",
        ),
    ];
    for (text, message) in cases {
        let error = Scenario::parse(text).expect_err(text);
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = Scenario::parse(&text);
    }

    #[test]
    fn no_cut_of_a_scenario_makes_the_parser_panic(at in 0usize..2000) {
        let text = sample(Some(Case::default())).print();
        let _ = Scenario::parse(text.get(..at).unwrap_or(&text));
    }
}
