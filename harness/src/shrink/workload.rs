//! A smaller workload: fewer requests, fewer changes in a batch, shorter values. It stays one that a
//! driver can be asked for: the first `open` stays, a `close` and the `open` that follows it go
//! together, and what the workload ended with (a `close` or not) it ends with.

use super::list::{minimize_list, smaller_lists};
use super::tries::{Tries, descend};
use crate::workload::value::NAMED_BYTES;
use crate::workload::{Mutation, Request, Value, ValueName, Workload};

/// The smallest workload that still fails.
pub fn minimize_workload(
    workload: &Workload,
    tries: &mut Tries,
    mut fails: impl FnMut(&Workload) -> bool,
) -> Workload {
    let frame = Frame::of(workload);
    let units = minimize_list(&frame.units, tries, |units| fails(&frame.workload(units)));
    descend(frame.workload(&units), tries, smaller_workloads, fails)
}

/// A workload without what follows its first `asked` requests, but for a last `close`.
pub fn cut_off(workload: &Workload, asked: usize) -> Workload {
    let mut requests: Vec<Request> = workload.requests.iter().take(asked).cloned().collect();
    if requests.last() != Some(&Request::Close) {
        requests.push(Request::Close);
    }
    Workload { requests }
}

/// Smaller workloads, boldest first.
pub fn smaller_workloads(workload: &Workload) -> Vec<Workload> {
    let frame = Frame::of(workload);
    let mut smaller: Vec<Workload> = Vec::new();
    let mut add = |units: &[Vec<Request>]| {
        let candidate = frame.workload(units);
        if candidate != *workload {
            smaller.push(candidate);
        }
    };
    for units in smaller_lists(&frame.units) {
        add(&units);
    }
    for (index, unit) in frame.units.iter().enumerate() {
        let mut units = frame.units.clone();
        for request in simpler(unit) {
            units[index] = vec![request];
            add(&units);
        }
    }
    smaller
}

/// A workload in parts that can be left out, between what has to stay.
struct Frame {
    first: Vec<Request>,
    units: Vec<Vec<Request>>,
    last: Vec<Request>,
}

impl Frame {
    fn of(workload: &Workload) -> Frame {
        let mut requests = workload.requests.as_slice();
        let mut frame = Frame { first: Vec::new(), units: Vec::new(), last: Vec::new() };
        if let [Request::Open, rest @ ..] = requests {
            frame.first.push(Request::Open);
            requests = rest;
        }
        if let [rest @ .., Request::Close] = requests {
            frame.last.push(Request::Close);
            requests = rest;
        }
        while let Some((request, rest)) = requests.split_first() {
            let reopen = matches!((request, rest.first()), (Request::Close, Some(Request::Open)));
            let (unit, rest) = requests.split_at(if reopen { 2 } else { 1 });
            frame.units.push(unit.to_vec());
            requests = rest;
        }
        frame
    }

    fn workload(&self, units: &[Vec<Request>]) -> Workload {
        let units = units.iter().flatten().cloned();
        let requests = self.first.iter().cloned().chain(units).chain(self.last.iter().cloned());
        Workload { requests: requests.collect() }
    }
}

/// The same request with less in it.
fn simpler(unit: &[Request]) -> Vec<Request> {
    match unit {
        [Request::Write(mutation)] => shorter(mutation).into_iter().map(Request::Write).collect(),
        [Request::Batch(mutations)] => {
            let fewer = smaller_lists(mutations).into_iter().filter(|fewer| !fewer.is_empty());
            let mut simpler: Vec<Request> = fewer.map(Request::Batch).collect();
            for (index, mutation) in mutations.iter().enumerate() {
                for shorter in shorter(mutation) {
                    let mut mutations = mutations.clone();
                    mutations[index] = shorter;
                    simpler.push(Request::Batch(mutations));
                }
            }
            simpler
        }
        _ => Vec::new(),
    }
}

/// The same change with a shorter value that still names itself: as short as that allows, or half.
fn shorter(mutation: &Mutation) -> Vec<Mutation> {
    let Mutation::Put(key, value) = mutation else { return Vec::new() };
    let Some(name) = ValueName::of(value) else { return Vec::new() };
    let with = |len_bytes: usize| -> Option<Value> {
        let shorter = (NAMED_BYTES..name.len_bytes).contains(&len_bytes);
        let name = ValueName { len_bytes, ..name.clone() };
        shorter.then(|| name.value()).flatten()
    };
    let lengths = [NAMED_BYTES, name.len_bytes / 16, name.len_bytes / 2, name.len_bytes * 7 / 8];
    let mut values: Vec<Value> = lengths.into_iter().filter_map(with).collect();
    values.dedup();
    values.into_iter().map(|value| Mutation::Put(key.clone(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(lines: &[&str]) -> Workload {
        Workload::parse(lines.iter().copied()).unwrap()
    }

    #[test]
    fn what_is_cut_off_ends_with_a_close() {
        let whole = workload(&["open", "put a 1", "close", "open", "put b 2", "close"]);
        assert_eq!(cut_off(&whole, 2).lines(), ["open", "put a 1", "close"]);
        assert_eq!(cut_off(&whole, 3).lines(), ["open", "put a 1", "close"]);
        assert_eq!(cut_off(&whole, 4).lines(), ["open", "put a 1", "close", "open", "close"]);
        assert_eq!(cut_off(&whole, 6), whole);
    }

    #[test]
    fn what_does_not_matter_is_left_out_and_what_does_gets_small() {
        let whole = workload(&[
            "open",
            "put a 1",
            "batch put b @b.2+5000 put c 2 del d",
            "sync",
            "close",
            "open",
            "checkpoint",
            "put e @e.5+100000",
            "del a",
            "close",
        ]);
        // Fails where b was written before a reopen that is followed by anything at all.
        let fails = |candidate: &Workload| {
            let lines = candidate.lines();
            let b = lines.iter().position(|line| line.contains("put b"));
            let reopen = lines.windows(2).position(|two| two[0] == "close" && two[1] == "open");
            matches!((b, reopen), (Some(b), Some(reopen)) if b < reopen && lines.len() > reopen + 3)
        };
        let mut tries = Tries::new(1000);
        let small = minimize_workload(&whole, &mut tries, fails).lines();
        assert!(!tries.ran_out());
        assert_eq!(small[..4], ["open", "batch put b @b.2+40", "close", "open"]);
        assert_eq!(small.len(), 6);
        assert_eq!(small[5], "close");
    }

    #[test]
    fn every_candidate_keeps_open_and_close_in_turn() {
        let whole = workload(&[
            "open",
            "put a 1",
            "close",
            "open",
            "put b @b.1+60",
            "close",
            "open",
            "sync",
            "close",
        ]);
        let candidates = smaller_workloads(&whole);
        assert!(candidates.len() > 10);
        for candidate in candidates {
            let mut open = false;
            for request in &candidate.requests {
                match request {
                    Request::Open => assert!(!std::mem::replace(&mut open, true)),
                    Request::Close => assert!(std::mem::replace(&mut open, false)),
                    _ => assert!(open),
                }
            }
            assert!(!open);
            assert_ne!(candidate, whole);
        }
    }

    #[test]
    fn the_smallest_workload_has_nothing_smaller() {
        assert!(smaller_workloads(&workload(&["open", "close"])).is_empty());
        assert!(smaller_workloads(&Workload::default()).is_empty());
    }
}
