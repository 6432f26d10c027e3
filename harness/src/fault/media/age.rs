//! When each byte of a store at rest was written, as far as snapshots tell: a byte that is missing or
//! other in one snapshot and as it stayed in the next was written between the two. Never claimed later
//! than it was: a byte that moved with its file is followed through the new name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::limits::PAGE_BYTES;
use crate::image::{Content, Image};
use crate::workload::Moment;

use super::rest::{Rest, Snapshot};

/// The ages of a store's bytes, worked out a file at a time when first asked for.
pub struct Ages<'a> {
    rest: &'a Rest,
    known: BTreeMap<PathBuf, Vec<u32>>,
}

impl<'a> Ages<'a> {
    /// The ages in `rest`.
    pub fn new(rest: &'a Rest) -> Self {
        Self { rest, known: BTreeMap::new() }
    }

    /// The latest moment after which every byte that `damaged` changes or lacks was written: what was
    /// acknowledged by then was written before them. Nothing where that is not known; the end where
    /// no byte was changed at all, only added.
    pub fn written_after(&mut self, damaged: &Image) -> Option<Moment> {
        let mut earliest: Option<u32> = None;
        for (path, content) in self.rest.image.files() {
            let changed = changed(content, damaged.file(&path));
            if changed.is_empty() {
                continue;
            }
            let ages = self.of(&path, content);
            for range in changed {
                let range = range.start as usize..range.end as usize;
                earliest = ages[range].iter().copied().chain(earliest).min();
            }
        }
        match earliest {
            None => Some(self.rest.end),
            Some(0) => None,
            Some(age) => Some(self.rest.snapshots[age as usize - 1].moment),
        }
    }

    /// For each byte the number of the first snapshot that has it as it stayed.
    fn of(&mut self, path: &Path, content: &Content) -> &[u32] {
        let snapshots = &self.rest.snapshots;
        self.known.entry(path.to_owned()).or_insert_with(|| ages(path, content, snapshots))
    }
}

fn ages(path: &Path, content: &Content, snapshots: &[Snapshot]) -> Vec<u32> {
    const UNKNOWN: u32 = u32::MAX;
    let mut ages = vec![UNKNOWN; content.size() as usize];
    let mut path = path.to_owned();
    for (number, snapshot) in snapshots.iter().enumerate().rev() {
        let written_in = number as u32 + 1;
        if snapshot.image.file(&path).is_none() {
            match moved_from(&snapshot.image, snapshots.get(number + 1), content) {
                Some(before) => path = before,
                None => {
                    ages.iter_mut()
                        .filter(|age| **age == UNKNOWN)
                        .for_each(|age| *age = written_in);
                    break;
                }
            }
        }
        for range in changed(content, snapshot.image.file(&path)) {
            for age in &mut ages[range.start as usize..range.end as usize] {
                if *age == UNKNOWN {
                    *age = written_in;
                }
            }
        }
    }
    ages.iter_mut().filter(|age| **age == UNKNOWN).for_each(|age| *age = 0);
    ages
}

/// The file in `before` that is gone in `after` and begins like `content`: it was renamed.
fn moved_from(before: &Image, after: Option<&Snapshot>, content: &Content) -> Option<PathBuf> {
    let start = content.read(0, PAGE_BYTES as usize);
    before.files().into_iter().find_map(|(path, old)| {
        let gone = after.is_none_or(|after| after.image.file(&path).is_none());
        let compared = (old.size().min(content.size()) as usize).min(start.len());
        let alike = compared > 0 && old.read(0, compared) == start[..compared];
        (gone && alike).then_some(path)
    })
}

/// The ranges of `content`'s bytes that `other` has not, or has otherwise.
pub fn changed(content: &Content, other: Option<&Content>) -> Vec<std::ops::Range<u64>> {
    let size = content.size();
    let Some(other) = other else {
        return if size > 0 { vec![0..size] } else { Vec::new() };
    };
    let common = size.min(other.size());
    let mut ranges: Vec<std::ops::Range<u64>> = Vec::new();
    let mut push = |range: std::ops::Range<u64>| match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    };
    content.differences(other, &mut |page: u64, _| {
        let start = page * PAGE_BYTES;
        let end = (start + PAGE_BYTES).min(common);
        if start >= end {
            return;
        }
        let len = (end - start) as usize;
        let (ours, theirs) = (content.read(start, len), other.read(start, len));
        for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            if a != b {
                push(start + at as u64..start + at as u64 + 1);
            }
        }
    });
    if size > common {
        push(common..size);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::History;

    fn image(files: &[(&str, &[u8])]) -> Image {
        let mut image = Image::empty();
        for (path, bytes) in files {
            assert!(image.put(path, bytes));
        }
        image
    }

    fn rest(images: Vec<Image>) -> Rest {
        let snapshots: Vec<Snapshot> = images
            .into_iter()
            .enumerate()
            .map(|(number, image)| Snapshot { moment: Moment(10 * number as u64), image })
            .collect();
        Rest {
            killed: false,
            history: History::default(),
            end: Moment(1000),
            image: snapshots.last().unwrap().image.clone(),
            snapshots,
        }
    }

    #[test]
    fn a_byte_of_a_log_was_written_after_the_last_snapshot_that_lacks_it() {
        let rest = rest(vec![
            image(&[("log", b"a")]),
            image(&[("log", b"abb")]),
            image(&[("log", b"abbccc")]),
        ]);
        let mut ages = Ages::new(&rest);
        let after =
            |ages: &mut Ages, damaged: &[u8]| ages.written_after(&image(&[("log", damaged)]));
        assert_eq!(after(&mut ages, b"abbcXc"), Some(Moment(10)));
        assert_eq!(after(&mut ages, b"abXcXc"), Some(Moment(0)));
        assert_eq!(after(&mut ages, b"abbcc"), Some(Moment(10)), "cut");
        assert_eq!(after(&mut ages, b"Xbbccc"), None, "before the first snapshot");
        assert_eq!(after(&mut ages, b"abbccc!!"), Some(Moment(1000)), "only added");
        assert_eq!(ages.written_after(&Image::empty()), None, "the file is missing");
    }

    #[test]
    fn bytes_that_moved_with_their_file_keep_their_age() {
        let rest = rest(vec![
            image(&[]),
            image(&[("log", b"abc")]),
            image(&[("log", b"abc"), ("x", b"1")]),
            image(&[("log.old", b"abc"), ("x", b"1")]),
        ]);
        let damaged = image(&[("log.old", b"abX"), ("x", b"1")]);
        assert_eq!(Ages::new(&rest).written_after(&damaged), Some(Moment(0)));
    }

    #[test]
    fn a_byte_overwritten_in_place_is_as_old_as_its_last_change() {
        let rest = rest(vec![
            image(&[("db", b"aaaa")]),
            image(&[("db", b"abaa")]),
            image(&[("db", b"abca")]),
        ]);
        let mut ages = Ages::new(&rest);
        assert_eq!(ages.written_after(&image(&[("db", b"abXa")])), Some(Moment(10)));
        assert_eq!(ages.written_after(&image(&[("db", b"aXca")])), Some(Moment(0)));
    }
}
