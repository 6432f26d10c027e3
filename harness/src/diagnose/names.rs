//! What files were called when something happened to them, and the same with the numbers left out.

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
            parts.push(String::from_utf8_lossy(&place.name).into_owned());
            file = place.dir;
        }
        parts.reverse();
        if parts.is_empty() { ".".into() } else { parts.join("/") }
    }

    /// The path of a name.
    pub fn place(&self, place: &Place, at: EventNo) -> String {
        let name = String::from_utf8_lossy(&place.name);
        match place.dir {
            FileId::ROOT => name.into_owned(),
            dir => format!("{}/{name}", self.path(dir, at)),
        }
    }
}

/// A path with every number in it as one `#`, so that a store's tenth segment is called like its
/// ninth. A number is a run of letters and digits that is all digits, or at least four hexadecimal
/// digits of which one is a decimal one; and the digits at the end of a word. So is what makes the name of
/// a temporary file its own: `tmp` and six letters or digits, as most libraries make them; and a directory
/// of one or two hexadecimal digits, over which many files are spread (`objects/7a`).
pub fn plain(path: &str) -> String {
    let mut text = String::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_dir = parts.peek().is_some();
        let spread = is_dir && matches!(part.len(), 1..=2) && part != "db";
        match spread && part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => text.push('#'),
            false => text.push_str(&numberless(part)),
        }
        text.push_str(if is_dir { "/" } else { "" });
    }
    text
}

/// One part of a path with its numbers left out.
fn numberless(part: &str) -> String {
    let mut text = String::new();
    for word in part.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, rest) = word.split_at(end);
        let hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if word.len() == 9 && word.starts_with("tmp") {
            text.push_str("tmp#");
        } else if hex && word.bytes().any(|byte| byte.is_ascii_digit()) {
            text.push('#');
        } else {
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            text.push_str(stem);
            text.push_str(if stem.len() < word.len() { "#" } else { "" });
        }
        text.push_str(rest);
    }
    text
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

    #[test]
    fn numbers_are_left_out_and_words_stay() {
        for (path, expected) in [
            ("wal/000017.log", "wal/#.log"),
            ("values/00ff3a", "values/#"),
            ("k17", "k#"),
            ("db", "db"),
            ("cafe", "cafe"),
            ("MANIFEST-000004", "MANIFEST-#"),
            ("a1x/b22.c3", "a1x/b#.c#"),
            ("objects/7a/00ff3a", "objects/#/#"),
            ("2/f/k0", "#/#/k#"),
            ("db/000003.log", "db/#.log"),
            ("d/LOG", "#/LOG"),
            ("a", "a"),
            ("tables/.tmpBmlYbN", "tables/.tmp#"),
            ("head.tmp", "head.tmp"),
            ("", ""),
        ] {
            assert_eq!(plain(path), expected);
        }
    }
}
