//! What files were called when something happened to them, for people.

use std::collections::BTreeMap;

use crate::trace::{EventKind, EventNo, FileId, FileOp, Place, Trace};

/// The deepest path that is printed; a deeper one (only a forged trace has a ring) is cut.
const DEEPEST: usize = 64;

/// The names of a timeline's files over time.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By file: from which event on it had which name.
    of: BTreeMap<FileId, Vec<(u32, Place)>>,
}

impl Names {
    /// Reads the names out of a trace.
    pub fn new(trace: &Trace) -> Self {
        let mut names = Self::default();
        for node in &trace.initial {
            if let Some(at) = &node.at {
                names.add(0, node.file, at);
            }
        }
        for (event, kind) in (0u32..).zip(trace.events.iter().map(|event| &event.kind)) {
            let EventKind::Call(call) = kind else { continue };
            match &call.op {
                FileOp::Create { at, file, .. } | FileOp::Link { at, file } => {
                    names.add(event, *file, at);
                }
                FileOp::Rename { to, file, .. } => names.add(event + 1, *file, to),
                FileOp::Exchange { a, b, file_a, file_b } => {
                    names.add(event + 1, *file_a, b);
                    names.add(event + 1, *file_b, a);
                }
                _ => {}
            }
        }
        names
    }

    fn add(&mut self, event: u32, file: FileId, at: &Place) {
        self.of.entry(file).or_default().push((event, at.clone()));
    }

    /// The path of a file at an event, from the store's directory; `.` for that directory itself.
    pub fn path(&self, file: FileId, event: EventNo) -> String {
        let mut parts = Vec::new();
        let mut at = file;
        while at != FileId::ROOT && parts.len() < DEEPEST {
            let Some(places) = self.of.get(&at) else {
                parts.push(format!("(unnamed file {})", at.0));
                break;
            };
            // A file that has no name yet goes by its first.
            let known = places.partition_point(|(since, _)| *since <= event.0).max(1);
            let place = &places[known - 1].1;
            parts.push(String::from_utf8_lossy(&place.name).into_owned());
            at = place.dir;
        }
        parts.reverse();
        if parts.is_empty() { ".".into() } else { parts.join("/") }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::{Call, Event, NodeKind};

    #[test]
    fn a_renamed_file_goes_by_the_name_that_it_had_then() {
        let place = |name: &str| Place { dir: FileId::ROOT, name: name.as_bytes().into() };
        let event = |op| Event {
            thread: 1,
            kind: EventKind::Call(Call {
                no: 1,
                name: "call".into(),
                result: 0,
                injected: false,
                op,
            }),
            stack: Arc::from([]),
        };
        let file = FileId(4);
        let create = FileOp::Create { at: place("new"), file, node: NodeKind::File, mode: 0o644 };
        let rename = FileOp::Rename { from: place("new"), to: place("log"), file, replaced: None };
        let trace = Trace { events: vec![event(create), event(rename)], ..Trace::default() };
        let names = Names::new(&trace);
        assert_eq!(names.path(file, EventNo(1)), "new");
        assert_eq!(names.path(file, EventNo(2)), "log");
        assert_eq!(names.path(FileId::ROOT, EventNo(0)), ".");
        assert_eq!(names.path(FileId(9), EventNo(0)), "(unnamed file 9)");
    }
}
