//! What became of operations that were answered with `err`. Such an operation took effect before its
//! reply or never will: once a dump has shown which, it stays so. Pure.
//!
//! Taken as shown only where a dump can have no other reason: a value that one operation alone wrote is
//! there, or a value that was there before the failed operation began still is. Everything else stays
//! indeterminate.

use std::collections::BTreeMap;

use crate::driver::Dump;
use crate::workload::{
    Answer, Contents, History, Key, Moment, Mutation, OpNo, Operation, Request, Value,
};

/// What a dump showed of failed operations, and of those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// From here on it is known.
    pub since: Moment,
    /// By the number of the operation: whether it took effect.
    pub known: BTreeMap<u32, bool>,
    /// True if a store that was closed and opened since each of them failed showed it.
    pub recovered: bool,
}

/// What each dump adds, in order; only where it adds something.
pub fn fates(history: &History, dumps: &[(OpNo, Dump)]) -> Vec<Fates> {
    let mut all: Vec<Fates> = Vec::new();
    // With whether a recovery showed it: that overrules what a living store showed.
    let mut known: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
    for (op, dump) in dumps {
        let Some(dumped) = history.operations.get(op.0 as usize) else { continue };
        let Some(since) = dumped.acknowledged() else { continue };
        let before = known.clone();
        for (number, operation) in (0u32..).zip(&history.operations) {
            let Some((failed, Answer::Err(_))) = &operation.answered else { continue };
            if *failed >= dumped.begun {
                continue;
            }
            if let Some(fate) = fate(history, operation, &dump.contents) {
                let recovered = opened_between(history, *failed, dumped.begun);
                let first = known.entry(number).or_insert((fate, recovered));
                if recovered && !first.1 {
                    *first = (fate, true);
                }
            }
        }
        if known != before {
            let recovered = known.values().all(|(_, recovered)| *recovered);
            let fates = known.iter().map(|(number, (fate, _))| (*number, *fate)).collect();
            all.push(Fates { since, known: fates, recovered });
        }
    }
    all
}

fn opened_between(history: &History, from: Moment, to: Moment) -> bool {
    history.operations.iter().any(|operation| {
        operation.request == Request::Open
            && operation.begun > from
            && operation.acknowledged().is_some_and(|at| at < to)
    })
}

/// Whether a failed operation took effect, as far as these contents prove it.
fn fate(history: &History, operation: &Operation, shown: &Contents) -> Option<bool> {
    let mutations = operation.request.mutations();
    let own = |mutation: &Mutation| match mutation {
        Mutation::Put(key, value) => {
            shown.get(key) == Some(value) && writers(history, key, value).count() == 1
        }
        Mutation::Del(_) => false,
    };
    let older = |mutation: &Mutation| match shown.get(mutation.key()) {
        Some(value) => {
            let mut writers = writers(history, mutation.key(), value);
            let only = writers.next().filter(|_| writers.next().is_none());
            only.is_some_and(|writer| ended_before(writer, operation.begun))
        }
        // Absent, and nothing that began later could have removed it.
        None => mutation.value().is_some() && !removed_later(history, mutation.key(), operation),
    };
    // A batch of which one part is there and another is not is torn: that proves neither.
    match (mutations.iter().any(own), mutations.iter().any(older)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

fn writers<'h>(
    history: &'h History,
    key: &'h Key,
    value: &'h Value,
) -> impl Iterator<Item = &'h Operation> {
    history.operations.iter().filter(move |operation| {
        let wrote = |m: &Mutation| m.key() == key && m.value() == Some(value);
        operation.request.mutations().iter().any(wrote)
    })
}

fn ended_before(operation: &Operation, moment: Moment) -> bool {
    operation.answered.as_ref().is_some_and(|(answered, _)| *answered < moment)
}

fn removed_later(history: &History, key: &Key, than: &Operation) -> bool {
    history.operations.iter().any(|operation| {
        let removes = |m: &Mutation| m.key() == key && m.value().is_none();
        operation.request.mutations().iter().any(removes) && !ended_before(operation, than.begun)
    })
}

