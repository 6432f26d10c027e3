//! What is asked of a store whose calls fail: a short workload with everything in it, and the requests
//! of a recovery that goes on to write. A `dump` stands after every few requests: it says whether the
//! store goes on serving what it had.

use crate::driver::Capabilities;
use crate::fault::asked;
use crate::scenario::Options;
use crate::workload::generate::{Mix, generate};
use crate::workload::{Key, Mutation, Request, ValueName};

/// How many requests the workload has where nothing was said: few enough for every failure of every
/// call to be tried.
const OPS: u32 = 40;
/// A checkpoint every so many of them.
const CHECKPOINT_EVERY: u32 = 13;
/// A close and open every so many of them.
const REOPEN_EVERY: u32 = 18;
/// A dump every so many requests; twice as many where several are outstanding.
const DUMP_EVERY: usize = 4;
/// The length of one value that a store may keep elsewhere.
const LARGE: usize = 70_000;
/// Values of a recovery's own writes have numbers from here on: no other write has them.
const AFTER_RECOVERY: u64 = 1 << 20;

/// The workload, for this many requests at once.
pub fn workload(options: &Options, capabilities: &Capabilities, threads: u32) -> Vec<Request> {
    let usual = Options::default();
    let asked = |said: u32, usual: u32, short: u32| if said == usual { short } else { said };
    let every = |count: u32| (count > 0).then_some(count);
    let ops = asked(options.ops, usual.ops, OPS);
    let checkpoint =
        asked(options.checkpoint_every, usual.checkpoint_every, CHECKPOINT_EVERY.min(ops));
    let reopen = asked(options.reopen_every, usual.reopen_every, REOPEN_EVERY.min(ops));
    // The one large value is placed here, so that the others are not long by chance.
    let longest = *options.value_bytes.end();
    let mix = Mix {
        ops,
        value_min: *options.value_bytes.start(),
        value_max: if longest == *usual.value_bytes.end() { 2000 } else { longest },
        checkpoint_every: every(checkpoint),
        reopen_every: every(reopen),
        ..Mix::default()
    };
    let mut requests = generate(&mix, &asked::limits(capabilities), options.seed).requests;
    let len_bytes = LARGE.min(longest).min(capabilities.max_value);
    let large = ValueName { key: Key::from("large"), number: u64::from(ops) + 1, len_bytes };
    if let Some(value) = large.value() {
        let at = requests.len() / 3;
        requests.insert(at.max(1), Request::Write(Mutation::Put(large.key, value)));
    }
    with_dumps(requests, if threads > 1 { 2 * DUMP_EVERY } else { DUMP_EVERY })
}

/// What is asked of a store that recovers while calls fail.
pub fn recovery(capabilities: &Capabilities) -> Vec<Request> {
    let put = |number: u64| {
        let key = Key::from(format!("after.{number}").as_str());
        let len_bytes = 100.min(capabilities.max_value);
        let name = ValueName { key: key.clone(), number: AFTER_RECOVERY + number, len_bytes };
        name.value().map(|value| Request::Write(Mutation::Put(key, value)))
    };
    let mut requests = vec![Request::Open, Request::Dump];
    requests.extend((0..3).filter_map(put));
    requests.extend([Request::Sync, Request::Dump, Request::Close]);
    requests.extend([Request::Open, Request::Dump, Request::Close]);
    requests.retain(|request| capabilities.allow(request));
    requests
}

/// A dump after each `open`, before each `close`, and every few requests in between.
fn with_dumps(requests: Vec<Request>, every: usize) -> Vec<Request> {
    let mut all = Vec::with_capacity(requests.len() * 3 / 2);
    let mut since = 0;
    for request in requests {
        if request == Request::Close && since > 0 {
            all.push(Request::Dump);
        }
        since = if matches!(request, Request::Open | Request::Close) { 0 } else { since + 1 };
        let opened = request == Request::Open;
        all.push(request);
        if opened || since == every {
            all.push(Request::Dump);
            since = 0;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Capabilities {
        let words = ["del", "batch", "sync", "checkpoint", "reopen"];
        Capabilities::parse(words).expect("capabilities")
    }

    #[test]
    fn the_short_workload_has_everything_in_it() {
        let requests = workload(&Options::default(), &everything(), 1);
        let has = |wanted: fn(&Request) -> bool| requests.iter().filter(|r| wanted(r)).count();
        assert!(has(|request| matches!(request, Request::Checkpoint)) >= 2);
        assert!(has(|request| matches!(request, Request::Open)) >= 3);
        assert!(has(|request| matches!(request, Request::Batch(_))) >= 1);
        assert!(has(|request| matches!(request, Request::Dump)) >= 8);
        let large = |request: &Request| {
            let long = |m: &Mutation| m.value().is_some_and(|value| value.as_str().len() == LARGE);
            request.mutations().iter().any(long)
        };
        assert_eq!(requests.iter().filter(|request| large(request)).count(), 1);
        assert_eq!(requests.first(), Some(&Request::Open));
        assert_eq!(requests.last(), Some(&Request::Close));
    }

    #[test]
    fn what_a_user_asked_for_is_not_made_shorter() {
        let options = Options { ops: 500, ..Options::default() };
        let writes = workload(&options, &everything(), 1);
        assert!(writes.iter().filter(|request| !request.is_exclusive()).count() > 300);
    }

    #[test]
    fn a_store_that_understands_little_is_asked_little() {
        let requests = recovery(&Capabilities::default());
        assert!(requests.iter().all(|request| Capabilities::default().allow(request)));
        assert_eq!(requests.iter().filter(|request| !request.is_exclusive()).count(), 3);
    }
}
