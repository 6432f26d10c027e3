//! What was recovered once is remembered, and nothing else.

use super::*;
use crate::recover::Stage;

fn opened(pairs: &[(&str, &str)]) -> Recovery {
    let contents = pairs.iter().map(|(k, v)| (Key::from(*k), Value::from(*v))).collect();
    Recovery::Opened(Recovered { contents, ..Recovered::default() })
}

#[test]
fn an_image_is_new_then_waiting_then_recovered() {
    let mut memory = Memory::default();
    let Known::New(image) = memory.image(7) else { panic!("it was never seen") };
    assert_eq!(memory.image(7), Known::Waiting(image));
    let no = memory.learn(image, &opened(&[("k", "v")]));
    assert_eq!(memory.image(7), Known::Recovered(image, no));
    assert!(matches!(memory.image(8), Known::New(_)));
    assert_eq!(memory.images(), 2);
}

#[test]
fn a_pair_of_image_and_promise_is_judged_once() {
    let mut memory = Memory::default();
    assert!(memory.first_time(ImageNo(1), 3));
    assert!(!memory.first_time(ImageNo(1), 3));
    assert!(memory.first_time(ImageNo(1), 4));
    assert!(memory.first_time(ImageNo(2), 3));
}

#[test]
fn what_was_kept_comes_back_whole_and_equal_ones_are_kept_once() {
    let warned = Recovery::Opened(Recovered {
        contents: [(Key::from("k"), Value::from("v"))].into(),
        warnings: vec!["dropped a record".into()],
        contradiction: None,
    });
    let refused = Recovery::Refused { stage: Stage::Open, text: "no".into(), warnings: Vec::new() };
    let all = [opened(&[]), opened(&[("a", "1"), ("b", "2")]), warned, refused];
    let mut memory = Memory::default();
    let numbers: Vec<_> = all.iter().map(|recovery| memory.keep(recovery)).collect();
    for (no, recovery) in numbers.iter().zip(&all) {
        assert_eq!(memory.recovery(*no), *recovery);
        assert_eq!(memory.keep(recovery), *no);
    }
    assert_eq!(memory.recoveries(), 4);
    assert_ne!(memory.keep(&opened(&[("a", "2"), ("b", "2")])), numbers[1]);
}

#[test]
fn recoveries_that_differ_only_in_the_middle_of_a_long_value_are_two() {
    let long = |middle: &str| format!("{}{middle}{}", "x".repeat(100), "y".repeat(100));
    let warned = |value: &str| {
        Recovery::Opened(Recovered {
            contents: [(Key::from("k"), Value::from(value))].into(),
            warnings: vec!["w".into()],
            contradiction: None,
        })
    };
    let mut memory = Memory::default();
    assert_ne!(memory.keep(&warned(&long("1"))), memory.keep(&warned(&long("2"))));
}