/// The history with what is known: what never took effect is taken out and, with `kept`, what did is
/// taken for acknowledged.
pub fn settled(history: &History, known: &BTreeMap<u32, bool>, kept: bool) -> History {
    let mut history = history.clone();
    for (number, fate) in known {
        let Some(operation) = history.operations.get_mut(*number as usize) else { continue };
        match fate {
            // A failed sync promises nothing and changes nothing.
            false => operation.request = Request::Sync,
            true if kept => {
                if let Some((_, answer)) = &mut operation.answered {
                    *answer = Answer::Ack;
                }
            }
            true => {}
        }
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::io::testkit::{dump, history, put};

    fn known(requests: &[(Request, bool)], shown: &[(&str, &str)]) -> Vec<(u32, bool)> {
        let fates = fates(&history(requests), &[dump(requests.len() as u32 - 1, shown)]);
        fates.into_iter().flat_map(|fates| fates.known).collect()
    }

    #[test]
    fn a_dump_says_whether_a_failed_put_happened() {
        let requests = [(put("a", "1"), false), (put("a", "2"), true), (Request::Dump, false)];
        assert_eq!(known(&requests, &[("a", "1")]), [(1, false)]);
        assert_eq!(known(&requests, &[("a", "2")]), [(1, true)]);
    }

    #[test]
    fn what_two_operations_explain_stays_open() {
        let again = [(put("a", "1"), false), (put("a", "1"), true), (Request::Dump, false)];
        assert_eq!(known(&again, &[("a", "1")]), []);
        let later = [(put("a", "2"), true), (put("a", "3"), false), (Request::Dump, false)];
        assert_eq!(known(&later, &[("a", "3")]), []);
        let removed = [
            (put("a", "2"), true),
            (Request::Write(Mutation::Del(Key::from("a"))), false),
            (Request::Dump, false),
        ];
        assert_eq!(known(&removed, &[]), []);
    }

    #[test]
    fn a_failed_delete_that_changed_nothing_is_known_and_one_that_may_have_is_not() {
        let del = Request::Write(Mutation::Del(Key::from("a")));
        let requests = [(put("a", "1"), false), (del, true), (Request::Dump, false)];
        assert_eq!(known(&requests, &[("a", "1")]), [(1, false)]);
        assert_eq!(known(&requests, &[]), []);
    }

    #[test]
    fn a_torn_batch_neither_happened_nor_did_not() {
        let puts = [("a", "2"), ("b", "2")];
        let put_all = puts.map(|(key, value)| Mutation::Put(Key::from(key), Value::from(value)));
        let batch = Request::Batch(put_all.to_vec());
        let requests = [(put("b", "1"), false), (batch, true), (Request::Dump, false)];
        assert_eq!(known(&requests, &[("a", "2"), ("b", "2")]), [(1, true)]);
        assert_eq!(known(&requests, &[("b", "1")]), [(1, false)]);
        assert_eq!(known(&requests, &[("a", "2"), ("b", "1")]), []);
    }

    #[test]
    fn what_a_recovery_showed_overrules_what_the_living_store_showed() {
        let requests = [
            (put("a", "1"), false),
            (put("a", "2"), true),
            (Request::Dump, false),
            (Request::Open, false),
            (Request::Dump, false),
        ];
        let dumps = [dump(2, &[("a", "1")]), dump(4, &[("a", "2")])];
        let fates = fates(&history(&requests), &dumps);
        let known: Vec<_> = fates.iter().map(|fates| (fates.known[&1], fates.recovered)).collect();
        assert_eq!(known, [(false, false), (true, true)]);
    }

    #[test]
    fn a_dump_before_the_failure_says_nothing() {
        let requests = [(put("a", "1"), false), (Request::Dump, false), (put("a", "2"), true)];
        let fates = fates(&history(&requests), &[dump(1, &[("a", "1")])]);
        assert_eq!(fates, []);
    }
}
