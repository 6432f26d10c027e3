//! What a driver says of itself after the `ack` of `open` (DRIVER_PROTOCOL.md, Capabilities).

use crate::base::limits::VALUE_BYTES;
use crate::workload::{Mutation, Request};

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

/// Whose acknowledgement makes a write durable against a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerPromise {
    /// Its own.
    Ack,
    /// That of a later `sync`.
    Sync,
    /// That of a later `sync` or `close`.
    SyncOrClose,
    /// Nobody's.
    None,
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
    /// An acknowledged `close` makes durable whatever a `sync` in its place would.
    pub close_durable: bool,
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

impl Default for Capabilities {
    /// What a driver that lists no words promises.
    fn default() -> Self {
        Self {
            del: false,
            batch: false,
            sync: false,
            checkpoint: false,
            threads: 1,
            durable: Durable::Ack,
            kill: KillPromise::Ack,
            close_durable: false,
            reads_durable: false,
            max_value: VALUE_BYTES,
            order_prefix: false,
            corruption_detected: false,
            damage_prefix: false,
            reopen: false,
        }
    }
}

impl Capabilities {
    /// Reads the words after the `ack` of `open`. An unknown, repeated or contradictory word is an
    /// error that names it: a promise that is misspelt must not silently go unjudged.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut caps = Self::default();
        let mut kill = None;
        let mut seen: Vec<&str> = Vec::new();
        for word in words {
            let name = word.split_once('=').map_or(word, |(name, _)| name);
            if seen.contains(&name) {
                return Err(format!("capability `{name}` is given twice"));
            }
            seen.push(name);
            match word {
                "del" => caps.del = true,
                "batch" => caps.batch = true,
                "sync" => caps.sync = true,
                "checkpoint" => caps.checkpoint = true,
                "durable=ack" => caps.durable = Durable::Ack,
                "durable=sync" => caps.durable = Durable::Sync,
                "durable=none" => caps.durable = Durable::None,
                "kill=ack" => kill = Some(KillPromise::Ack),
                "kill=sync" => kill = Some(KillPromise::Sync),
                "kill=close" => kill = Some(KillPromise::Close),
                "close=durable" => caps.close_durable = true,
                "reads=durable" => caps.reads_durable = true,
                "order=prefix" => caps.order_prefix = true,
                "corruption=detected" => caps.corruption_detected = true,
                "damage=prefix" => caps.damage_prefix = true,
                "reopen" => caps.reopen = true,
                _ => match word.split_once('=') {
                    Some(("threads", n)) => caps.threads = positive(word, n)?,
                    Some(("maxvalue", n)) => {
                        caps.max_value = (positive(word, n)? as usize).min(VALUE_BYTES);
                    }
                    _ => return Err(format!("`{word}` is not a capability")),
                },
            }
        }
        if caps.close_durable && caps.durable == Durable::None {
            return Err("`close=durable` contradicts `durable=none`".into());
        }
        caps.kill = kill.unwrap_or(match caps.durable {
            Durable::None => KillPromise::Close,
            Durable::Ack | Durable::Sync => KillPromise::Ack,
        });
        Ok(caps)
    }

    /// The words that say this, in the order of DRIVER_PROTOCOL.md; defaults are left out.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut say = |yes: bool, word: &str| {
            if yes {
                words.push(word.to_string());
            }
        };
        say(self.del, "del");
        say(self.batch, "batch");
        say(self.sync, "sync");
        say(self.checkpoint, "checkpoint");
        say(self.threads != 1, &format!("threads={}", self.threads));
        match self.durable {
            Durable::Ack => say(true, "durable=ack"),
            Durable::Sync => say(true, "durable=sync"),
            Durable::None => say(true, "durable=none"),
        }
        match (self.kill, self.durable) {
            (KillPromise::Ack, Durable::None) => say(true, "kill=ack"),
            (KillPromise::Sync, _) => say(true, "kill=sync"),
            (KillPromise::Close, Durable::Ack | Durable::Sync) => say(true, "kill=close"),
            _ => {}
        }
        say(self.close_durable, "close=durable");
        say(self.reads_durable, "reads=durable");
        say(self.max_value != VALUE_BYTES, &format!("maxvalue={}", self.max_value));
        say(self.order_prefix, "order=prefix");
        say(self.corruption_detected, "corruption=detected");
        say(self.damage_prefix, "damage=prefix");
        say(self.reopen, "reopen");
        words
    }

    /// Whose acknowledgement makes a write durable against a power cut.
    pub fn power_promise(&self) -> PowerPromise {
        match self.durable {
            Durable::Ack => PowerPromise::Ack,
            Durable::Sync if self.close_durable => PowerPromise::SyncOrClose,
            Durable::Sync => PowerPromise::Sync,
            Durable::None => PowerPromise::None,
        }
    }

    /// True if anything that the driver can be asked makes a write durable against power loss.
    pub fn promises_against_power_loss(&self) -> bool {
        match self.power_promise() {
            PowerPromise::Ack | PowerPromise::SyncOrClose => true,
            PowerPromise::Sync => self.sync,
            PowerPromise::None => false,
        }
    }

    /// True if the driver understands `request`; what it does not understand is never sent.
    pub fn allow(&self, request: &Request) -> bool {
        let fits = |mutation: &Mutation| match mutation {
            Mutation::Put(_, value) => value.as_str().len() <= self.max_value,
            Mutation::Del(_) => self.del,
        };
        match request {
            Request::Open | Request::Dump | Request::Close => true,
            Request::Write(mutation) => fits(mutation),
            Request::Batch(mutations) => self.batch && mutations.iter().all(fits),
            Request::Sync => self.sync,
            Request::Checkpoint => self.checkpoint,
        }
    }
}

fn positive(word: &str, digits: &str) -> Result<u32, String> {
    match digits.parse::<u32>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{word}` needs a whole number from 1 to {}", u32::MAX)),
    }
}

#[cfg(test)]
mod tests;
