//! Strategy 5: the last effects torn, and each single lost effect in its other forms: sectors of a
//! page, garbage in the place of what was appended, growth cut at a page boundary. (Zeros are what a
//! lost append under a surviving size is anyway.)

use super::batch::Batch;
use super::strategy::{Site, Strategy};
use crate::base::Rng;
use crate::base::limits::{PAGE_BYTES, SECTOR_BYTES};
use crate::persistence::{EffectKind, Form, Loss, Profile};

/// Most effects whose forms are tried at one point.
const EFFECTS: usize = 48;
/// Most places at which one growth is cut.
const CUTS: u64 = 6;

pub(super) struct Forms;

impl Strategy for Forms {
    fn name(&self) -> &'static str {
        "forms"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        let view = site.view;
        let pending = view.pending(Profile::Strict);
        // `some` prefers the latest: the last effects torn while all before them survive.
        for effect in site.some(pending, EFFECTS, "forms of single effects") {
            for form in forms(&view.model().effects()[effect as usize].kind, site.rng) {
                for profile in site.profiles().filter(|p| view.is_pending(effect, *p)) {
                    let lost = view.closed_loss(profile, [effect]);
                    batch.power(view.point(), Loss::new(&lost, vec![(effect, form)]));
                    let kept = view.keeping(profile, [effect]);
                    let lost: Vec<u32> = kept.lost().map(|lost| lost.0).collect();
                    batch.power(view.point(), Loss::new(&lost, vec![(effect, form)]));
                }
            }
        }
    }
}

/// The forms in which an effect may survive in part, as far as they differ.
pub fn forms(kind: &EffectKind, rng: &mut Rng) -> Vec<Form> {
    match kind {
        EffectKind::Data { start, end, fresh, .. } => {
            let mut forms: Vec<Form> = masks(*start, *end, rng)
                .into_iter()
                .map(|arrived| Form::Sectors { arrived, garbage: false })
                .collect();
            if *fresh {
                forms.push(Form::Sectors { arrived: 0, garbage: true });
                forms.push(Form::Sectors { arrived: 0x0f, garbage: true });
            }
            forms
        }
        EffectKind::Grow { from, to, offset, .. } => {
            let first = from.max(offset) / PAGE_BYTES + 1;
            let last = (to - 1) / PAGE_BYTES;
            let count = (last + 1).saturating_sub(first);
            let cut = |page: u64| Form::Cut(page * PAGE_BYTES);
            if count <= CUTS {
                return (first..=last).map(cut).collect();
            }
            let mut pages = vec![first, first + 1, last - 1, last];
            pages.push(rng.between(first + 2, last - 2));
            pages.dedup();
            pages.into_iter().map(cut).collect()
        }
        _ => Vec::new(),
    }
}

/// Which sectors arrive of those that a write touches: the first, all but the last, the last, and a
/// seeded choice. The others of the page count as arrived: the write does not change them.
fn masks(start: u16, end: u16, rng: &mut Rng) -> Vec<u8> {
    let sector = SECTOR_BYTES as u16;
    let (first, last) = (start / sector, (end - 1) / sector);
    if first == last {
        return Vec::new();
    }
    let touched = (first..=last).fold(0u8, |mask, at| mask | 1 << at);
    let (first, last) = (1u8 << first, 1u8 << last);
    let mut masks = vec![first, touched & !last, last, touched & (rng.next_u64() as u8)];
    masks.retain(|mask| *mask != touched && *mask != 0);
    masks.sort_unstable();
    masks.dedup();
    masks.into_iter().map(|mask| mask | !touched).filter(|mask| *mask != 0xff).collect()
}
