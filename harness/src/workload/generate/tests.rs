//! Generated workloads: their mix, their limits, and the same one from the same seed.

use super::*;
use proptest::prelude::*;

const ALL: Limits =
    Limits { del: true, batch: true, sync: true, checkpoint: true, max_value: 200_000 };

#[test]
fn a_seed_gives_the_same_workload_on_every_machine() {
    let workload = generate(&Mix { ops: 6, ..Mix::default() }, &ALL, 7);
    let lines = workload.lines();
    assert_eq!(lines, GOLDEN);
}

const GOLDEN: [&str; 8] = [
    "open",
    "del k2",
    "put k1 @k1.2+64",
    "sync",
    "put k1 @k1.4+64",
    "put k0 @k0.5+120601",
    "put k1 @k1.6+56",
    "close",
];

#[test]
fn the_default_workload_has_everything_and_stays_small() {
    for seed in 0..20 {
        let requests = generate(&Mix::default(), &ALL, seed).requests;
        let mut bytes = 0;
        let mut large = 0;
        for mutation in requests.iter().flat_map(Request::mutations) {
            let len = mutation.value().map_or(0, |value| value.as_str().len());
            bytes += len;
            large += usize::from(len > LARGE);
        }
        assert!((100_000..700_000).contains(&bytes), "{bytes} bytes for seed {seed}");
        assert!(large >= 1, "a value over 64 KiB for seed {seed}");
        let has = |want: fn(&Request) -> bool| requests.iter().any(want);
        assert!(has(|request| matches!(request, Request::Batch(_))));
        assert!(has(|request| matches!(request, Request::Sync)));
        assert!(has(|request| matches!(request, Request::Checkpoint)));
        assert!(has(|request| matches!(request, Request::Write(Mutation::Del(_)))));
        let opens = requests.iter().filter(|request| **request == Request::Open).count();
        assert!((5..=24).contains(&opens), "{opens} sessions for seed {seed}");
    }
}

/// True if these requests stand in a row somewhere.
fn in_a_row(requests: &[Request], row: &[Request]) -> bool {
    requests.windows(row.len()).any(|window| window == row)
}

#[test]
fn every_workload_closes_right_after_one_checkpoint_and_after_two_and_opens_twice_in_a_row() {
    use Request::{Checkpoint, Close, Open};
    for seed in 0..50 {
        let requests = generate(&Mix::default(), &ALL, seed).requests;
        assert!(in_a_row(&requests, &[Checkpoint, Close, Open, Close, Open]), "seed {seed}");
        assert!(in_a_row(&requests, &[Checkpoint, Checkpoint, Close, Open]), "seed {seed}");
    }
}

#[test]
fn every_workload_has_an_empty_store_short_values_and_a_batch_longer_than_a_page_for_most_seeds() {
    let (mut long, mut short, mut empty) = (0, 0, 0);
    for seed in 0..50 {
        let requests = generate(&Mix::default(), &ALL, seed).requests;
        let mut live = std::collections::BTreeSet::new();
        for request in &requests {
            let len = |mutation: &Mutation| mutation.value().map_or(0, |v| v.as_str().len());
            let bytes: usize = request.mutations().iter().map(len).sum();
            long += u32::from(matches!(request, Request::Batch(_)) && bytes > PAGE);
            short += u32::from((1..=SHORT).contains(&bytes));
            for mutation in request.mutations() {
                match mutation {
                    Mutation::Put(key, _) => drop(live.insert(key.clone())),
                    Mutation::Del(key) => {
                        empty += u32::from(live.remove(key) && live.is_empty());
                    }
                }
            }
        }
    }
    assert!(long >= 50 && short >= 50 * 20 && empty >= 25, "{long} {short} {empty}");
}

#[test]
fn what_is_never_asked_for_never_comes() {
    for seed in 0..20 {
        let never = Mix { checkpoint_every: None, reopen_every: None, ..Mix::default() };
        let requests = generate(&never, &ALL, seed).requests;
        assert!(!requests.contains(&Request::Checkpoint));
        let opens = requests.iter().filter(|request| **request == Request::Open).count();
        assert_eq!(opens, 1);
        assert_eq!(requests.len() as u32, never.ops + 2);
    }
}

proptest! {
    #[test]
    fn a_target_is_never_asked_what_it_does_not_understand(
        del: bool, batch: bool, sync: bool, checkpoint: bool,
        max_value in 1usize..300_000, ops in 0u32..120, seed: u64,
        value_min in 0usize..3_000, value_max in 0usize..300_000,
    ) {
        let target = Limits { del, batch, sync, checkpoint, max_value };
        let mix = Mix { ops, value_min, value_max, ..Mix::default() };
        let requests = generate(&mix, &target, seed).requests;
        prop_assert_eq!(requests.first(), Some(&Request::Open));
        prop_assert_eq!(requests.last(), Some(&Request::Close));
        let mut open = false;
        for request in &requests {
            match request {
                Request::Open => prop_assert!(!std::mem::replace(&mut open, true)),
                Request::Close => prop_assert!(std::mem::replace(&mut open, false)),
                _ => prop_assert!(open),
            }
            prop_assert!(batch || !matches!(request, Request::Batch(_)));
            prop_assert!(sync || !matches!(request, Request::Sync));
            prop_assert!(checkpoint || !matches!(request, Request::Checkpoint));
            let mut keys = std::collections::BTreeSet::new();
            for mutation in request.mutations() {
                prop_assert!(keys.insert(mutation.key()));
                match mutation.value() {
                    None => prop_assert!(del),
                    Some(value) => {
                        let len = value.as_str().len();
                        prop_assert!((1..=max_value.min(200_000)).contains(&len));
                    }
                }
            }
        }
    }

    #[test]
    fn no_two_cycles_write_the_same_named_value(seed: u64) {
        let mix = Mix { ops: 40, ..Mix::default() };
        let next = Mix { first_number: 41, ..mix.clone() };
        let values = |mix| -> std::collections::BTreeSet<Value> {
            let requests = generate(mix, &ALL, seed).requests;
            let mutations = requests.iter().flat_map(Request::mutations);
            mutations.filter_map(Mutation::value).filter(|value| value.as_str().len() >= NAMED_BYTES).cloned().collect()
        };
        prop_assert!(values(&mix).is_disjoint(&values(&next)));
    }
}
