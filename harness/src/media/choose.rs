//! Which damages to try: everything on small files, a seeded sample on large ones.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::apply::apply;
use super::damage::{Damage, Harm};
use super::snapshots::Snapshots;
use crate::base::{Rng, limits};
use crate::image::{Content, Image};

/// Up to this size a file is damaged exhaustively.
pub const SMALL_FILE_BYTES: u64 = 4096;
/// How many appends of a larger file have their beginnings damaged exhaustively, the last ones.
const BEGINNINGS: usize = 5;
/// At how many ends of appends a larger file is cut, the last ones.
const CUTS: usize = 24;
/// How many bytes count as the beginning.
const BEGINNING_BYTES: u64 = 64;
/// How many blocks of a larger file have their heads damaged exhaustively, those written last.
const BLOCKS: usize = 4;
/// From how many they are chosen.
const LATEST_BLOCKS: usize = 64;
/// How many bytes of a block count as its head.
const HEAD_BYTES: u64 = 32;

/// Every byte damaged and every length truncated, in files of at most `max_bytes`; besides, each file
/// missing, made longer, and zeroed as a whole. Each byte has one bit flipped, another one from byte
/// to byte.
pub fn exhaustive(image: &Image, max_bytes: u64) -> impl Iterator<Item = Damage> + use<> {
    let files: Vec<(PathBuf, u64)> =
        image.files().into_iter().map(|(path, content)| (path, content.size())).collect();
    files.into_iter().filter(move |(_, size)| *size <= max_bytes).flat_map(|(file, size)| {
        let whole = (size > 0).then_some(Harm::Zero { offset: 0, len: size });
        let once = [
            Harm::Missing,
            Harm::ExtendZeros { len: 1 },
            Harm::ExtendZeros { len: limits::PAGE_BYTES },
            Harm::ExtendGarbage { len: 1, seed: size },
            Harm::ExtendGarbage { len: limits::PAGE_BYTES, seed: size },
        ];
        let flips = (0..size).map(|offset| Harm::Flip { offset, mask: flip(offset) });
        let lengths = (0..size).map(|size| Harm::Truncate { size });
        let harms = once.into_iter().chain(whole).chain(flips).chain(lengths);
        harms.map(move |harm| Damage { file: file.clone(), harm })
    })
}

/// Every byte damaged of the beginnings of what was appended last to files of more than `max_bytes`: that
/// is where lengths and counts stand, a few bytes among many. Where one append ended, the next began.
pub fn beginnings(image: &Image, history: &Snapshots, max_bytes: u64) -> Vec<Damage> {
    let mut damages = Vec::new();
    for (path, size, began) in appended(image, history, max_bytes) {
        let last = began.into_iter().rev().take(BEGINNINGS);
        let offsets: BTreeSet<u64> =
            last.flat_map(|began| began..size.min(began + BEGINNING_BYTES)).collect();
        let flips = offsets.into_iter().map(|offset| Harm::Flip { offset, mask: flip(offset) });
        damages.extend(flips.map(|harm| Damage { file: path.clone(), harm }));
    }
    damages
}

/// Files of more than `max_bytes` cut where one of their last appends ended: each looks whole, and is
/// shorter than it was. Besides, each of them missing, emptied, and zeroed as a whole. Only where
/// something else in the directory bears witness to what is gone (a count, a mark that the store was
/// closed): what a crash could have left is not among them.
pub fn cuts(image: &Image, history: &Snapshots, max_bytes: u64) -> Vec<Damage> {
    let of = |(path, size, ends): (PathBuf, u64, BTreeSet<u64>)| {
        let last = ends.into_iter().filter(|end| *end > 0).rev().take(CUTS);
        let whole =
            [Harm::Missing, Harm::Truncate { size: 0 }, Harm::Zero { offset: 0, len: size }];
        let harms = last.map(|size| Harm::Truncate { size }).chain(whole);
        harms.map(|harm| Damage { file: path.clone(), harm }).collect::<Vec<_>>()
    };
    let witnessed = |damage: &Damage| {
        apply(image, damage).is_some_and(|damaged| !history.is_rollback(&damaged, image))
    };
    appended(image, history, max_bytes).flat_map(of).filter(witnessed).collect()
}

