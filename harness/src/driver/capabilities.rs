//! What a driver says of itself after the `ack` of `open` (DRIVER_PROTOCOL.md, Capabilities).

/// What an acknowledged write survives a power cut by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durable {
    /// Its own acknowledgement.
    #[default]
    Ack,
    /// A later `sync` that was acknowledged.
    Sync,
    /// Nothing is promised.
    None,
}

/// What an acknowledged write survives a kill of the process by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KillPromise {
    /// Its own acknowledgement.
    #[default]
    Ack,
    /// A later `sync` that was acknowledged.
    Sync,
    /// A later `close` that was acknowledged.
    Close,
}

/// A driver's declared capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `del` is understood.
    pub del: bool,
    /// `batch` is understood.
    pub batch: bool,
    /// `sync` is understood.
    pub sync: bool,
    /// `checkpoint` is understood.
    pub checkpoint: bool,
    /// How many requests may be outstanding.
    pub threads: u32,
    /// The promise against power loss.
    pub durable: Durable,
    /// The promise against a kill.
    pub kill: KillPromise,
    /// What recovery shows is durable when it shows it.
    pub reads_durable: bool,
    /// Longest value in bytes.
    pub max_value: usize,
    /// What survives is a prefix of the acknowledged order.
    pub order_prefix: bool,
    /// Damaged bytes are never returned as data, and any loss they cause is reported.
    pub corruption_detected: bool,
    /// Everything logged before the damaged bytes survives.
    pub damage_prefix: bool,
    /// `open` may follow `close`, many times in one process.
    pub reopen: bool,
}
