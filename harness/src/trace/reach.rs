//! Where the names and links of a trace lead: to its own directory and nowhere else. A trace of our own need not be looked
//! at, for a real program's links may lead anywhere; one from a file is written to disk by whoever replays it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::{FileId, Place, Trace};
use super::op::{FileOp, NodeKind};

/// Longest name in bytes, as on every Linux file system.
const NAME_BYTES: usize = 255;
/// Longest path below the store's directory in bytes: with the path of that it stays below PATH_MAX.
const PATH_BYTES: usize = 3_000;
/// The most directories inside each other.
const DEEPEST: usize = 200;
/// So many directories and links are looked at again, all together, because a directory above them moved.
const LOOKS: usize = 10_000_000;

/// The directories and links at one moment of a trace.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Where each directory is; the root is nowhere.
    dirs: BTreeMap<FileId, Option<Place>>,
    links: BTreeMap<FileId, Link>,
    looks: usize,
}

#[derive(Debug)]
struct Link {
    target: Arc<[u8]>,
    places: BTreeSet<Place>,
}

impl Reach {
    /// Before the first event; or which node of the beginning leads out, and how.
    pub fn new(trace: &Trace) -> Result<Self, String> {
        let mut reach = Self::default();
        reach.dirs.insert(FileId::ROOT, None);
        for (index, node) in trace.initial.iter().enumerate() {
            let Some(at) = &node.at else { continue };
            let added = reach.node(at, node.file, &node.node);
            added.map_err(|why| format!("initial node {index}: {why}"))?;
        }
        Ok(reach)
    }

    /// What an operation does to names; or why it cannot be.
    pub fn apply(&mut self, op: &FileOp) -> Result<(), &'static str> {
        match op {
            FileOp::Create { at, file, node, .. } => self.node(at, *file, node),
            FileOp::Link { at, file } => {
                if self.dirs.contains_key(file) {
                    return Err("a directory has one name");
                }
                self.named(at, *file)
            }
            FileOp::Unlink { at, file } => {
                self.gone(at, *file);
                Ok(())
            }
            FileOp::Rename { from, to, file, replaced } => {
                replaced.iter().for_each(|replaced| self.gone(to, *replaced));
                self.gone(from, *file);
                self.moved(to, *file)
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                self.gone(a, *file_a);
                self.gone(b, *file_b);
                self.moved(a, *file_b)?;
                self.moved(b, *file_a)
            }
            _ => Ok(()),
        }
    }

    fn node(&mut self, at: &Place, file: FileId, node: &NodeKind) -> Result<(), &'static str> {
        match node {
            NodeKind::Dir if file == FileId::ROOT => return Err("the root is no name in itself"),
            NodeKind::Dir => drop(self.dirs.insert(file, Some(at.clone()))),
            NodeKind::Symlink(target) => {
                let target = Arc::clone(target);
                self.links.entry(file).or_insert(Link { target, places: BTreeSet::new() });
            }
            NodeKind::File | NodeKind::Special => {}
        }
        self.named(at, file)
    }

    /// A name that came.
    fn named(&mut self, at: &Place, file: FileId) -> Result<(), &'static str> {
        let plain = !matches!(&*at.name, b"" | b"." | b"..")
            && !at.name.iter().any(|byte| matches!(byte, b'/' | 0));
        if !plain {
            return Err("a name is empty, a dot or two, or has a slash or a zero byte in it");
        }
        if at.name.len() > NAME_BYTES {
            return Err("a name is longer than 255 bytes");
        }
        let (depth, bytes) = self.depth(at.dir)?;
        if bytes + at.name.len() > PATH_BYTES {
            return Err("a path is longer than 3,000 bytes");
        }
        if let Some(link) = self.links.get_mut(&file) {
            link.places.insert(at.clone());
            if !stays(&link.target, depth) {
                return Err("a symbolic link leads out of the store's directory");
            }
        }
        Ok(())
    }

    fn gone(&mut self, at: &Place, file: FileId) {
        if let Some(link) = self.links.get_mut(&file) {
            link.places.remove(at);
        }
    }

    /// A name that something has now, with all that is below it.
    fn moved(&mut self, to: &Place, file: FileId) -> Result<(), &'static str> {
        let Some(place) = self.dirs.get_mut(&file) else { return self.named(to, file) };
        *place = Some(to.clone());
        self.named(to, file)?;
        self.looks += self.dirs.len() + self.links.len();
        if self.looks > LOOKS {
            return Err("directories move too often");
        }
        for dir in self.dirs.keys() {
            self.depth(*dir)?;
        }
        for link in self.links.values() {
            for place in &link.places {
                if !stays(&link.target, self.depth(place.dir)?.0) {
                    return Err("a symbolic link leads out of the store's directory");
                }
            }
        }
        Ok(())
    }

    /// How many directories are above what is in a directory, the root not counted, and how long its path is.
    fn depth(&self, dir: FileId) -> Result<(usize, usize), &'static str> {
        let (mut at, mut depth, mut bytes) = (dir, 0, 0);
        loop {
            match self.dirs.get(&at) {
                None => return Err("a name stands in something that is no directory"),
                Some(None) => return Ok((depth, bytes)),
                Some(Some(place)) => {
                    at = place.dir;
                    depth += 1;
                    bytes += place.name.len() + 1;
                }
            }
            if depth > DEEPEST {
                return Err("a directory is inside itself, or inside 200 others");
            }
            if bytes > PATH_BYTES {
                return Err("a path is longer than 3,000 bytes");
            }
        }
    }
}

