//! What is known already: which images were seen, what each recovered to, which (image, promise)
//! pairs were judged. Recoveries are kept compactly and once each, so that a million states stay far
//! within a gigabyte. Only looked up, never walked: nothing here depends on an order.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use crate::recover::{Recovered, Recovery};
use crate::workload::{Key, Value};

/// The number of a distinct image, from 0 in the order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageNo(pub u32);

/// The number of a distinct recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecoveryNo(u32);

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Never seen before; it has a number now.
    New(ImageNo),
    /// Seen, its recovery is not known yet.
    Waiting(ImageNo),
    /// Seen and recovered.
    Recovered(ImageNo, RecoveryNo),
}

/// Image hashes are evenly spread already; texts may be long.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u128(&mut self, value: u128) {
        self.0 ^= value as u64 ^ (value >> 64) as u64;
    }
}

type ByHash<T> = HashMap<u128, T, BuildHasherDefault<Spread>>;

const WAITING: RecoveryNo = RecoveryNo(u32::MAX);

/// Everything known so far.
#[derive(Debug, Default)]
pub struct Memory {
    images: ByHash<ImageNo>,
    recovered: Vec<RecoveryNo>,
    judged: HashSet<(ImageNo, u64), BuildHasherDefault<Spread>>,
    keys: Texts,
    values: Texts,
    kept: Vec<Kept>,
    by_hash: ByHash<RecoveryNo>,
    /// The recovery that was asked for last: the states of one crash mostly recover to the same.
    latest: Option<(RecoveryNo, Rc<Recovery>)>,
}

impl Memory {
    /// Looks an image up, and numbers it where it is new.
    pub fn image(&mut self, hash: u128) -> Known {
        let next = ImageNo(self.recovered.len() as u32);
        let image = *self.images.entry(hash).or_insert(next);
        if image == next {
            self.recovered.push(WAITING);
            return Known::New(image);
        }
        match self.recovered[image.0 as usize] {
            WAITING => Known::Waiting(image),
            recovery => Known::Recovered(image, recovery),
        }
    }

    /// Forgets the image that was numbered last: it will not be recovered.
    pub fn forget_last(&mut self, hash: u128) {
        if self.images.remove(&hash).is_some() {
            self.recovered.pop();
        }
    }

    /// True the first time that this image is to be judged by this promise.
    pub fn first_time(&mut self, image: ImageNo, promise: u64) -> bool {
        self.judged.insert((image, promise))
    }

    /// Keeps what an image recovered to.
    pub fn learn(&mut self, image: ImageNo, recovery: &Recovery) -> RecoveryNo {
        let no = self.keep(recovery);
        if let Some(slot) = self.recovered.get_mut(image.0 as usize) {
            *slot = no;
        }
        no
    }

    /// How many different images were seen.
    pub fn images(&self) -> u64 {
        self.recovered.len() as u64
    }

    /// How many different recoveries were seen.
    pub fn recoveries(&self) -> u64 {
        self.kept.len() as u64
    }

    /// What was kept, whole again; at hand where it is asked for again and again.
    pub fn shown(&mut self, no: RecoveryNo) -> Rc<Recovery> {
        match &self.latest {
            Some((latest, shown)) if *latest == no => Rc::clone(shown),
            _ => {
                let shown = Rc::new(self.recovery(no));
                self.latest = Some((no, Rc::clone(&shown)));
                shown
            }
        }
    }

    /// What was kept, whole again.
    pub fn recovery(&self, no: RecoveryNo) -> Recovery {
        match &self.kept[no.0 as usize] {
            Kept::Other(recovery) => (**recovery).clone(),
            Kept::Pairs(pairs) => {
                let pair = |&(key, value): &(u32, u32)| {
                    (Key::new(self.keys.get(key)), Value::new(self.values.get(value)))
                };
                let contents = pairs.iter().map(pair).collect();
                Recovery::Opened(Recovered { contents, ..Recovered::default() })
            }
        }
    }

    /// Keeps a recovery by itself.
    pub fn keep(&mut self, recovery: &Recovery) -> RecoveryNo {
        let kept = match recovery {
            Recovery::Opened(recovered)
                if recovered.warnings.is_empty() && recovered.contradiction.is_none() =>
            {
                let pair = |(key, value): (&Key, &Value)| {
                    (self.keys.number(key.as_str()), self.values.number(value.as_str()))
                };
                Kept::Pairs(recovered.contents.iter().map(pair).collect())
            }
            other => Kept::Other(Box::new(other.clone())),
        };
        let next = RecoveryNo(self.kept.len() as u32);
        let no = *self.by_hash.entry(kept.hash()).or_insert(next);
        if no == next {
            self.kept.push(kept);
        }
        no
    }
}

/// A recovery as it is kept.
#[derive(Debug)]
enum Kept {
    /// The usual: it opened and said nothing besides its pairs.
    Pairs(Box<[(u32, u32)]>),
    /// Anything else.
    Other(Box<Recovery>),
}

impl Kept {
    fn hash(&self) -> u128 {
        let mut bytes = Vec::new();
        match self {
            Kept::Pairs(pairs) => {
                bytes.push(0);
                for (key, value) in pairs.iter() {
                    bytes.extend(key.to_le_bytes());
                    bytes.extend(value.to_le_bytes());
                }
            }
            Kept::Other(recovery) => {
                bytes.push(1);
                // `Debug` shortens long values, so their texts go in by themselves.
                bytes.extend(format!("{recovery:?}").bytes());
                if let Recovery::Opened(recovered) = &**recovery {
                    for (key, value) in &recovered.contents {
                        for text in [key.as_str(), value.as_str()] {
                            bytes.extend((text.len() as u64).to_le_bytes());
                            bytes.extend(text.bytes());
                        }
                    }
                }
            }
        }
        xxhash_rust::xxh3::xxh3_128(&bytes)
    }
}

/// Numbered texts, each held once.
#[derive(Debug, Default)]
struct Texts {
    numbers: HashMap<Arc<str>, u32, BuildHasherDefault<Spread>>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (number, text) = (self.texts.len() as u32, Arc::<str>::from(text));
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    fn get(&self, number: u32) -> Arc<str> {
        Arc::clone(&self.texts[number as usize])
    }
}

#[cfg(test)]
mod tests;