/// Every byte damaged of the beginnings of some blocks of files of more than `max_bytes`, of those that
/// were written last and hold something, by the lowest two bits and another one: a store that keeps its
/// data in pages has their headers there, and small numbers in them.
pub fn heads(image: &Image, history: &Snapshots, max_bytes: u64, rng: &mut Rng) -> Vec<Damage> {
    let mut damages = Vec::new();
    for (path, content) in image.files().into_iter().filter(|(_, file)| file.size() > max_bytes) {
        let mut blocks: Vec<u64> = Vec::new();
        let mut states = history.states().iter().rev();
        while let (true, Some((_, state))) = (blocks.len() < LATEST_BLOCKS, states.next()) {
            let Some(earlier) = state.file(&path) else { break };
            earlier.differences(content, &mut |number, _| {
                let block = number * limits::PAGE_BYTES;
                if block < content.size() && !blocks.contains(&block) {
                    blocks.push(block);
                }
            });
        }
        blocks.truncate(LATEST_BLOCKS);
        rng.shuffle(&mut blocks);
        blocks.sort_by_key(|block| !holds_something(content, *block));
        blocks.truncate(BLOCKS);
        let offsets =
            blocks.into_iter().flat_map(|block| block..content.size().min(block + HEAD_BYTES));
        let masks = |offset| BTreeSet::from([1, 2, flip(offset)]).into_iter();
        let flips =
            offsets.flat_map(|offset| masks(offset).map(move |mask| Harm::Flip { offset, mask }));
        damages.extend(flips.map(|harm| Damage { file: path.clone(), harm }));
    }
    damages
}

/// True if there is more in a block than its head.
fn holds_something(content: &Content, block: u64) -> bool {
    let bytes = content.read(block, limits::PAGE_BYTES as usize);
    bytes.iter().skip(HEAD_BYTES as usize).any(|byte| *byte != 0)
}

/// The files of more than `max_bytes` with their sizes, and the lesser ones that they once had.
fn appended(
    image: &Image,
    history: &Snapshots,
    max_bytes: u64,
) -> impl Iterator<Item = (PathBuf, u64, BTreeSet<u64>)> {
    let sized = image.files().into_iter().map(|(path, content)| (path, content.size()));
    sized.filter(move |(_, size)| *size > max_bytes).map(|(path, size)| {
        let states = history.states().iter();
        let sizes = states.filter_map(|(_, state)| Some(state.file(&path)?.size()));
        let lesser = sizes.filter(|lesser| *lesser < size).collect();
        (path, size, lesser)
    })
}

/// One bit, another one from byte to byte.
fn flip(offset: u64) -> u8 {
    1 << ((offset.wrapping_mul(5) + 3) % 8)
}

/// One damage, chosen by `rng`; nothing where the choice has no effect on this image, which is no
/// reason not to ask again. `history` says how blocks were before.
pub fn sample(image: &Image, history: &Snapshots, rng: &mut Rng) -> Option<Damage> {
    let files = image.files();
    // Large files more often, but not in proportion: a header file of 100 bytes matters too.
    let weights: Vec<u64> =
        files.iter().map(|(_, content)| 2 + u64::from(content.size().max(1).ilog2())).collect();
    let (path, content) = files.get(rng.weighted(&weights))?;
    let harm = match rng.weighted(&[6, 4, 4, 4, 1, 2, 4, 3, 1]) {
        0 => Harm::Flip { offset: place(content, 1, rng), mask: mask(rng) },
        1 => {
            let (offset, len) = range(content, rng);
            Harm::Zero { offset, len }
        }
        2 => {
            let (offset, len) = range(content, rng);
            Harm::Garbage { offset, len, seed: rng.below(1 << 32) }
        }
        3 => Harm::Truncate { size: place(content, 1, rng) },
        4 => Harm::ExtendZeros { len: length(rng) },
        5 => Harm::ExtendGarbage { len: length(rng), seed: rng.below(1 << 32) },
        6 => {
            let (offset, len) = block(content, rng);
            let older = history.older(path, offset, len, content);
            Harm::Older { offset, bytes: rng.pick(&older)?.clone() }
        }
        7 => {
            let (offset, len) = block(content, rng);
            let (from, other) = &files[rng.index(files.len())];
            let from_offset = place(other, len, rng);
            Harm::Misdirect { offset, len, from: from.clone(), from_offset }
        }
        _ => Harm::Missing,
    };
    Some(Damage { file: path.clone(), harm })
}

fn mask(rng: &mut Rng) -> u8 {
    match rng.below(4) {
        0 => rng.between(1, 255) as u8,
        _ => 1 << rng.below(8),
    }
}

/// Where in the file, often near its beginning or its end, where the headers and the newest are.
fn place(content: &Content, align: u64, rng: &mut Rng) -> u64 {
    let size = content.size();
    let at = match rng.below(4) {
        0 => rng.below(size.min(128)),
        1 => size - rng.below(size.min(256)).min(size),
        _ => rng.below(size),
    };
    at.min(size.saturating_sub(1)) / align * align
}

fn length(rng: &mut Rng) -> u64 {
    let top = [8, 64, 512, 4096, 4096 * 4][rng.index(5)];
    rng.between(1, top)
}

/// A range anywhere, or whole sectors or pages.
fn range(content: &Content, rng: &mut Rng) -> (u64, u64) {
    match rng.below(3) {
        0 => block(content, rng),
        _ => (place(content, 1, rng), length(rng)),
    }
}

/// A sector or a page.
fn block(content: &Content, rng: &mut Rng) -> (u64, u64) {
    let len = if rng.percent(50) { limits::SECTOR_BYTES } else { limits::PAGE_BYTES };
    (place(content, len, rng), len)
}

#[cfg(test)]
mod tests;
