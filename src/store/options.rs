//! What a caller chooses when opening a store, and the limits nobody chooses.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest key in bytes.
pub const MAX_KEY_BYTES: usize = 4096;
/// Longest value in bytes.
pub const MAX_VALUE_BYTES: usize = 256 << 20;
/// Most bytes one transaction may take in the log.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;
/// Largest file of a store, in bytes: what a file says of its own size is not believed beyond this.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Values longer than this get a file of their own.
pub const LARGE_VALUE_BYTES: usize = 64 << 10;

/// When a transaction is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After a sync of its own.
    #[default]
    Immediate,
    /// After a sync that it may share with others.
    GroupCommit {
        /// How long the first of a group waits for company, where there was company lately.
        max_delay: Duration,
        /// How many transactions share a sync at most.
        max_pending: usize,
    },
    /// When it is written: it survives a kill, and power loss only after `sync`.
    Relaxed,
}

impl Durability {
    /// Group commit as the bundled driver uses it.
    pub const GROUP: Self =
        Self::GroupCommit { max_delay: Duration::from_micros(200), max_pending: 64 };
}

/// What `open` does with a log of which something durable is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Leaves everything as it is and says where the damage is.
    #[default]
    Refuse,
    /// Opens to the last good frame; what follows is moved aside into `lost-` files and reported.
    OpenToLastGood,
}

/// Where timestamps come from: nanoseconds since 1970, or whatever a test wants.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock of the caller's.
    pub fn new(now_ns: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ns))
    }

    /// Always the same moment, so that the same operations give the same bytes.
    pub fn fixed(now_ns: u64) -> Self {
        Self::new(move || now_ns)
    }

    /// The machine's.
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
    }

    pub(crate) fn now_ns(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// When transactions are acknowledged.
    pub durability: Durability,
    /// A segment that has grown to this size is followed by a new one.
    pub segment_bytes: u64,
    /// A checkpoint is taken when the log since the last one has grown to this size.
    pub checkpoint_bytes: Option<u64>,
    /// Refuse a damaged log or open what is good of it.
    pub on_damage: OnDamage,
    /// Stamps the frames.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Immediate,
            segment_bytes: 8 << 20,
            checkpoint_bytes: Some(32 << 20),
            on_damage: OnDamage::Refuse,
            clock: Clock::system(),
        }
    }
}
