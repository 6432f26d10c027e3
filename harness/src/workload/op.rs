//! Keys, values and requests: the nouns of DRIVER_PROTOCOL.md without their wire form.

use std::fmt;
use std::sync::Arc;

/// A key: 1 to 64 bytes of printable ASCII without space when `unplug` made it; whatever a driver
/// printed when it comes out of a dump.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A value: 1 to 200,000 bytes of printable ASCII without space when `unplug` made it; whatever a
/// driver printed when it comes out of a dump. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Arc<str>);

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// Takes the text as it is; the parser of the wire or text form has checked it.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text!(Key);
text!(Value);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..32) {
            Some(start) if self.0.len() > 40 => write!(f, "{start}…({} bytes)", self.0.len()),
            _ => f.write_str(&self.0),
        }
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// Set the key to the value.
    Put(Key, Value),
    /// Remove the key; its absence is not an error.
    Del(Key),
}

impl Mutation {
    /// The key that is changed.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Del(key) => key,
        }
    }

    /// What the key holds afterwards.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Put(_, value) => Some(value),
            Self::Del(_) => None,
        }
    }
}

/// One request to a driver. `Open` takes its directory from whoever sends it, so that one history
/// can be judged against directories of any path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Open the store, creating it where it is missing, running its recovery.
    Open,
    /// One put or delete.
    Write(Mutation),
    /// These together, atomically; no key twice.
    Batch(Vec<Mutation>),
    /// Make everything acknowledged before this request durable.
    Sync,
    /// The store's own maintenance.
    Checkpoint,
    /// Print every pair the store holds.
    Dump,
    /// Close the store cleanly.
    Close,
}

impl Request {
    /// The changes that this request makes, in order; empty for all but writes and batches.
    pub fn mutations(&self) -> &[Mutation] {
        match self {
            Self::Write(mutation) => std::slice::from_ref(mutation),
            Self::Batch(mutations) => mutations,
            _ => &[],
        }
    }

    /// How many bytes its keys and values have.
    pub fn bytes(&self) -> usize {
        let one = |change: &Mutation| {
            change.key().as_str().len() + change.value().map_or(0, |value| value.as_str().len())
        };
        self.mutations().iter().map(one).sum()
    }

    /// True for `open`, `sync`, `checkpoint`, `dump` and `close`: sent only when nothing else is
    /// outstanding.
    pub fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Write(_) | Self::Batch(_))
    }
}
