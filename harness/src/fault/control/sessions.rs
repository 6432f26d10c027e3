//! Short lives of one store, without any fault: what comes last before a `close` and first after an
//! `open`, in every order that is likely to matter. A long workload whose checkpoints and closings never
//! meet does not see what goes wrong where they do. Pure.

use crate::driver::Capabilities;
use crate::workload::{Key, Mutation, Request, Value, ValueName};

/// Length of a value that is many to a page, and of one that is several pages.
const SHORT: usize = 48;
const LONG: usize = 9_000;

/// Writes values that name themselves, each once.
struct Script<'a> {
    capabilities: &'a Capabilities,
    requests: Vec<Request>,
    number: u64,
}

impl Script<'_> {
    fn value(&mut self, key: &str, length: usize) -> Value {
        self.number += 1;
        let len_bytes = length.min(self.capabilities.max_value);
        let name = ValueName { key: Key::from(key), number: self.number, len_bytes };
        name.value().unwrap_or_else(|| {
            let text = format!("s{}", self.number);
            Value::new(text.chars().take(len_bytes.max(1)).collect::<String>())
        })
    }

    fn put(&mut self, key: &str, length: usize) -> Mutation {
        Mutation::Put(Key::from(key), self.value(key, length))
    }

    /// One session: `p` puts a short value and `P` a long one under the key that follows, `d` deletes it,
    /// `b` is a batch of three keys, `s` a sync, `c` a checkpoint.
    fn session(&mut self, words: &str) {
        self.requests.extend([Request::Open, Request::Dump]);
        for word in words.split_whitespace() {
            let (verb, key) = word.split_at(1);
            let request = match verb {
                "p" => Request::Write(self.put(key, SHORT)),
                "P" => Request::Write(self.put(key, LONG)),
                "d" => Request::Write(Mutation::Del(Key::from(key))),
                "b" => Request::Batch(["x", "y", "z"].map(|key| self.put(key, SHORT)).to_vec()),
                "s" => Request::Sync,
                _ => Request::Checkpoint,
            };
            if self.capabilities.allow(&request) {
                self.requests.push(request);
            }
        }
        self.requests.push(Request::Close);
    }
}

/// The sessions, one after the other on one store; the last only looks.
const SESSIONS: [&str; 9] =
    ["pa pb c", "", "pc c pd c", "c", "pe db c c", "b s", "Pf c pg s c pa c", "da dc dx", ""];

/// Everything that is asked. What the driver does not understand is left out.
pub fn requests(capabilities: &Capabilities) -> Vec<Request> {
    let mut script = Script { capabilities, requests: Vec::new(), number: 0 };
    SESSIONS.iter().for_each(|session| script.session(session));
    script.requests
}

/// The workload with a `dump` after each `open`.
pub fn with_dumps(requests: &[Request]) -> Vec<Request> {
    let dumped = |request: &Request| match request {
        Request::Open => vec![Request::Open, Request::Dump],
        other => vec![other.clone()],
    };
    requests.iter().flat_map(dumped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Request> {
        let capabilities = Capabilities {
            del: true,
            batch: true,
            sync: true,
            checkpoint: true,
            ..Capabilities::default()
        };
        requests(&capabilities)
    }

    #[test]
    fn every_sort_of_request_is_once_the_last_before_a_close() {
        let all = all();
        let last: Vec<&Request> =
            all.windows(2).filter(|pair| pair[1] == Request::Close).map(|pair| &pair[0]).collect();
        let is_put = |request: &&Request| matches!(request, Request::Write(Mutation::Del(_)));
        assert!(last.iter().any(|request| **request == Request::Checkpoint));
        assert!(last.iter().any(|request| **request == Request::Sync));
        assert!(last.iter().any(|request| **request == Request::Dump));
        assert!(last.iter().any(is_put));
    }

    #[test]
    fn a_close_follows_a_second_checkpoint_with_a_write_between_the_two() {
        let all = all();
        let closes = all.windows(4).filter(|four| {
            matches!(
                four,
                [Request::Checkpoint, Request::Write(_), Request::Checkpoint, Request::Close]
            )
        });
        assert!(closes.count() > 0);
    }

    #[test]
    fn a_driver_is_asked_for_nothing_that_it_does_not_understand() {
        let capabilities = Capabilities { max_value: 3, ..Capabilities::default() };
        assert!(requests(&capabilities).iter().all(|request| capabilities.allow(request)));
    }
}
