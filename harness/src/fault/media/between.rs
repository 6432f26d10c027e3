//! Rollback, as far as snapshots tell: whether a damaged directory is one that a crash could have left
//! between two acknowledgements, so that no store without an outside witness can notice the damage
//! (ORACLE.md).
//!
//! More is called a crash state here than the profiles allow: any mixture, by sector, of what the
//! directory held before and after one request, with new pages as zeros. Where the two differ the
//! milder judgement is right: what is exempt is counted, what is judged is certain.

use std::collections::BTreeSet;

use crate::base::limits::{PAGE_BYTES, SECTOR_BYTES};
use crate::image::{Content, EntryKind, Image};

use super::rest::Rest;

/// True if a crash at an earlier moment could have left `damaged`.
pub fn earlier_state(rest: &Rest, damaged: &Image) -> bool {
    let mut before = Image::empty();
    let images = rest.snapshots.iter().map(|snapshot| &snapshot.image).chain([&rest.image]);
    for after in images {
        if damaged.hash() == before.hash() || between(&before, after, damaged) {
            return true;
        }
        before = after.clone();
    }
    false
}

/// True if every name and every sector of `image` is as in `before` or as in `after`.
pub fn between(before: &Image, after: &Image, image: &Image) -> bool {
    let paths: BTreeSet<_> = [before, after, image]
        .into_iter()
        .flat_map(Image::entries)
        .map(|entry| entry.path)
        .collect();
    let nodes = |image: &Image| {
        image
            .entries()
            .into_iter()
            .map(|entry| {
                let content = match entry.kind {
                    EntryKind::File(content) => Node::File(content.clone()),
                    EntryKind::Dir => Node::Dir,
                    EntryKind::Symlink(target) => Node::Symlink(target.to_vec()),
                };
                (entry.path, content)
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (before, after, image) = (nodes(before), nodes(after), nodes(image));
    paths.iter().all(|path| {
        let (old, new, now) = (before.get(path), after.get(path), image.get(path));
        now == old
            || now == new
            || match (old, new, now) {
                (Some(Node::File(old)), Some(Node::File(new)), Some(Node::File(now))) => {
                    mixed(old, new, now)
                }
                (None, Some(Node::File(new)), Some(Node::File(now))) => {
                    mixed(&Content::default(), new, now)
                }
                _ => false,
            }
    })
}

#[derive(PartialEq)]
enum Node {
    File(Content),
    Dir,
    Symlink(Vec<u8>),
}

/// True if each sector of `now` is that of `old`, that of `new`, or zeros where `new` is longer, and its
/// size is one that a torn change of size could have left.
fn mixed(old: &Content, new: &Content, now: &Content) -> bool {
    let (low, high) = (old.size().min(new.size()), old.size().max(new.size()));
    let size = now.size();
    let possible = size == low || size == high || (size.is_multiple_of(PAGE_BYTES) && size > low);
    if !possible || size > high {
        return false;
    }
    let mut all = true;
    now.differences(new, &mut |page: u64, _| {
        for sector in 0..PAGE_BYTES / SECTOR_BYTES {
            let at = page * PAGE_BYTES + sector * SECTOR_BYTES;
            let len = SECTOR_BYTES.min(size.saturating_sub(at)) as usize;
            let padded = |content: &Content| {
                let mut bytes = content.read(at, len);
                bytes.resize(len, 0);
                bytes
            };
            let bytes = padded(now);
            let kept = old.size().saturating_sub(at).min(len as u64) as usize;
            let (start, grown) = bytes.split_at(kept);
            let zeros = grown.iter().all(|byte| *byte == 0);
            all &= bytes == padded(old)
                || bytes == padded(new)
                || (!grown.is_empty() && zeros && start == &padded(old)[..kept]);
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(files: &[(&str, &[u8])]) -> Image {
        let mut image = Image::empty();
        for (path, bytes) in files {
            assert!(image.put(path, bytes));
        }
        image
    }

    #[test]
    fn what_a_crash_inside_one_request_can_leave_is_between() {
        let before = image(&[("log", &[1; 5000])]);
        let after =
            image(&[("log", &[[1; 5000].as_slice(), &[2; 5000]].concat()), ("value", b"v")]);
        let cases: [(&str, Image); 5] = [
            ("before", before.clone()),
            ("after", after.clone()),
            ("the new file alone", image(&[("log", &[1; 5000]), ("value", b"v")])),
            (
                "zeros of the new size",
                image(&[("log", &[[1; 5000].as_slice(), &[0; 5000]].concat())]),
            ),
            (
                "cut at a page",
                image(&[("log", &[[1; 5000].as_slice(), &[2; 3192]].concat()), ("value", b"")]),
            ),
        ];
        for (name, image) in cases {
            assert!(between(&before, &after, &image), "{name}");
        }
    }

    #[test]
    fn what_no_crash_leaves_is_not_between() {
        let before = image(&[("log", &[1; 5000])]);
        let after = image(&[("log", &[[1; 5000].as_slice(), &[2; 5000]].concat())]);
        let flipped = |at: usize| {
            let mut bytes = [[1u8; 5000].as_slice(), &[2; 5000]].concat();
            bytes[at] ^= 4;
            image(&[("log", &bytes)])
        };
        let cases: [(&str, Image); 5] = [
            ("a flipped old byte", flipped(7)),
            ("a flipped new byte", flipped(9000)),
            ("an odd length", image(&[("log", &[1; 4999])])),
            ("a stranger", image(&[("log", &[1; 5000]), ("other", b"")])),
            ("nothing", image(&[])),
        ];
        for (name, image) in cases {
            assert!(!between(&before, &after, &image), "{name}");
        }
    }
}
