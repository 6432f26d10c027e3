//! The seeded generator: a [`Mix`], a target's [`Limits`] and a seed in, a workload out. The same
//! three give the same requests on every machine.
//!
//! Bugs hide where maintenance meets a restart, so the moments of checkpoints and reopens are drawn and
//! not fixed ([`moments`]), and a longer workload has some of them back to back. Requests come in spells:
//! of ordinary values, of short ones, of one key written again and again, of frequent maintenance.

mod moments;

use std::collections::BTreeSet;

use moments::{Moments, Step, Style};

use super::op::{Key, Mutation, Request, Value};
use super::value::{NAMED_BYTES, ValueName, filler};
use crate::base::{Rng, limits};

/// Keys that get half of all writes.
const HOT_KEYS: u64 = 4;
/// Ordinary values end here; longer ones than a page are rare, and above [`LARGE`] rarer still.
const ORDINARY: usize = 4095;
/// Above this a store may keep a value elsewhere (64 KiB).
const LARGE: usize = 65_536;
/// Longest value in a spell of short ones: many to a page.
const SHORT: usize = 64;
/// Batches that are longer than a page, in percent of the batches.
const LONG_BATCHES: u64 = 15;
/// Keys in a long batch.
const LONG_BATCH: (u64, u64) = (8, 24);
/// A page of most stores.
const PAGE: usize = 4096;

/// The requests for one run, in the order in which they are sent: `open` first, `close` last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// The requests.
    pub requests: Vec<Request>,
}

/// What a target understands; the part of its capabilities that a workload depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `del` is understood.
    pub del: bool,
    /// `batch` is understood.
    pub batch: bool,
    /// `sync` is understood.
    pub sync: bool,
    /// `checkpoint` is understood.
    pub checkpoint: bool,
    /// Longest value in bytes.
    pub max_value: usize,
}

/// What a workload is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Requests between the first `open` and the last `close`, not counting reopens.
    pub ops: u32,
    /// Shortest value in bytes.
    pub value_min: usize,
    /// Longest value in bytes.
    pub value_max: usize,
    /// A `checkpoint` after this many requests on average; more often in some spells.
    pub checkpoint_every: Option<u32>,
    /// A `close` and an `open` after this many requests on average; more often in some spells.
    pub reopen_every: Option<u32>,
    /// Batches, in percent of the requests.
    pub batch_percent: u64,
    /// Deletes, in percent of the changes.
    pub del_percent: u64,
    /// Syncs, in percent of the requests.
    pub sync_percent: u64,
    /// How many keys there are; chosen by `ops` where nothing is said.
    pub keys: Option<u32>,
    /// The number of the first request, which values name: a later cycle on the same store goes on
    /// counting, so that no two cycles write the same value.
    pub first_number: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            ops: 200,
            value_min: 1,
            value_max: limits::VALUE_BYTES,
            checkpoint_every: Some(64),
            reopen_every: Some(90),
            batch_percent: 15,
            del_percent: 15,
            sync_percent: 8,
            keys: None,
            first_number: 1,
        }
    }
}

/// The workload of `seed`. Requests that the target does not understand become puts; values never
/// exceed what it takes.
pub fn generate(mix: &Mix, target: &Limits, seed: u64) -> Workload {
    let mut generator = Generator::new(mix, target, seed);
    let mut requests = vec![Request::Open];
    let mut done = 0;
    while done < mix.ops {
        match generator.moments.next(done, generator.live.len()) {
            Step::Reopen => requests.extend([Request::Close, Request::Open]),
            step => {
                done += 1;
                let number = mix.first_number + u64::from(done) - 1;
                requests.push(generator.request(step, done, number));
            }
        }
    }
    requests.push(Request::Close);
    Workload { requests }
}

struct Generator<'a> {
    mix: &'a Mix,
    target: &'a Limits,
    keys: u64,
    value_min: usize,
    value_max: usize,
    /// The request that gets a large value, in each stretch of 200.
    large_at: u32,
    /// True from then on until a request may have it.
    large_due: bool,
    moments: Moments,
    /// Keys that were put and not deleted since.
    live: BTreeSet<Key>,
    rng: Rng,
}

impl<'a> Generator<'a> {
    fn new(mix: &'a Mix, target: &'a Limits, seed: u64) -> Self {
        let mut rng = Rng::new(seed).fork("workload");
        let value_max = mix.value_max.min(target.max_value).clamp(1, limits::VALUE_BYTES);
        Self {
            mix,
            target,
            keys: u64::from(mix.keys.unwrap_or((mix.ops / 5).clamp(4, 64)).max(1)),
            value_min: mix.value_min.clamp(1, value_max),
            value_max,
            large_at: 1 + rng.below(u64::from(mix.ops.clamp(1, 200))) as u32,
            large_due: false,
            moments: Moments::new(
                mix.ops,
                mix.checkpoint_every.filter(|_| target.checkpoint),
                mix.reopen_every,
                target.del && mix.del_percent > 0,
                rng.fork("moments"),
            ),
            live: BTreeSet::new(),
            rng,
        }
    }

