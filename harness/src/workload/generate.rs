//! The seeded generator: a [`Mix`], a target's [`Limits`] and a seed in, a workload out. The same
//! three give the same requests on every machine.

use super::op::{Key, Mutation, Request, Value};
use super::value::{NAMED_BYTES, ValueName, filler};
use crate::base::{Rng, limits};

/// Keys that get half of all writes.
const HOT_KEYS: u64 = 4;
/// Ordinary values end here; the range up to [`LARGE`] is rare, above it rarer still.
const ORDINARY: usize = 4095;
/// Above this a store may keep a value elsewhere (64 KiB).
const LARGE: usize = 65_536;

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
    /// A `checkpoint` after this many requests.
    pub checkpoint_every: Option<u32>,
    /// A `close` and an `open` after this many requests.
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
    for done in 1..=mix.ops {
        let number = mix.first_number + u64::from(done) - 1;
        requests.push(generator.request(done, number));
        if due(mix.reopen_every, done) && done < mix.ops {
            requests.extend([Request::Close, Request::Open]);
        }
    }
    requests.push(Request::Close);
    Workload { requests }
}

fn due(every: Option<u32>, done: u32) -> bool {
    every.is_some_and(|every| every > 0 && done.is_multiple_of(every))
}

struct Generator<'a> {
    mix: &'a Mix,
    target: &'a Limits,
    keys: u64,
    value_min: usize,
    value_max: usize,
    /// The request that gets a large value, in each stretch of 200.
    large_at: u32,
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
            rng,
        }
    }

    fn request(&mut self, done: u32, number: u64) -> Request {
        if self.target.checkpoint && due(self.mix.checkpoint_every, done) {
            return Request::Checkpoint;
        }
        if (done - 1) % 200 + 1 == self.large_at && self.value_max > LARGE {
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
        let wanted = self.rng.between(2, 6).min(self.keys);
        let mut mutations: Vec<Mutation> = Vec::new();
        for _ in 0..wanted {
            let key = self.key();
            if mutations.iter().all(|mutation| *mutation.key() != key) {
                mutations.push(self.mutation(key, number));
            }
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

    fn key(&mut self) -> Key {
        if self.rng.percent(50) {
            key(self.rng.below(HOT_KEYS.min(self.keys)))
        } else {
            key(self.rng.below(self.keys))
        }
    }

    fn len(&mut self) -> usize {
        let (low, high) = match self.rng.below(100) {
            0..20 => (1, NAMED_BYTES - 1),
            20..99 => (NAMED_BYTES, ORDINARY),
            _ => (ORDINARY + 1, LARGE),
        };
        let low = low.clamp(self.value_min, self.value_max);
        let high = high.clamp(low, self.value_max);
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
