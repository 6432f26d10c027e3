//! Images as the files of a case, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::word;
use crate::image::{EntryKind, Image, path_bytes};
use crate::scenario::Files;
use crate::scenario::folder::below;
use crate::scenario::links::{Links, path_of};
use crate::trace::FileId;

/// Puts `image` into `files` as the folder `name`.
pub fn put(files: &mut Files, name: &str, image: &Image) {
    files.insert(format!("{name}/"), Arc::from(&b""[..]));
    let mut links = Links::default();
    let mut stored: BTreeMap<FileId, String> = BTreeMap::new();
    for entry in image.entries() {
        let path = word::escape(path_bytes(&entry.path));
        match entry.kind {
            EntryKind::Dir => {
                files.insert(format!("{name}/{path}/"), Arc::from(&b""[..]));
            }
            EntryKind::File(_) if stored.contains_key(&entry.file) => {
                links.hard.insert(path, stored[&entry.file].clone());
            }
            EntryKind::File(content) => {
                files.insert(format!("{name}/{path}"), Arc::from(content.bytes()));
                stored.insert(entry.file, path);
            }
            EntryKind::Symlink(target) => {
                links.symbolic.insert(path, word::escape(target));
            }
        }
    }
    links.put(files, name);
}

/// The image in the folder `name` of `files`.
pub fn get(files: &Files, name: &str) -> Image {
    let mut image = Image::empty();
    for (path, bytes) in below(files, name) {
        match path.strip_suffix('/') {
            Some(folder) => drop(image.make_dir(path_of(folder))),
            None => drop(image.put(path_of(path), bytes)),
        }
    }
    // What was read from a disk was checked then.
    let links = Links::of(files, name).unwrap_or_default();
    for (path, other) in &links.hard {
        image.hard_link(path_of(other), path_of(path));
    }
    for (path, target) in &links.symbolic {
        image.symlink(path_of(path), path_bytes(&path_of(target)));
    }
    image
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn an_image_is_the_same_after_it_was_a_case() {
        let mut image = Image::empty();
        image.make_dir("empty");
        image.make_dir("sub");
        image.put("sub/log", b"abc");
        image.put("top", b"");
        image.put(OsStr::from_bytes(b"sn\xff\\x00"), b"odd");
        image.symlink("sub/current", b"log");
        image.symlink("none", b"no\xfewhere");
        image.hard_link("sub/log", "a second name");
        let mut files = Files::new();
        put(&mut files, "image", &image);
        put(&mut files, "image2", &Image::empty());
        let same = get(&files, "image");
        assert_eq!(same.hash(), image.hash());
        assert_eq!(get(&files, "image2").hash(), Image::empty().hash());
        let identity = |name| same.entries().into_iter().find(|e| e.path.ends_with(name)).unwrap();
        assert_eq!(identity("log").file, identity("a second name").file);
    }
}
