//! The names of a recording's files over time.

use std::collections::BTreeMap;

use crate::trace::{EventKind, EventNo, FileId, FileOp, Place, Trace};

/// The deepest path that is told; only a forged trace has a deeper one, or a ring.
const DEEPEST: usize = 64;

/// The names of a trace's files over time.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By file: from which event on it had which name.
    of: BTreeMap<FileId, Vec<(u32, Place)>>,
}

impl Names {
    /// The names in a trace.
    pub fn new(trace: &Trace) -> Names {
        let mut names = Names::default();
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

    /// The path of a file at an event, relative to the store's directory, which is `.` itself.
    pub fn path(&self, file: FileId, at: EventNo) -> String {
        let mut parts = Vec::new();
        let mut file = file;
        while file != FileId::ROOT && parts.len() < DEEPEST {
            let Some(places) = self.of.get(&file) else {
                parts.push("(a file without a name)".to_owned());
                break;
            };
            // What has no name yet goes by its first.
            let known = places.partition_point(|(since, _)| *since <= at.0).max(1);
            let place = &places[known - 1].1;
            parts.push(in_one_line(&place.name));
            file = place.dir;
        }
        parts.reverse();
        if parts.is_empty() { ".".into() } else { parts.join("/") }
    }

    /// The path of a name.
    pub fn place(&self, place: &Place, at: EventNo) -> String {
        let name = in_one_line(&place.name);
        match place.dir {
            FileId::ROOT => name,
            dir => format!("{}/{name}", self.path(dir, at)),
        }
    }
}

/// A name as sentences have it: a line's end in it would end theirs.
pub fn in_one_line(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::tests::script::Script;

    #[test]
    fn a_renamed_file_goes_by_the_name_that_it_had_then() {
        let mut script = Script::new().with_dir("d");
        let made = script.create("d/new");
        let file = script.id("d/new");
        let write = script.write("d/new", 0, b"x");
        let renamed = script.rename("d/new", "db");
        let names = Names::new(&script.trace);
        assert_eq!(names.path(file, made), "d/new");
        assert_eq!(names.path(file, write), "d/new");
        assert_eq!(names.path(file, renamed), "d/new");
        assert_eq!(names.path(file, EventNo(renamed.0 + 1)), "db");
        assert_eq!(names.path(FileId::ROOT, made), ".");
        assert_eq!(names.path(FileId(99), made), "(a file without a name)");
    }
}
