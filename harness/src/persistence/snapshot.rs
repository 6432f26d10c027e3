//! A page as it was in the page cache after one of its `Data` effects. Write-back carries the whole
//! cached page, so this is what survives with the effect. Most are put together on demand from the
//! few writes before them; one in so many is kept, so that a page written ten thousand times costs
//! no more than one written ten times.

use std::collections::{BTreeMap, HashMap};

use super::breakdown::InitialFile;
use super::chains::Chains;
use super::effect::{Effect, EffectKind, Fill};
use crate::base::limits::PAGE_BYTES;
use crate::trace::FileId;

const PAGE: usize = PAGE_BYTES as usize;
/// Every so many effects on one page its bytes are kept.
const EVERY: usize = 32;

/// The bytes of a page.
pub type PageBytes = [u8; PAGE];

/// The kept pages, by the effect after which they were so.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshots {
    kept: HashMap<u32, Box<PageBytes>>,
}

impl Snapshots {
    /// Takes in the next effect; `effects` ends with it and `chains` knows it.
    pub(super) fn add(
        &mut self,
        effects: &[Effect],
        chains: &Chains,
        initial: &BTreeMap<FileId, InitialFile>,
    ) {
        let no = effects.len() as u32 - 1;
        if let EffectKind::Data { file, page, .. } = effects[no as usize].kind
            && chains.page(file, page).len().is_multiple_of(EVERY)
        {
            let bytes = self.page_after(effects, chains, initial, no);
            self.kept.insert(no, Box::new(bytes));
        }
    }

    /// The page of the `Data` effect `no` as it was in the cache right after it; zeros for any other
    /// effect.
    pub(super) fn page_after(
        &self,
        effects: &[Effect],
        chains: &Chains,
        initial: &BTreeMap<FileId, InitialFile>,
        no: u32,
    ) -> PageBytes {
        let mut bytes = [0; PAGE];
        let EffectKind::Data { file, page, .. } = effects[no as usize].kind else { return bytes };
        let chain = chains.page(file, page);
        let upto = chain.partition_point(|entry| *entry <= no);
        let mut first = upto;
        loop {
            if first == 0 {
                if let Some(initial) = initial.get(&file) {
                    let old = initial.page(page);
                    bytes[..old.len()].copy_from_slice(old);
                }
                break;
            }
            let entry = chain[first - 1];
            if let Some(kept) = self.kept.get(&entry) {
                bytes = **kept;
                break;
            }
            match &effects[entry as usize].kind {
                EffectKind::Data { start: 0, end, .. } if usize::from(*end) == PAGE => {
                    apply(&mut bytes, &effects[entry as usize].kind);
                    break;
                }
                EffectKind::Data { .. } => first -= 1,
                _ => break,
            }
        }
        for entry in &chain[first..upto] {
            apply(&mut bytes, &effects[*entry as usize].kind);
        }
        bytes
    }
}

fn apply(bytes: &mut PageBytes, kind: &EffectKind) {
    if let EffectKind::Data { start, end, fill, .. } = kind {
        let range = usize::from(*start)..usize::from(*end);
        match fill {
            Fill::Zeros => bytes[range].fill(0),
            Fill::Bytes(source, at) => {
                let len = range.len();
                bytes[range].copy_from_slice(&source[*at..*at + len]);
            }
        }
    }
}
