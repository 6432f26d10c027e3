//! Events broken into effects, one event after the other, with the sizes and allocated pages that
//! this takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chains::Chains;
use super::effect::{Effect, EffectKind, Fill};
use super::snapshot::Snapshots;
use crate::base::limits::PAGE_BYTES;
use crate::trace::sparse::Sparse;
use crate::trace::{EventNo, FileId, FileOp, NodeKind, ResizeHow, Tree};

/// A regular file of the tree before the first event.
#[derive(Clone, Debug)]
pub(super) struct InitialFile {
    pub(super) bytes: Arc<Sparse>,
}

impl InitialFile {
    /// Its bytes within one page; they may be fewer than a page's.
    pub(super) fn page(&self, page: u64) -> &[u8] {
        self.bytes.page(page)
    }

    fn pages(&self) -> u64 {
        self.bytes.len().div_ceil(PAGE_BYTES)
    }
}

/// The effects so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Breakdown {
    pub(super) effects: Vec<Effect>,
    pub(super) chains: Chains,
    pub(super) snapshots: Snapshots,
    pub(super) initial: BTreeMap<FileId, InitialFile>,
    sizes: BTreeMap<FileId, u64>,
    /// Page ranges with blocks that were allocated and never written.
    fallocated: BTreeMap<FileId, Vec<(u64, u64)>>,
}

/// Says whether an effect is durable by the weakest rules.
type Durable<'a> = &'a dyn Fn(u32) -> bool;

impl Breakdown {
    pub(super) fn new(tree: &Tree) -> Breakdown {
        let mut breakdown = Breakdown::default();
        for node in tree {
            if node.node == NodeKind::File && !breakdown.initial.contains_key(&node.file) {
                let bytes = Arc::clone(&node.bytes);
                breakdown.sizes.insert(node.file, bytes.len());
                breakdown.initial.insert(node.file, InitialFile { bytes });
            }
        }
        breakdown
    }

    /// The size of a file as the program sees it now.
    fn size(&self, file: FileId) -> u64 {
        self.sizes.get(&file).copied().unwrap_or(0)
    }

    fn push(&mut self, event: EventNo, kind: EffectKind) {
        self.effects.push(Effect { event, kind });
        self.chains.add(&self.effects);
        self.snapshots.add(&self.effects, &self.chains, &self.initial);
    }

    /// Adds the effects of one event.
    pub(super) fn add(&mut self, event: EventNo, op: &FileOp, durable: Durable<'_>) {
        match op {
            FileOp::Create { at, file, node, .. } => {
                if matches!(node, NodeKind::File) {
                    self.sizes.insert(*file, 0);
                }
                self.push(event, EffectKind::Link { at: at.clone(), file: *file, created: true });
            }
            FileOp::CreateUnnamed { file, .. } => {
                self.sizes.insert(*file, 0);
            }
            FileOp::Link { at, file } => {
                self.push(event, EffectKind::Link { at: at.clone(), file: *file, created: false });
            }
            FileOp::Unlink { at, file } => {
                self.push(event, EffectKind::Unlink { at: at.clone(), file: *file });
            }
            FileOp::Rename { from, to, file, replaced } => {
                if from == to || *replaced == Some(*file) {
                    // Two names of one file: rename(2) does nothing.
                    return;
                }
                let split = from.dir != to.dir && self.sizes.contains_key(file);
                let (old, new) = (from.clone(), to.clone());
                let (file, replaced) = (*file, *replaced);
                self.push(event, EffectKind::Rename { from: old, to: new, file, replaced, split });
                if split {
                    self.push(event, EffectKind::Leave { from: from.clone(), file });
                }
            }
            FileOp::Exchange { a, b, file_a, file_b } => {
                let (a, b) = (a.clone(), b.clone());
                if a != b {
                    let (file_a, file_b) = (*file_a, *file_b);
                    self.push(event, EffectKind::Exchange { a, b, file_a, file_b });
                }
            }
            FileOp::Write { file, offset, bytes, .. } => {
                self.write(event, *file, *offset, bytes, durable);
            }
            FileOp::Resize { file, to, how, .. } => self.resize(event, *file, *to, *how, durable),
            FileOp::Allocate { file, offset, len } => self.allocate(*file, *offset, *len),
            FileOp::Zero { file, offset, len } => self.zero(event, *file, *offset, *len, durable),
            FileOp::Sync { .. }
            | FileOp::SyncAll
            | FileOp::FailedSync { .. }
            | FileOp::Nothing { .. }
            | FileOp::Failed { .. } => {}
        }
    }

    fn write(
        &mut self,
        event: EventNo,
        file: FileId,
        offset: u64,
        bytes: &Arc<[u8]>,
        durable: Durable<'_>,
    ) {
        let room = (i64::MAX as u64).saturating_sub(offset).min(bytes.len() as u64);
        if room == 0 {
            return;
        }
        let (from, end) = (self.size(file), offset + room);
        let last_block = from / PAGE_BYTES;
        let block_end = (last_block + 1) * PAGE_BYTES;
        let in_block = from % PAGE_BYTES != 0
            && offset < block_end
            && self.allocated(file, last_block, durable);
        let mut new_blocks = false;
        let mut at = offset;
        while at < end {
            let page = at / PAGE_BYTES;
            let stop = end.min((page + 1) * PAGE_BYTES);
            let fresh = !self.allocated(file, page, durable);
            new_blocks |= fresh && !self.is_fallocated(file, page);
            let fill = Fill::Bytes(Arc::clone(bytes), (at - offset) as usize);
            let (start, end) = ((at % PAGE_BYTES) as u16, (stop - page * PAGE_BYTES) as u16);
            self.push(event, EffectKind::Data { file, page, start, end, fill, fresh });
            at = stop;
        }
        let mut grown = from;
        if in_block && end > grown {
            let to = end.min(block_end);
            let kind = EffectKind::Grow { file, from, to, offset, in_block: true, fresh: false };
            self.push(event, kind);
            grown = to;
        }
        if end > grown {
            let (from, fresh) = (grown, new_blocks);
            let kind = EffectKind::Grow { file, from, to: end, offset, in_block: false, fresh };
            self.push(event, kind);
            grown = end;
        }
        self.sizes.insert(file, grown);
    }

