//! What a store shows after clean closings, judged: every dump that follows an `open` shows what all
//! sessions before it acknowledged. Pure.

use std::collections::BTreeSet;

use crate::driver::{Capabilities, DriverFault, Dump, End};
use crate::oracle::{END, Judge, Kind, Loss, Verdict};
use crate::recover::{Recovered, Recovery, Stage, failed};
use crate::workload::{Answer, History, OpNo, Operation, Request};

/// How an opening ended that came to nothing: refused, or the program died of it or hung; nothing where that is not how
/// it ended.
pub fn opening(end: &End, asked: &History) -> Option<Recovery> {
    match end {
        End::NotOpened(Answer::Refused(text) | Answer::Err(text)) => {
            let (stage, text, warnings) = (Stage::Open, text.clone(), Vec::new());
            Some(Recovery::Refused { stage, text, warnings })
        }
        End::Failed(fault @ (DriverFault::Died { .. } | DriverFault::Hung { .. })) => {
            let last = asked.operations.last()?;
            let opens = last.request == Request::Open && last.answered.is_none();
            opens.then(|| failed(Stage::Open, fault.clone()))
        }
        _ => None,
    }
}

/// The verdict on a store that had been opened and closed cleanly, and is then not opened; nothing where
/// that is not how it ended. A store that never opened says nothing about its closings.
pub fn unopened(end: &End, history: &History, capabilities: &Capabilities) -> Option<Verdict> {
    let closed = |operation: &Operation| {
        operation.request == Request::Close && operation.acknowledged().is_some()
    };
    let recovery = opening(end, history).filter(|_| history.operations.iter().any(closed))?;
    Some(Judge::new(history, capabilities).at(END, Loss::None, &recovery))
}

/// Judges the dumps of one store's history; of each kind of violation the first.
pub fn judge(history: &History, capabilities: &Capabilities, dumps: &[(OpNo, Dump)]) -> Verdict {
    let judge = Judge::new(history, capabilities);
    let mut verdict = Verdict::default();
    let mut known: BTreeSet<Kind> = BTreeSet::new();
    for (op, dump) in dumps {
        let Some(operation) = history.operations.get(op.0 as usize) else { continue };
        let shown = Recovered {
            contents: dump.contents.clone(),
            contradiction: dump.contradiction.clone(),
            ..Recovered::default()
        };
        let mut found = judge.at(operation.begun, Loss::None, &Recovery::Opened(shown));
        found.violations.retain(|violation| known.insert(violation.kind));
        verdict.merge(found);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Contents, Key, Moment, Mutation, Value};

    fn put(key: &str) -> Request {
        Request::Write(Mutation::Put(Key::from(key), Value::from("1")))
    }

    fn judged(requests: &[Request], dumps: &[(u32, &[&str])]) -> Vec<Kind> {
        let history = history(requests);
        let shown = |keys: &[&str]| -> Contents {
            keys.iter().map(|key| (Key::from(*key), Value::from("1"))).collect()
        };
        let dumps: Vec<(OpNo, Dump)> = dumps
            .iter()
            .map(|(op, keys)| (OpNo(*op), Dump { contents: shown(keys), contradiction: None }))
            .collect();
        let verdict = judge(&history, &Capabilities::default(), &dumps);
        verdict.violations.iter().map(|violation| violation.kind).collect()
    }

    fn history(requests: &[Request]) -> History {
        let operations = requests.iter().enumerate().map(|(at, request)| Operation {
            request: request.clone(),
            begun: Moment(at as u64 * 10),
            answered: Some((Moment(at as u64 * 10 + 5), Answer::Ack)),
        });
        History { operations: operations.collect(), ..History::default() }
    }

    #[test]
    fn a_refusal_after_a_clean_close_is_the_store_s_and_one_before_is_not() {
        let (open, close) = (Request::Open, Request::Close);
        let end = End::NotOpened(Answer::Refused("bad page".into()));
        let capabilities = Capabilities::default();
        let closed = history(&[open.clone(), put("a"), close.clone()]);
        let verdict = unopened(&end, &closed, &capabilities).unwrap();
        assert_eq!(verdict.worst().map(|worst| worst.kind), Some(Kind::Refused));
        assert!(verdict.violations[0].sentence.contains("clean close"), "{verdict:?}");
        assert_eq!(unopened(&end, &history(&[]), &capabilities), None);
        assert_eq!(unopened(&End::Finished, &closed, &capabilities), None);
        // It dies of the opening; of a request it dies in use, and shows nothing about closings.
        let died = End::Failed(DriverFault::Died { how: "exit 1".into(), stderr: String::new() });
        let dies_at = |request: Request| {
            let mut history = history(&[open.clone(), put("a"), close.clone(), request]);
            history.operations.last_mut().unwrap().answered = None;
            unopened(&died, &history, &capabilities)
        };
        let worst = dies_at(open.clone()).unwrap().worst().map(|worst| worst.kind);
        assert_eq!(worst, Some(Kind::RecoveryCrashed));
        assert_eq!(dies_at(put("b")), None);
    }

    #[test]
    fn a_loss_at_a_reopen_in_the_middle_is_seen_once_and_a_sound_store_holds() {
        use Request::{Close, Dump, Open};
        let requests =
            [Open, Dump, put("a"), put("b"), Close, Open, Dump, put("c"), Close, Open, Dump];
        let sound: [(u32, &[&str]); 3] = [(1, &[]), (6, &["a", "b"]), (10, &["a", "b", "c"])];
        assert_eq!(judged(&requests, &sound), []);
        let loses: [(u32, &[&str]); 3] = [(1, &[]), (6, &["a"]), (10, &["a", "c"])];
        assert_eq!(judged(&requests, &loses), [Kind::LostAck]);
        let invents: [(u32, &[&str]); 3] = [(1, &["q"]), (6, &["a", "b"]), (10, &["a", "b", "c"])];
        assert_eq!(judged(&requests, &invents), [Kind::GhostKey]);
    }
}
