//! Ordinary use of a store that was recovered: a short run of every sort of request, with a close and an
//! open in the middle. What it is asked is a matter of the seed and of what the driver understands.

use super::generate::Limits;
use super::op::{Key, Mutation, Request, Value};
use super::value::ValueName;
use crate::base::Rng;

/// Requests before the close in the middle, and after the open that follows.
const BEFORE: u64 = 12;
const AFTER: u64 = 6;
/// Keys that are used: few, so that they are written again and deleted.
const KEYS: u64 = 6;
/// Lengths of values: many to a page, some to a page, several pages.
const LENGTHS: [usize; 5] = [8, 8, 100, 100, 9_000];

/// The requests after the `dump` of a recovery, the last `close` included.
pub fn after_recovery(limits: &Limits, seed: u64) -> Vec<Request> {
    let mut rng = Rng::new(seed).fork("use");
    let mut requests = Vec::new();
    write(&mut requests, BEFORE, limits, &mut rng);
    requests.extend(limits.checkpoint.then_some(Request::Checkpoint));
    write(&mut requests, 2, limits, &mut rng);
    requests.extend([Request::Close, Request::Open, Request::Dump]);
    write(&mut requests, AFTER, limits, &mut rng);
    requests.extend(limits.checkpoint.then_some(Request::Checkpoint));
    requests.extend(limits.sync.then_some(Request::Sync));
    requests.push(Request::Close);
    requests
}

fn write(requests: &mut Vec<Request>, count: u64, limits: &Limits, rng: &mut Rng) {
    for _ in 0..count {
        let first = change(limits, rng, 0);
        requests.push(match limits.batch && rng.percent(25) {
            true => Request::Batch(vec![first, change(limits, rng, KEYS)]),
            false => Request::Write(first),
        });
    }
}

/// A change of one of the keys from number `from` on.
fn change(limits: &Limits, rng: &mut Rng, from: u64) -> Mutation {
    let key = Key::new(format!("unplug.use{}", from + rng.below(KEYS)));
    if limits.del && rng.percent(25) {
        return Mutation::Del(key);
    }
    let length = LENGTHS[rng.index(LENGTHS.len())].min(limits.max_value).max(1);
    let name = ValueName { key: key.clone(), number: rng.below(1 << 32), len_bytes: length };
    let letter = char::from(b'a' + rng.below(26) as u8);
    let plain = || Value::new(String::from(letter).repeat(length));
    Mutation::Put(key, name.value().unwrap_or_else(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits =
        Limits { del: true, batch: true, sync: true, checkpoint: true, max_value: 200_000 };

    #[test]
    fn a_seed_gives_the_same_use_twice_and_another_seed_another() {
        assert_eq!(after_recovery(&ALL, 3), after_recovery(&ALL, 3));
        assert_ne!(after_recovery(&ALL, 3), after_recovery(&ALL, 4));
    }

    #[test]
    fn a_store_that_understands_little_is_asked_for_puts_with_short_values_alone() {
        let limits =
            Limits { del: false, batch: false, sync: false, checkpoint: false, max_value: 5 };
        for request in after_recovery(&limits, 1) {
            let fits = |value: &Value| (1..=5).contains(&value.as_str().len());
            assert!(match &request {
                Request::Write(Mutation::Put(_, value)) => fits(value),
                Request::Open | Request::Dump | Request::Close => true,
                _ => false,
            });
        }
    }

    #[test]
    fn no_batch_names_a_key_twice() {
        for seed in 0..200 {
            for request in after_recovery(&ALL, seed) {
                if let Request::Batch(changes) = &request {
                    assert_ne!(changes[0].key(), changes[1].key());
                }
            }
        }
    }
}