    fn resize(
        &mut self,
        event: EventNo,
        file: FileId,
        to: u64,
        how: ResizeHow,
        durable: Durable<'_>,
    ) {
        let from = self.size(file);
        if from == to {
            return;
        }
        if to > from {
            self.push(event, EffectKind::Resize { file, from, to });
            if how == ResizeHow::Allocate {
                self.allocate(file, from, to - from);
            }
        } else {
            let kept = (to % PAGE_BYTES) as u16;
            let last = to / PAGE_BYTES;
            if kept > 0 && self.may_hold(file, last, true, durable) {
                let fresh = !self.allocated(file, last, durable);
                let end = PAGE_BYTES as u16;
                let fill = Fill::Zeros;
                self.push(
                    event,
                    EffectKind::Data { file, page: last, start: kept, end, fill, fresh },
                );
            }
            self.push(event, EffectKind::Resize { file, from, to });
            let resize = self.effects.len() as u32 - 1;
            for page in self.known_pages(file, to.div_ceil(PAGE_BYTES)..u64::MAX, false, durable) {
                self.chains.discard(file, page, resize);
            }
            let first_gone = to.div_ceil(PAGE_BYTES);
            if let Some(ranges) = self.fallocated.get_mut(&file) {
                ranges.retain_mut(|range| {
                    range.1 = range.1.min(first_gone);
                    range.0 < range.1
                });
            }
        }
        self.sizes.insert(file, to);
    }

    fn zero(&mut self, event: EventNo, file: FileId, offset: u64, len: u64, durable: Durable<'_>) {
        let end = offset.saturating_add(len);
        for page in
            self.known_pages(file, offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES), true, durable)
        {
            let first = page * PAGE_BYTES;
            let start = (offset.max(first) - first) as u16;
            let stop = (end.min(first + PAGE_BYTES) - first) as u16;
            if start < stop {
                let fresh = !self.allocated(file, page, durable);
                let fill = Fill::Zeros;
                self.push(event, EffectKind::Data { file, page, start, end: stop, fill, fresh });
            }
        }
    }

    fn allocate(&mut self, file: FileId, offset: u64, len: u64) {
        let end = offset.saturating_add(len).div_ceil(PAGE_BYTES);
        let ranges = self.fallocated.entry(file).or_default();
        let start = offset / PAGE_BYTES;
        match ranges.last_mut() {
            Some(last) if start <= last.1 && start >= last.0 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }

    fn is_fallocated(&self, file: FileId, page: u64) -> bool {
        let ranges = self.fallocated.get(&file);
        ranges.is_some_and(|ranges| ranges.iter().any(|range| range.0 <= page && page < range.1))
    }

    /// True if a page has blocks of its own on disk for certain.
    fn allocated(&self, file: FileId, page: u64, durable: Durable<'_>) -> bool {
        match self.chains.page(file, page).last() {
            None => self.initial.get(&file).is_some_and(|initial| page < initial.pages()),
            Some(&last) => match &self.effects[last as usize].kind {
                kind if kind.frees_page() => false,
                EffectKind::Data { fresh, .. } => !fresh || durable(last),
                _ => false,
            },
        }
    }

    /// True if a page may have blocks, in any crash state; of the pages from before the first event
    /// only those that hold anything but zeros, where zeros are asked for.
    fn may_hold(&self, file: FileId, page: u64, zeroing: bool, durable: Durable<'_>) -> bool {
        match self.chains.page(file, page).last() {
            None => self.initial.get(&file).is_some_and(|initial| {
                let bytes = initial.page(page);
                if zeroing { bytes.iter().any(|&byte| byte != 0) } else { !bytes.is_empty() }
            }),
            Some(&last) => {
                let discard = matches!(self.effects[last as usize].kind, EffectKind::Resize { .. });
                !(discard && durable(last))
            }
        }
    }

    /// The pages of a range that may have blocks (or hold anything but zeros).
    fn known_pages(
        &self,
        file: FileId,
        range: std::ops::Range<u64>,
        zeroing: bool,
        durable: Durable<'_>,
    ) -> Vec<u64> {
        if range.is_empty() {
            return Vec::new();
        }
        // What was a hole from the beginning has nothing to lose.
        let initial = self.initial.get(&file);
        let initial = initial.into_iter().flat_map(|file| file.bytes.pages_in(range.clone()));
        let chains = self.chains.pages.get(&file);
        let touched = chains.into_iter().flat_map(|pages| pages.range(range.clone()));
        let touched = touched.map(|page| *page.0);
        let mut pages: Vec<u64> = initial.chain(touched).collect();
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|page| self.may_hold(file, *page, zeroing, durable));
        pages
    }
}
