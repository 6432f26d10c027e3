//! For tests: histories and contents written as one line of text, so that a table of cases reads
//! like a table.
//!
//! `"put a 1; batch put b 2 del a !; sync; del a ?"`: one request after the other, each answered with
//! `ack` before the next begins; with `!` at its end it was answered `err`, with `?` not at all, and
//! with `&` it is still outstanding when the next begins and is acknowledged after that one's answer.
//! Request number `n` (from 0) begins at `10n + 10` and is answered at `10n + 15`.

use crate::driver::Capabilities;
use crate::recover::{Recovered, Recovery};
use crate::workload::text::parse_request;
use crate::workload::{Answer, Contents, History, Key, Moment, Operation, Value};

/// A driver that promises everything that it can promise by default.
pub fn capabilities() -> Capabilities {
    Capabilities {
        del: true,
        batch: true,
        sync: true,
        checkpoint: true,
        threads: 1,
        durable: Default::default(),
        kill: Default::default(),
        close_durable: false,
        reads_durable: false,
        max_value: 200_000,
        order_prefix: false,
        corruption_detected: false,
        damage_prefix: false,
        reopen: true,
    }
}

/// A history with an `open` before the first request.
pub fn history(text: &str) -> History {
    let mut operations = Vec::new();
    let lines = std::iter::once("open").chain(text.split(';')).map(str::trim);
    for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        let number = number as u64;
        let (line, mark) = match line.rsplit_once(' ') {
            Some((line, mark @ ("!" | "?" | "&"))) => (line, mark),
            _ => (line, ""),
        };
        let request = parse_request(line).expect("a request in a test");
        let answered = match mark {
            "?" => None,
            "!" => Some((Moment(10 * number + 5), Answer::Err("failed".into()))),
            "&" => Some((Moment(10 * number + 16), Answer::Ack)),
            _ => Some((Moment(10 * number + 5), Answer::Ack)),
        };
        operations.push(Operation { request, begun: Moment(10 * number), answered });
    }
    History { initial: Contents::new(), operations }
}

/// `"a=1 b=2"`.
pub fn contents(text: &str) -> Contents {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').expect("KEY=VALUE"));
    pairs.map(|(key, value)| (Key::from(key), Value::from(value))).collect()
}

/// A recovery that showed these.
pub fn opened(text: &str) -> Recovery {
    Recovery::Opened(Recovered { contents: contents(text), ..Recovered::default() })
}
