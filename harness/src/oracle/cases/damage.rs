//! Damage at rest, and what is judged whatever the bytes.

use super::*;
use crate::driver::Hang;
use Kind::*;

#[test]
fn death_and_hanging_after_damage_are_notes_where_no_detection_was_promised() {
    let died = |stage| Recovery::Crashed {
        stage,
        how: "SIGSEGV".into(),
        stderr: String::new(),
        garbled: false,
    };
    for (words, notes) in [("", true), ("corruption=detected", false)] {
        let judge = Judge::new(&history("put a 1"), &with(words));
        for stage in [Stage::Open, Stage::Dump, Stage::Close] {
            for (recovery, kind) in [
                (died(stage), RecoveryCrashed),
                (Recovery::Hung { stage, hang: Hang::Limit }, RecoveryHung),
            ] {
                let verdict = judge.damaged(&damage(), &recovery);
                assert_eq!(kinds(&verdict), [kind]);
                assert_eq!(verdict.held(), notes, "{words} {stage:?}");
            }
        }
    }
}

#[test]
fn death_and_hanging_are_judged_whatever_the_bytes() {
    let crashed = |stage, garbled| Recovery::Crashed {
        stage,
        how: "SIGSEGV".into(),
        stderr: "x\ny\n".into(),
        garbled,
    };
    let died = |stage| crashed(stage, false);
    let judge = Judge::new(&history("put a 1"), &capabilities());
    for stage in [Stage::Open, Stage::Dump, Stage::Close] {
        let verdict = judge.at(END, Power, &died(stage));
        assert_eq!((kinds(&verdict), verdict.held()), (vec![RecoveryCrashed], false));
        let verdict = judge.damaged(&damage(), &died(stage));
        assert_eq!(kinds(&verdict), [RecoveryCrashed]);
        let hung = Recovery::Hung { stage, hang: Hang::Limit };
        assert_eq!(kinds(&judge.damaged(&damage(), &hung)), [RecoveryHung]);
        // Damaged values may end lines; elsewhere, and where damage is detected, that is no excuse.
        let expected: &[Kind] = if stage == Stage::Dump { &[] } else { &[RecoveryCrashed] };
        assert_eq!(kinds(&judge.damaged(&damage(), &crashed(stage, true))), expected);
        let detects = Judge::new(&history("put a 1"), &with("corruption=detected"));
        let verdict = detects.damaged(&damage(), &crashed(stage, true));
        assert_eq!(kinds(&verdict), [RecoveryCrashed]);
    }
}

fn warned(shown: &str) -> Recovery {
    let warnings = vec!["dropped a frame".to_owned()];
    Recovery::Opened(Recovered { contents: contents(shown), warnings, contradiction: None })
}

const REQUESTS: &str = "put a 1; put b 2; batch put c 3 put d 4; close";

#[test]
fn damage_is_judged_on_values_only_where_the_driver_detects_it() {
    let blind = Judge::new(&history(REQUESTS), &capabilities());
    for shown in ["", "a=9", "zz=1", "c=3"] {
        assert_eq!(kinds(&blind.damaged(&damage(), &opened(shown))), []);
    }
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected"));
    let cases: [(&str, &[Kind]); 6] = [
        ("a=1 b=2 c=3 d=4", &[]),
        ("a=1 b=2 c=9 d=4", &[CorruptValue]),
        ("a=1 b=2 c=3 d=4 zz=1", &[GhostKey]),
        ("a=1 b=2 c=3", &[TornBatch]),
        ("a=1 b=2", &[SilentLoss]),
        ("", &[SilentLoss]),
    ];
    for (shown, expected) in cases {
        assert_eq!(kinds(&judge.damaged(&damage(), &opened(shown))), expected, "{shown}");
    }
    let verdict = judge.damaged(&damage(), &refused());
    assert_eq!(kinds(&verdict), []);
    assert!(verdict.judged.contains(&SilentLoss) && !verdict.judged.contains(&Refused));
}

#[test]
fn a_warning_is_honest_unless_the_driver_always_warns() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected"));
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=9"))), [CorruptValue]);
    assert_eq!(kinds(&judge.damaged(&damage(), &warned("a=1 d=4"))), [TornBatch]);
    let always = Damage { control_warned: true, ..damage() };
    assert_eq!(kinds(&judge.damaged(&always, &warned("a=1"))), [SilentLoss]);
}

#[test]
fn a_rollback_of_everything_cannot_be_noticed() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected damage=prefix"));
    let back = Damage { rollback: true, written_after: Some(Moment(25)), ..damage() };
    let verdict = judge.damaged(&back, &opened("a=1"));
    assert_eq!(kinds(&verdict), []);
    assert!(!verdict.judged.contains(&SilentLoss));
    assert_eq!(kinds(&judge.damaged(&back, &opened("a=7"))), [CorruptValue]);
}

#[test]
fn what_was_acknowledged_before_the_damaged_bytes_were_written_survives() {
    let judge = Judge::new(&history(REQUESTS), &with("corruption=detected damage=prefix"));
    let later = Damage { written_after: Some(Moment(15)), ..damage() };
    assert_eq!(kinds(&judge.damaged(&later, &warned("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&later, &warned("b=2"))), [LostBeforeDamage]);
    assert_eq!(kinds(&judge.damaged(&later, &opened(""))), [SilentLoss, LostBeforeDamage]);
    assert_eq!(kinds(&judge.damaged(&later, &refused())), []);
    let earlier = Damage { written_after: Some(Moment(14)), ..damage() };
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("b=2"))), []);
    let prefix = with("corruption=detected damage=prefix order=prefix");
    let judge = Judge::new(&history(REQUESTS), &prefix);
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("b=2"))), [Hole]);
    assert_eq!(kinds(&judge.damaged(&earlier, &warned("a=1"))), []);
}

#[test]
fn what_was_never_synced_cannot_be_lost_silently() {
    let caps = with("corruption=detected durable=sync");
    let judge = Judge::new(&history("put a 1; sync; put b 2"), &caps);
    let killed = Damage { loss: Kill, ..damage() };
    assert_eq!(kinds(&judge.damaged(&killed, &opened("a=1"))), []);
    assert_eq!(kinds(&judge.damaged(&killed, &opened("b=2"))), [SilentLoss]);
}
