//! What survived of the effects before a crash, and what that says of a file's size, of a name, and of the
//! sectors of a page.

use super::page::PAGE;
use crate::base::limits::SECTOR_BYTES;
use crate::persistence::{EffectKind, EffectNo, Form, Loss, Model, PageBytes, Profile};
use crate::trace::{EventNo, FileId, Place};

/// What survived of the effects before the crash.
pub(super) enum Survival<'a> {
    Everything,
    Durable(&'a Model, EventNo),
    State(&'a Loss),
}

impl Survival<'_> {
    pub(super) fn arrived(&self, effect: u32) -> u8 {
        match self {
            Survival::Everything => 0xff,
            Survival::Durable(model, point) => {
                let durable = model.is_durable(EffectNo(effect), Profile::Strict, *point);
                if durable { 0xff } else { 0 }
            }
            Survival::State(loss) => loss.arrived(effect),
        }
    }

    pub(super) fn form(&self, effect: u32) -> Option<Form> {
        match self {
            Survival::State(loss) => loss.form(effect),
            _ => None,
        }
    }
}

/// The size of a file: that of its latest surviving Grow or Resize.
pub(super) fn size(model: &Model, file: FileId, end: u32, what: &Survival<'_>) -> u64 {
    let sizes = model.size_effects(file);
    let before = &sizes[..sizes.partition_point(|effect| *effect < end)];
    let latest = before.iter().rev().find(|effect| what.arrived(**effect) != 0);
    match latest.map(|effect| (&model.effects()[*effect as usize].kind, what.form(*effect))) {
        Some((EffectKind::Grow { .. }, Some(Form::Cut(size)))) => size,
        Some((EffectKind::Grow { to, .. } | EffectKind::Resize { to, .. }, _)) => *to,
        _ => model.initial_size(file),
    }
}

/// What a name leads to: what the latest surviving effect on it says.
pub(super) fn binding(
    model: &Model,
    place: &Place,
    end: u32,
    what: &Survival<'_>,
) -> Option<FileId> {
    let effects = model.name_effects(place);
    let before = &effects[..effects.partition_point(|effect| *effect < end)];
    for &effect in before.iter().rev().filter(|effect| what.arrived(**effect) != 0) {
        return match &model.effects()[effect as usize].kind {
            EffectKind::Link { file, .. } => Some(*file),
            EffectKind::Rename { to, file, .. } if to == place => Some(*file),
            EffectKind::Rename { split: true, .. } => continue,
            EffectKind::Exchange { a, file_b, .. } if a == place => Some(*file_b),
            EffectKind::Exchange { file_a, .. } => Some(*file_a),
            _ => None,
        };
    }
    model.initial_name(place)
}

pub(super) fn copy_sectors(into: &mut PageBytes, from: &PageBytes, sectors: u8) {
    let sector = SECTOR_BYTES as usize;
    for at in (0..8).filter(|at| sectors & (1 << at) != 0) {
        into[at * sector..(at + 1) * sector].copy_from_slice(&from[at * sector..(at + 1) * sector]);
    }
}

/// A page of garbage: bytes that depend on nothing but the effect that was lost there.
pub(super) fn garbage(effect: u32) -> PageBytes {
    let mut bytes = [0; PAGE];
    let mut state = u64::from(effect) ^ 0x9e37_79b9_7f4a_7c15;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut draw = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        draw = (draw ^ (draw >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(draw ^ (draw >> 31)).to_le_bytes());
    }
    bytes
}
