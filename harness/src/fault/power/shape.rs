//! The shape of what a recovery wrote: which files it made, removed or changed, and roughly how.
//! Recoveries of one shape do the same work, so a few of each are enough for nested crashes. Numbers
//! in names are left out: a store's tenth segment is like its ninth.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::plain;
use crate::image::{EntryKind, Image};

/// What recovery did, in words, once each.
pub type Shape = BTreeSet<String>;

/// What changed from `before` to `after`.
pub fn of(before: &Image, after: &Image) -> Shape {
    let (old, new) = (files(before), files(after));
    let mut shape = Shape::new();
    for (path, (size, hash)) in &new {
        let name = plain(path);
        match old.get(path) {
            None => drop(shape.insert(format!("made {name}"))),
            Some(was) if was == &(*size, *hash) => {}
            Some((was, _)) => {
                let how = match size.cmp(was) {
                    std::cmp::Ordering::Less => "cut",
                    std::cmp::Ordering::Equal => "overwrote",
                    std::cmp::Ordering::Greater => "extended",
                };
                shape.insert(format!("{how} {name}"));
            }
        }
    }
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    shape.extend(gone.map(|path| format!("removed {}", plain(path))));
    shape
}

fn files(image: &Image) -> BTreeMap<String, (u64, u128)> {
    let entry = |entry: crate::image::Entry<'_>| {
        let path = entry.path.to_string_lossy().into_owned();
        let what = match entry.kind {
            EntryKind::File(content) => (content.size(), content.hash()),
            EntryKind::Dir => (0, 1),
            EntryKind::Symlink(target) => (0, xxhash_rust::xxh3::xxh3_128(target)),
        };
        (path, what)
    };
    image.entries().into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recoveries_that_differ_in_numbers_have_one_shape() {
        let mut image = Image::empty();
        assert!(image.put("log-000001", b"abc") && image.put("keep", b"k"));
        let with = |name: &str| {
            let mut after = image.clone();
            assert!(after.put(name, b"x") && after.resize("log-000001", 1));
            of(&image, &after)
        };
        assert_eq!(with("tail-000002"), with("tail-000017"));
        assert_eq!(with("t.00ff").iter().collect::<Vec<_>>(), ["cut log-#", "made t.#"]);
        assert!(of(&image, &image).is_empty());
    }
}
