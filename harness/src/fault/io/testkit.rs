//! Histories and dumps for the tests of this room.

use super::run::{Hit, Run};
use crate::driver::{Driven, Dump, End};
use crate::image::Image;
use crate::trace::{EventNo, Trace};
use crate::workload::{
    Answer, Contents, History, Key, Moment, Mutation, OpNo, Operation, Request, Value,
};

pub fn put(key: &str, value: &str) -> Request {
    Request::Write(Mutation::Put(Key::from(key), Value::from(value)))
}

/// Requests one after the other, each with two moments; those marked fail.
pub fn history(requests: &[(Request, bool)]) -> History {
    let operation = |(at, (request, fails)): (u64, &(Request, bool))| {
        let answer = if *fails { Answer::Err("no room".into()) } else { Answer::Ack };
        Operation {
            request: request.clone(),
            begun: Moment(at * 2),
            answered: Some((Moment(at * 2 + 1), answer)),
        }
    };
    let operations = (0..).zip(requests).map(operation).collect();
    History { initial: Contents::new(), operations }
}

pub fn contents(pairs: &[(&str, &str)]) -> Contents {
    pairs.iter().map(|(k, v)| (Key::from(*k), Value::from(*v))).collect()
}

/// What the request of this number dumped.
pub fn dump(op: u32, pairs: &[(&str, &str)]) -> (OpNo, Dump) {
    (OpNo(op), Dump { contents: contents(pairs), ..Dump::default() })
}

/// A call that failed at this moment of the history.
pub fn hit(at: u32) -> Hit {
    let (name, path) = ("fdatasync".to_owned(), "log".to_owned());
    let pattern = path.clone();
    Hit { event: EventNo(at), name, path, pattern, no: 1, result: -5, then: None }
}

/// A run of these requests that ended so.
pub fn run(requests: &[(Request, bool)], dumps: Vec<(OpNo, Dump)>, end: End) -> Run {
    Run {
        trace: Trace::default(),
        history: history(requests),
        driven: Driven { capabilities: None, end, dumps, left_out: 0 },
        left: Image::empty(),
        hit: Some(hit(1)),
        blind: Vec::new(),
        answered: Default::default(),
    }
}