/// True if a link so deep never climbs above the root: it goes up first, no further than it is deep, and then down. What
/// goes up again may do so from where another link led.
fn stays(target: &[u8], depth: usize) -> bool {
    let mut up = 0;
    let mut down = false;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b".." if down => return false,
            b".." => up += 1,
            b"" | b"." => {}
            _ => down = true,
        }
    }
    !target.starts_with(b"/") && up <= depth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: FileId, name: &str) -> Place {
        Place { dir, name: name.as_bytes().into() }
    }

    fn create(dir: FileId, name: &str, file: u32, node: NodeKind) -> FileOp {
        FileOp::Create { at: place(dir, name), file: FileId(file), node, mode: 0o755 }
    }

    fn link(dir: FileId, name: &str, file: u32, target: &str) -> FileOp {
        create(dir, name, file, NodeKind::Symlink(target.as_bytes().into()))
    }

    fn reaches(ops: &[FileOp]) -> Result<(), &'static str> {
        let mut reach = Reach::new(&Trace::default()).unwrap();
        ops.iter().try_for_each(|op| reach.apply(op))
    }

    const ROOT: FileId = FileId::ROOT;

    #[test]
    fn a_link_stays_where_it_goes_up_no_further_than_it_is_deep() {
        for target in ["a", "a/b", "./a", "", "."] {
            assert_eq!(reaches(&[link(ROOT, "l", 2, target)]), Ok(()), "{target}");
        }
        for target in ["/etc", "..", "../a", "a/../b", "a/../../b"] {
            assert!(reaches(&[link(ROOT, "l", 2, target)]).is_err(), "{target}");
        }
        let dir = create(ROOT, "d", 2, NodeKind::Dir);
        assert_eq!(reaches(&[dir.clone(), link(FileId(2), "l", 3, "../a")]), Ok(()));
        assert!(reaches(&[dir, link(FileId(2), "l", 3, "../../a")]).is_err());
    }

    #[test]
    fn a_link_that_moves_up_or_whose_directory_does_leads_out() {
        let ops = [
            create(ROOT, "a", 2, NodeKind::Dir),
            create(FileId(2), "b", 3, NodeKind::Dir),
            link(FileId(3), "l", 4, "../../x"),
        ];
        let rename =
            |from, to, file| FileOp::Rename { from, to, file: FileId(file), replaced: None };
        let up = rename(place(FileId(3), "l"), place(FileId(2), "l"), 4);
        let dir = rename(place(FileId(2), "b"), place(ROOT, "b"), 3);
        let along = rename(place(FileId(3), "l"), place(FileId(3), "m"), 4);
        assert_eq!(reaches(&[&ops[..], &[along]].concat()), Ok(()));
        assert!(reaches(&[&ops[..], &[up]].concat()).is_err());
        assert!(reaches(&[&ops[..], &[dir]].concat()).is_err());
        let hard = FileOp::Link { at: place(ROOT, "h"), file: FileId(4) };
        assert!(reaches(&[&ops[..], &[hard]].concat()).is_err());
    }

    #[test]
    fn directories_have_one_name_and_are_not_inside_themselves() {
        let a = create(ROOT, "a", 2, NodeKind::Dir);
        let twice = FileOp::Link { at: place(FileId(2), "b"), file: FileId(2) };
        assert!(reaches(&[a.clone(), twice]).is_err());
        let (from, to) = (place(ROOT, "a"), place(FileId(2), "a"));
        let into = FileOp::Rename { from, to, file: FileId(2), replaced: None };
        assert!(reaches(&[a, into]).is_err());
        assert!(reaches(&[create(FileId(9), "x", 3, NodeKind::File)]).is_err());
    }

    #[test]
    fn names_and_paths_are_as_long_as_the_system_takes_them() {
        let file = |name: &str| reaches(&[create(ROOT, name, 2, NodeKind::File)]);
        assert_eq!(file(&"n".repeat(255)), Ok(()));
        for name in [&"n".repeat(256), "", ".", "..", "a/b", "a\0b"] {
            assert!(file(name).is_err(), "{name:?}");
        }
        let name = "d".repeat(250);
        let nested = |count: u32| {
            let dir = |at: u32| {
                let above = if at == 0 { ROOT } else { FileId(at + 1) };
                create(above, &name, at + 2, NodeKind::Dir)
            };
            reaches(&(0..count).map(dir).collect::<Vec<_>>())
        };
        assert_eq!(nested(11), Ok(()));
        assert!(nested(12).is_err());
    }
}
