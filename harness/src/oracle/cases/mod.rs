//! For tests: small cases written by hand, for each property some that must be caught and twins that
//! must hold. Histories are written as in `written`: `open` is request 0; request `n` begins at `10n`
//! and is answered at `10n + 5`.

use super::written::{capabilities, contents, history, opened};
use super::{Cycles, Damage, END, Judge, Kind, Loss, Verdict};
use crate::driver::{Capabilities, Durable, KillPromise};
use crate::recover::{Recovered, Recovery, Stage};
use crate::workload::Moment;

use Loss::{Kill, Power};

mod crashes;
mod cycles;
mod damage;

fn kinds(verdict: &Verdict) -> Vec<Kind> {
    for violation in &verdict.violations {
        assert!(verdict.judged.contains(&violation.kind), "{violation:?} was not called judged");
        assert!(violation.sentence.len() > 20, "{violation:?}");
    }
    verdict.violations.iter().map(|violation| violation.kind).collect()
}

/// The capabilities that these words change.
fn with(words: &str) -> Capabilities {
    let mut caps = capabilities();
    for word in words.split_whitespace() {
        match word {
            "durable=sync" => caps.durable = Durable::Sync,
            "close=durable" => caps.close_durable = true,
            "durable=none" => caps.durable = Durable::None,
            "kill=sync" => caps.kill = KillPromise::Sync,
            "kill=close" => caps.kill = KillPromise::Close,
            "order=prefix" => caps.order_prefix = true,
            "reads=durable" => caps.reads_durable = true,
            "corruption=detected" => caps.corruption_detected = true,
            "damage=prefix" => caps.damage_prefix = true,
            other => panic!("{other}"),
        }
    }
    caps
}

/// One history, and for each of several contents what they are called.
fn check(words: &str, loss: Loss, requests: &str, cases: &[(&str, &[Kind])]) {
    check_at(words, loss, requests, END, cases);
}

fn check_at(words: &str, loss: Loss, requests: &str, at: Moment, cases: &[(&str, &[Kind])]) {
    let judge = Judge::new(&history(requests), &with(words));
    for (shown, expected) in cases {
        let verdict = judge.at(at, loss, &opened(shown));
        assert_eq!(kinds(&verdict), *expected, "{words} {loss:?}: {requests} -> {shown:?}");
        let legal = judge.is_legal(at, loss, &contents(shown));
        assert_eq!(legal, expected.is_empty(), "{requests} -> {shown:?}");
    }
}

fn refused() -> Recovery {
    Recovery::Refused { stage: Stage::Open, text: "bad magic".into(), warnings: Vec::new() }
}

fn damage() -> Damage {
    Damage {
        loss: Loss::None,
        moment: END,
        written_after: None,
        rollback: false,
        control_warned: false,
    }
}

#[test]
fn no_moment_makes_the_oracle_panic() {
    let mut forged = history("put a 1; sync; batch put b 1 put c 1; close");
    for (number, operation) in forged.operations.iter_mut().enumerate() {
        operation.begun = Moment(u64::MAX - number as u64 % 3);
        if let Some((moment, _)) = &mut operation.answered {
            *moment = Moment(u64::MAX / (1 + number as u64));
        }
    }
    let mut cycles = Cycles::new(&capabilities());
    for at in [Moment(0), END, Moment(u64::MAX)] {
        let judge = Judge::new(&forged, &with("corruption=detected damage=prefix order=prefix"));
        for loss in [Loss::None, Kill, Power] {
            judge.at(at, loss, &opened("a=1 b=1"));
            judge.promise_key(at, loss);
            let harm = Damage { loss, moment: at, written_after: Some(at), ..damage() };
            judge.damaged(&harm, &opened("a=1"));
            cycles.then(&forged, at, loss, &contents("a=1"));
            cycles.judge(&forged).at(at, loss, &opened("b=1"));
        }
    }
}

#[test]
fn what_a_failed_close_took_with_it_no_later_close_covers() {
    let lost: &[Kind] = &[Kind::LostAck];
    let words = "durable=sync kill=sync";
    let failed = "put a 1; sync; put b 1; close !; open; put c 1; close";
    check(words, Kill, failed, &[("a=1 b=1 c=1", &[]), ("a=1 c=1", &[]), ("c=1", lost)]);
    check(words, Kill, failed, &[("a=1 b=1", lost)]);
    // It need not be there, so what came later leaves no hole.
    check(&format!("{words} order=prefix"), Power, failed, &[("a=1 c=1", &[]), ("b=1 c=1", lost)]);
    // Not opened again yet: it may be in memory still, and a close that succeeds keeps it.
    check(words, Kill, "put b 1; close !; close", &[("", lost)]);
    check(words, Kill, "put b 1; close; open; put c 1; close", &[("c=1", lost)]);
    // What survives a kill survives a failed close.
    check("durable=sync", Kill, failed, &[("a=1 c=1", lost)]);
    check("durable=sync", Power, failed, &[("a=1 c=1", &[])]);
    check("durable=sync close=durable", Power, failed, &[("a=1 c=1", lost)]);
    check("durable=none kill=close", Kill, failed, &[("a=1 c=1", &[]), ("c=1", &[])]);
}