    fn request(&mut self, step: Step, done: u32, number: u64) -> Request {
        let request = self.choose(step, done, number);
        for mutation in request.mutations() {
            match mutation {
                Mutation::Put(key, _) => drop(self.live.insert(key.clone())),
                Mutation::Del(key) => drop(self.live.remove(key)),
            }
        }
        request
    }

    fn choose(&mut self, step: Step, done: u32, number: u64) -> Request {
        self.large_due |= (done - 1) % 200 + 1 == self.large_at && self.value_max > LARGE;
        match step {
            Step::Checkpoint => return Request::Checkpoint,
            Step::Put => {
                let key = self.key();
                return self.put(key, number);
            }
            Step::LongPut => {
                let key = self.key();
                let low = (PAGE + 1).clamp(self.value_min, self.value_max);
                let len = self.skewed(low, (3 * PAGE).clamp(low, self.value_max));
                let value = self.value(&key, number, len);
                return Request::Write(Mutation::Put(key, value));
            }
            Step::DeleteOne => {
                if let Some(key) = self.live.first().cloned() {
                    return Request::Write(Mutation::Del(key));
                }
            }
            Step::Any | Step::Reopen => {}
        }
        if std::mem::take(&mut self.large_due) {
            return self.large(number);
        }
        if self.target.sync && self.rng.percent(self.mix.sync_percent) {
            return Request::Sync;
        }
        if self.target.batch && self.rng.percent(self.mix.batch_percent) {
            return self.batch(number);
        }
        let key = self.key();
        Request::Write(self.mutation(key, number))
    }

    /// A large value goes to a hot key, so that it is soon overwritten and what has to be read back
    /// in every state stays small.
    fn large(&mut self, number: u64) -> Request {
        let key = key(self.rng.below(HOT_KEYS.min(self.keys)));
        let len = self.skewed(LARGE.max(self.value_min - 1) + 1, self.value_max);
        let value = self.value(&key, number, len);
        Request::Write(Mutation::Put(key, value))
    }

    fn batch(&mut self, number: u64) -> Request {
        let long = self.rng.percent(LONG_BATCHES);
        let (low, high) = if long { LONG_BATCH } else { (2, 6) };
        let wanted = self.rng.between(low, high).min(self.keys);
        let mut mutations: Vec<Mutation> = Vec::new();
        for _ in 0..wanted {
            let key = if long { key(self.rng.below(self.keys)) } else { self.key() };
            if mutations.iter().any(|mutation| *mutation.key() == key) {
                continue;
            }
            mutations.push(match long {
                true => {
                    let least = (PAGE / wanted as usize).clamp(self.value_min, self.value_max);
                    let len = self.skewed(least, (2 * least).min(self.value_max));
                    let value = self.value(&key, number, len);
                    Mutation::Put(key, value)
                }
                false => self.mutation(key, number),
            });
        }
        Request::Batch(mutations)
    }

    fn mutation(&mut self, key: Key, number: u64) -> Mutation {
        if self.target.del && self.rng.percent(self.mix.del_percent) {
            return Mutation::Del(key);
        }
        let len = self.len();
        let value = self.value(&key, number, len);
        Mutation::Put(key, value)
    }

    fn put(&mut self, key: Key, number: u64) -> Request {
        let len = self.len();
        let value = self.value(&key, number, len);
        Request::Write(Mutation::Put(key, value))
    }

    fn key(&mut self) -> Key {
        if self.moments.style() == Style::OneKey {
            return key(0);
        }
        if self.rng.percent(50) {
            key(self.rng.below(HOT_KEYS.min(self.keys)))
        } else {
            key(self.rng.below(self.keys))
        }
    }

    fn len(&mut self) -> usize {
        let (low, high) = match self.rng.below(100) {
            0..20 => (1, NAMED_BYTES - 1),
            20..96 => (NAMED_BYTES, ORDINARY),
            96..99 => (ORDINARY + 1, 3 * PAGE),
            _ => (ORDINARY + 1, LARGE),
        };
        let low = low.clamp(self.value_min, self.value_max);
        let high = high.clamp(low, self.value_max);
        if matches!(self.moments.style(), Style::Short | Style::Busy) {
            let low = low.min(SHORT).clamp(self.value_min, self.value_max);
            return self.skewed(low, SHORT.clamp(low, self.value_max));
        }
        self.skewed(low, high)
    }

    /// A length in `low..=high`: first its number of binary digits, then within them, so that short
    /// ones are as common as long ones.
    fn skewed(&mut self, low: usize, high: usize) -> usize {
        let (low, high) = (low as u64, high as u64);
        let digits = self.rng.between(u64::from(low.ilog2()), u64::from(high.ilog2()));
        let from = (1 << digits).clamp(low, high);
        let to = ((2 << digits) - 1).clamp(low, high);
        self.rng.between(from, to) as usize
    }

    /// A value that names itself where it is long enough, else plain text.
    fn value(&mut self, key: &Key, number: u64, len_bytes: usize) -> Value {
        let seed = self.rng.next_u64();
        let name = ValueName { key: key.clone(), number, len_bytes };
        let named = (len_bytes >= NAMED_BYTES).then(|| name.value()).flatten();
        named.unwrap_or_else(|| Value::new(filler(seed, len_bytes)))
    }
}

fn key(number: u64) -> Key {
    Key::new(format!("k{number}"))
}

#[cfg(test)]
mod tests;
