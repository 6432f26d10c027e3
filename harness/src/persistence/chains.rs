//! Which effects follow which: the effects on each page, on each name and on each file's size in
//! program order, and what needs what by itself. The order among metadata is not here: it is a rule
//! of its own (`order`).
//!
//! * The `Data` of one page are a chain: the page survives as it was after some prefix of them.
//! * Effects on the same name in the same directory keep program order in every profile.
//! * ext4, xfs, btrfs: `Data` in a page that a shrink had discarded needs the shrink (the new bytes
//!   went into new blocks, which the old file does not have).
//! * A page that is punched as a whole needs none of the bytes that it takes away.
//! * ext4, xfs: a shrink to an unaligned size needs its zeros (they reach the disk before the size
//!   does; the reverse, zeros at the old size, may be seen). btrfs and strict: unordered.
//! * ext4, xfs: a rename between directories is one step. btrfs, strict: both names may be there.
//! * btrfs: what one write overwrites in allocated blocks survives whole or not at all.
//! * ext4: a rename over an existing file needs the length of a freshly written source.
//! * xfs: growth whose write-back failed needs its bytes: the size is set when they have arrived.

use std::collections::{BTreeMap, HashMap};

use super::effect::{Effect, EffectKind};
use super::profile::{Profile, ProfileSet};
use crate::trace::{FileId, Place};

/// One effect cannot survive without another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// The other one.
    pub(super) effect: u32,
    /// In these profiles.
    pub(super) profiles: ProfileSet,
    /// True within a page's chain: no sector survives of the later that did not of the earlier.
    pub(super) chain: bool,
}

/// Every order that rests on single effects.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    /// For every page that an effect touched: `Data`, and each `Resize` that discarded it.
    pub(super) pages: BTreeMap<FileId, BTreeMap<u64, Vec<u32>>>,
    /// Every effect that touched a name. Only ever looked up, never gone through.
    pub(super) names: HashMap<Place, Vec<u32>>,
    /// Grow and Resize of each file.
    pub(super) sizes: BTreeMap<FileId, Vec<u32>>,
    /// By effect: what it needs.
    pub(super) needs: Vec<Vec<Edge>>,
    /// By effect: what needs it.
    pub(super) needed_by: Vec<Vec<Edge>>,
    /// By file: its latest Grow into new blocks.
    fresh_grow: BTreeMap<FileId, u32>,
}

/// ext4, xfs and btrfs.
fn observed() -> ProfileSet {
    [Profile::Ext4, Profile::Xfs, Profile::Btrfs].into_iter().collect()
}

/// ext4 and xfs.
fn journaled() -> ProfileSet {
    [Profile::Ext4, Profile::Xfs].into_iter().collect()
}

impl Chains {
    /// Says that `dependent` cannot survive without `needed` in `profiles`.
    pub(super) fn need(&mut self, dependent: u32, needed: u32, profiles: ProfileSet, chain: bool) {
        let edge = |effect| Edge { effect, profiles, chain };
        self.needs[dependent as usize].push(edge(needed));
        self.needed_by[needed as usize].push(edge(dependent));
    }

    /// The effects on one page, in program order.
    pub(super) fn page(&self, file: FileId, page: u64) -> &[u32] {
        self.pages.get(&file).and_then(|pages| pages.get(&page)).map_or(&[], Vec::as_slice)
    }

    /// Takes in the next effect; `effects` ends with it.
    pub(super) fn add(&mut self, effects: &[Effect]) {
        let Some((last, before)) = effects.split_last() else { return };
        let no = before.len() as u32;
        self.needs.push(Vec::new());
        self.needed_by.push(Vec::new());
        match &last.kind {
            EffectKind::Data { file, page, fresh, .. } => {
                self.add_data(effects, *file, *page, *fresh)
            }
            EffectKind::Grow { file, fresh, .. } => {
                self.sizes.entry(*file).or_default().push(no);
                if *fresh {
                    self.fresh_grow.insert(*file, no);
                }
            }
            EffectKind::Resize { file, to, from } => {
                self.sizes.entry(*file).or_default().push(no);
                let tail = before.last().filter(|tail| tail.event == last.event);
                if to < from
                    && tail.is_some_and(|tail| matches!(tail.kind, EffectKind::Data { .. }))
                {
                    self.need(no, no - 1, journaled(), false);
                }
            }
            kind => {
                for place in kind.places().into_iter().flatten() {
                    let previous = self.names.entry(place.clone()).or_default();
                    let needed = previous.last().copied();
                    previous.push(no);
                    if let Some(needed) = needed.filter(|needed| *needed != no) {
                        self.need(no, needed, ProfileSet::ALL, false);
                    }
                }
            }
        }
        match &last.kind {
            EffectKind::Leave { .. } => self.need(no - 1, no, journaled(), false),
            EffectKind::Rename { file, replaced: Some(_), .. } => {
                if let Some(&grow) = self.fresh_grow.get(file) {
                    self.need(no, grow, Profile::Ext4.into(), false);
                }
            }
            _ => {}
        }
    }

    fn add_data(&mut self, effects: &[Effect], file: FileId, page: u64, fresh: bool) {
        let no = effects.len() as u32 - 1;
        let chain = self.pages.entry(file).or_default().entry(page).or_default();
        let is_data = |no: u32| matches!(effects[no as usize].kind, EffectKind::Data { .. });
        let discard = chain.last().copied().filter(|last| !is_data(*last));
        let previous = chain.iter().rev().copied().find(|earlier| is_data(*earlier));
        chain.push(no);
        if let Some(discard) = discard {
            self.need(no, discard, observed(), false);
        }
        let frees = effects[no as usize].kind.frees_page();
        if let Some(previous) = previous.filter(|_| !frees) {
            self.need(no, previous, ProfileSet::ALL, true);
        }
        // Pages of one overwrite come one after the other.
        let neighbour = no.checked_sub(1).map(|other| &effects[other as usize]);
        if !fresh
            && let Some(Effect { event, kind }) = neighbour
            && let EffectKind::Data { file: other, fresh: false, .. } = kind
            && *event == effects[no as usize].event
            && *other == file
            && kind.frees_page() == frees
        {
            self.need(no, no - 1, Profile::Btrfs.into(), false);
            self.need(no - 1, no, Profile::Btrfs.into(), false);
        }
    }

    /// A shrink discards a page.
    pub(super) fn discard(&mut self, file: FileId, page: u64, resize: u32) {
        self.pages.entry(file).or_default().entry(page).or_default().push(resize);
    }
}
