//! Images as the files of a case, and back. A case holds regular files and folders; links between
//! them become copies.

use std::path::Path;
use std::sync::Arc;

use crate::image::{EntryKind, Image};
use crate::scenario::Files;
use crate::scenario::folder::below;

/// Puts `image` into `files` as the folder `name`.
pub fn put(files: &mut Files, name: &str, image: &Image) {
    files.insert(format!("{name}/"), Arc::from(&b""[..]));
    for entry in image.entries() {
        let Some(path) = entry.path.to_str() else { continue };
        match entry.kind {
            EntryKind::Dir => {
                files.insert(format!("{name}/{path}/"), Arc::from(&b""[..]));
            }
            EntryKind::File(content) => {
                files.insert(format!("{name}/{path}"), Arc::from(content.bytes()));
            }
            EntryKind::Symlink(_) => {}
        }
    }
}

/// The image in the folder `name` of `files`.
pub fn get(files: &Files, name: &str) -> Image {
    let mut image = Image::empty();
    for (path, bytes) in below(files, name) {
        match path.strip_suffix('/') {
            Some(folder) => drop(image.make_dir(Path::new(folder))),
            None => drop(image.put(Path::new(path), bytes)),
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_after_it_was_a_case() {
        let mut image = Image::empty();
        image.make_dir("empty");
        image.make_dir("sub");
        image.put("sub/log", b"abc");
        image.put("top", b"");
        let mut files = Files::new();
        put(&mut files, "image", &image);
        put(&mut files, "image2", &Image::empty());
        assert_eq!(get(&files, "image").hash(), image.hash());
        assert_eq!(get(&files, "image2").hash(), Image::empty().hash());
    }
}
