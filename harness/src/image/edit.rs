//! Edits of an image by path: what damages, shrinks or builds one. Each says by its `bool` whether
//! it could be done; none panics and none reaches outside.

use std::path::Path;
use std::sync::Arc;

use super::content::Content;
use super::tree::Image;
use crate::trace::{FileId, NodeKind};

impl Image {
    /// A regular file's bytes, by path.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&Content> {
        self.content(self.find(path)?)
    }

    /// Up to `len` bytes of a regular file from `offset` on.
    pub fn read(&self, path: impl AsRef<Path>, offset: u64, len: usize) -> Option<Vec<u8>> {
        Some(self.file(path)?.read(offset, len))
    }

    /// All bytes of a regular file.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        Some(self.file(path)?.bytes())
    }

    /// Changes a regular file's bytes in any way.
    pub fn edit_file(&mut self, path: impl AsRef<Path>, edit: impl FnOnce(&mut Content)) -> bool {
        self.find(path).is_some_and(|file| self.edit(file, edit).is_some())
    }

    /// Writes into a regular file, making it longer where needed.
    pub fn write(&mut self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) -> bool {
        self.edit_file(path, |content| content.write(offset, bytes))
    }

    /// Makes a regular file longer (by zeros) or shorter.
    pub fn resize(&mut self, path: impl AsRef<Path>, size: u64) -> bool {
        self.edit_file(path, |content| content.resize(size))
    }

    /// Overwrites a range of a regular file with zeros.
    pub fn zero(&mut self, path: impl AsRef<Path>, offset: u64, len: u64) -> bool {
        self.edit_file(path, |content| content.zero(offset, len))
    }

    /// Makes a regular file of these bytes, or replaces the bytes of the one that is there.
    pub fn put(&mut self, path: impl AsRef<Path>, bytes: &[u8]) -> bool {
        let path = path.as_ref();
        if self.file(path).is_none() && !self.make(path, &NodeKind::File, 0o644) {
            return false;
        }
        self.edit_file(path, |content| *content = Content::of(bytes))
    }

    /// Makes a directory.
    pub fn make_dir(&mut self, path: impl AsRef<Path>) -> bool {
        self.make(path.as_ref(), &NodeKind::Dir, 0o755)
    }

    /// Makes a symbolic link.
    pub fn symlink(&mut self, path: impl AsRef<Path>, target: &[u8]) -> bool {
        self.make(path.as_ref(), &NodeKind::Symlink(Arc::from(target)), 0o777)
    }

    /// Gives a node that is not a directory another name.
    pub fn hard_link(&mut self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> bool {
        let to = self.place(to.as_ref()).filter(|to| self.lookup(to.dir, &to.name).is_none());
        match (self.find(from), to) {
            (Some(file), Some(to)) if self.kind(file) != Some(NodeKind::Dir) => {
                self.link(to.dir, &to.name, file);
                true
            }
            _ => false,
        }
    }

    /// Removes a name, with all below it.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> bool {
        let Some(place) = self.place(path.as_ref()) else { return false };
        let Some(file) = self.unlink(place.dir, &place.name) else { return false };
        let mut todo = vec![file];
        while let Some(file) = todo.pop() {
            let below: Vec<_> =
                self.names_in(file).into_iter().flatten().map(|(n, _)| n.clone()).collect();
            todo.extend(below.iter().filter_map(|name| self.unlink(file, name)));
            self.forget(file);
        }
        true
    }

    /// Renames, over what the new name led to.
    pub fn rename(&mut self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> bool {
        let (Some(from), Some(to)) = (self.place(from.as_ref()), self.place(to.as_ref())) else {
            return false;
        };
        let Some(file) = self.lookup(from.dir, &from.name) else { return false };
        if self.lookup(to.dir, &to.name) != Some(file) && !self.is_within(to.dir, file) {
            self.unlink(from.dir, &from.name);
            self.link(to.dir, &to.name, file);
            return true;
        }
        from == to
    }

    /// True if directory `dir` is `above` or lies below it.
    fn is_within(&self, dir: FileId, above: FileId) -> bool {
        let mut at = dir;
        loop {
            if at == above {
                return true;
            }
            // Directories have one name; only the root and nameless ones have none. A ring of
            // directories cannot be reached from the root, and paths start there.
            match self.names_of(at).first() {
                Some(place) => at = place.dir,
                None => return false,
            }
        }
    }

    fn make(&mut self, path: &Path, kind: &NodeKind, mode: u32) -> bool {
        let Some(place) = self.place(path) else { return false };
        if self.lookup(place.dir, &place.name).is_some() {
            return false;
        }
        let file = self.unused_id();
        self.create(file, kind, mode);
        self.link(place.dir, &place.name, file);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_files_made_in_another_way_have_the_same_hash() {
        let mut a = Image::empty();
        assert!(a.make_dir("d") && a.put("d/x", b"1") && a.put("y", b"2") && a.symlink("s", b"y"));
        let mut b = Image::empty();
        assert!(b.symlink("s", b"y") && b.put("t", b"2") && b.make_dir("e") && b.put("e/x", b"11"));
        assert_ne!(a, b);
        assert!(b.rename("t", "y") && b.rename("e", "d") && b.resize("d/x", 1));
        assert_eq!(a, b);
        assert!(b.remove("d"));
        assert_ne!(a, b);
        assert!(b.make_dir("d") && b.put("d/x", b"1"));
        assert_eq!(a, b);
        assert_eq!(a.bytes("d/x").unwrap(), b"1");
    }

    #[test]
    fn a_hard_link_shows_every_write_under_both_names() {
        let mut image = Image::empty();
        assert!(image.put("a", b"1") && image.hard_link("a", "b"));
        let before = image.hash();
        assert!(image.write("a", 0, b"2"));
        assert_eq!(image.bytes("b").unwrap(), b"2");
        assert_ne!(image.hash(), before);
        let mut twice = Image::empty();
        assert!(twice.put("a", b"2") && twice.put("b", b"2"));
        assert_eq!(image.hash(), twice.hash());
    }

    #[test]
    fn no_path_leaves_the_image_and_no_directory_enters_itself() {
        let mut image = Image::empty();
        assert!(image.make_dir("d") && image.make_dir("d/e"));
        assert!(
            !image.put("../x", b"1") && !image.put("/x", b"1") && !image.put("d/../../x", b"1")
        );
        assert!(!image.rename("d", "d/e/f") && !image.rename("d", "d/d"));
        assert!(!image.remove("") && !image.put("nowhere/x", b""));
        assert!(image.find("d/e").is_some());
    }

    proptest! {
        #[test]
        fn the_running_hash_is_the_hash_of_the_same_tree_made_anew(
            edits in proptest::collection::vec((0u8..8, 0usize..7, 0usize..7, any::<u8>()), 0..40),
        ) {
            let paths = ["a", "b", "d", "d/a", "d/e", "d/e/c", "f"];
            let mut image = Image::empty();
            for (what, from, to, byte) in edits {
                let (from, to) = (paths[from], paths[to]);
                match what {
                    0 => image.put(from, &[byte; 3]),
                    1 => image.make_dir(from),
                    2 => image.rename(from, to),
                    3 => image.remove(from),
                    4 => image.hard_link(from, to),
                    5 => image.symlink(from, to.as_bytes()),
                    6 => image.write(from, u64::from(byte) * 40, &[byte]),
                    _ => image.resize(from, u64::from(byte)),
                };
                prop_assert_eq!(Image::from_tree(&image.to_tree()).hash(), image.hash());
            }
        }
    }
}
