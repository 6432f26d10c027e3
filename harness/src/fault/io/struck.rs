//! A call by what is the same in another run of the same requests: during which request, its name, its
//! file with the numbers in its path left out, and how often that was there before in the request. Pure.

use std::collections::BTreeMap;

use super::run::about;
use crate::diagnose::plain;
use crate::scenario::StruckText;
use crate::trace::paths::Paths;
use crate::trace::{EventKind, FileOp, Trace};

/// A numbered call of a recording, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its number: see [`crate::trace::Call::no`].
    pub no: u32,
    /// Its name.
    pub name: StruckText,
    /// Which of the request's calls of this name it was, whatever the file, from 1.
    pub of_name: u32,
}

/// Every numbered call of a recording, in order.
pub fn numbered(trace: &Trace) -> Vec<Numbered> {
    let mut paths = Paths::new(trace);
    let mut all: Vec<Numbered> = Vec::new();
    let mut request = 0;
    let mut by_file: BTreeMap<(u32, String, Option<String>), u32> = BTreeMap::new();
    let mut by_name: BTreeMap<(u32, String), u32> = BTreeMap::new();
    for event in &trace.events {
        let call = match &event.kind {
            EventKind::Request { .. } => {
                request += 1;
                continue;
            }
            EventKind::Call(call) => call,
            _ => continue,
        };
        // Named as a call that fails is: by what it found, since what it would have made is not there.
        let file = match &call.op {
            FileOp::Create { .. }
            | FileOp::CreateUnnamed { .. }
            | FileOp::Link { .. }
            | FileOp::Exchange { .. }
            | FileOp::SyncAll
            | FileOp::Failed { file: None }
            | FileOp::Nothing { file: None } => None,
            FileOp::Rename { file, .. } | FileOp::Unlink { file, .. } => {
                Some(plain(&paths.path(*file)))
            }
            op => Some(plain(&about(op, &paths))),
        };
        paths.apply(&call.op);
        // Several events of one call share its number.
        if call.no == 0 || all.last().is_some_and(|last| last.no == call.no) {
            continue;
        }
        let name = call.name.to_string();
        let nth = by_file.entry((request, name.clone(), file.clone())).or_default();
        *nth += 1;
        let of_name = by_name.entry((request, name.clone())).or_default();
        *of_name += 1;
        let text = StruckText { call: name, file, request, nth: *nth };
        all.push(Numbered { no: call.no, name: text, of_name: *of_name });
    }
    all
}

/// The name of the call of this number.
pub fn named(trace: &Trace, no: u32) -> Option<StruckText> {
    numbered(trace).into_iter().find(|call| call.no == no).map(|call| call.name)
}

/// The number of the call of this name in another recording: in the same request, else, where several
/// requests are outstanding (`at_once`), the n-th of all that have the same name and file.
pub fn number(calls: &[Numbered], name: &StruckText, at_once: bool) -> Option<u32> {
    let exact = calls.iter().find(|call| call.name == *name);
    let found = exact.or_else(|| {
        let alike =
            |call: &&Numbered| (&call.name.call, &call.name.file) == (&name.call, &name.file);
        let later = |call: &&Numbered| alike(call) && call.name.request >= name.request;
        at_once.then(|| calls.iter().find(later).or_else(|| calls.iter().rfind(alike)))?
    });
    found.map(|call| call.no)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;
    use crate::workload::{OpNo, Request};

    /// Two requests, each a write to `log` and a sync of it; with another file before where `more`.
    fn run(more: bool) -> Vec<Numbered> {
        let mut script = Script::new();
        for op in 0..2 {
            script.event(EventKind::Request { op: OpNo(op), request: Request::Sync });
            if op == 0 {
                script.create("log");
            }
            if more {
                script.create(&format!("spare-{op}"));
            }
            script.write("log", 0, b"some");
            script.fsync("log");
        }
        // The script does not number its calls.
        for (event, no) in script.trace.events.iter_mut().zip(1..) {
            if let EventKind::Call(call) = &mut event.kind {
                call.no = no;
            }
        }
        numbered(&script.trace)
    }

    #[test]
    fn a_call_is_found_again_whatever_its_number() {
        let (old, new) = (run(false), run(true));
        for call in &old {
            let found = number(&new, &call.name, false);
            let there = new.iter().find(|other| Some(other.no) == found).expect("found");
            assert_eq!(there.name, call.name);
        }
        assert_ne!(old.last().map(|call| call.no), new.last().map(|call| call.no));
    }

    #[test]
    fn a_call_that_is_not_made_any_more_is_not_found() {
        let (old, new) = (run(true), run(false));
        let spare = old.iter().filter(|call| call.name.file.is_none()).nth(1).expect("a creation");
        assert_eq!(number(&new, &spare.name, false), None);
    }
}
