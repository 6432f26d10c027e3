//! Strategy 6: pairs lost; then groups: one file or directory wholly behind or ahead of the others,
//! all metadata or all bytes lost, one event lost, and everything from some event on lost.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::strategy::{Site, Strategy};
use crate::persistence::{EffectKind, Profile};
use crate::trace::FileId;

/// Up to so many pending effects all pairs are visited; else this many pairs drawn at random.
const ALL_PAIRS: usize = 16;
const PAIRS: u64 = 120;
/// Most groups of one sort at one point.
const GROUPS: usize = 64;

pub(super) struct Groups;

impl Strategy for Groups {
    fn name(&self) -> &'static str {
        "groups"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        for profile in site.profiles() {
            pairs(site, batch, profile);
            groups(site, batch, profile);
        }
    }
}

fn pairs(site: &mut Site<'_, '_>, batch: &mut Batch, profile: Profile) {
    let view = site.view;
    let pending = view.pending(profile);
    let count = pending.len();
    if count <= ALL_PAIRS {
        for (at, first) in pending.iter().enumerate() {
            for second in &pending[at + 1..] {
                batch.power(view.point(), view.losing(profile, [*first, *second]));
            }
        }
        return;
    }
    let all = count as u64 * (count as u64 - 1) / 2;
    site.skip("pairs of lost effects", all.saturating_sub(PAIRS));
    for _ in 0..PAIRS.min(all) {
        let pair = [pending[site.rng.index(count)], pending[site.rng.index(count)]];
        batch.power(view.point(), view.losing(profile, pair));
    }
}

fn groups(site: &mut Site<'_, '_>, batch: &mut Batch, profile: Profile) {
    let view = site.view;
    let pending = view.pending(profile);
    let effects = view.model().effects();
    let mut by_file: BTreeMap<FileId, Vec<u32>> = BTreeMap::new();
    let mut by_dir: BTreeMap<FileId, Vec<u32>> = BTreeMap::new();
    let mut by_event: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let (mut data, mut rest) = (Vec::new(), Vec::new());
    for &effect in pending {
        let kind = &effects[effect as usize].kind;
        by_event.entry(effects[effect as usize].event.0).or_default().push(effect);
        if kind.is_name() {
            for place in kind.places().into_iter().flatten() {
                by_dir.entry(place.dir).or_default().push(effect);
            }
        } else {
            by_file.entry(kind.file()).or_default().push(effect);
        }
        match kind {
            EffectKind::Data { .. } => data.push(effect),
            _ => rest.push(effect),
        }
    }
    for group in [data, rest] {
        batch.power(view.point(), view.losing(profile, group.iter().copied()));
        batch.power(view.point(), view.keeping(profile, group));
    }
    for groups in [by_file, by_dir] {
        let keys: Vec<u32> = groups.keys().map(|file| file.0).collect();
        for key in site.some(&keys, GROUPS, "groups of effects") {
            let group = &groups[&FileId(key)];
            batch.power(view.point(), view.losing(profile, group.iter().copied()));
            batch.power(view.point(), view.keeping(profile, group.iter().copied()));
        }
    }
    let events: Vec<u32> = by_event.keys().copied().collect();
    for event in site.some(&events, GROUPS, "groups of effects") {
        let group = &by_event[&event];
        batch.power(view.point(), view.losing(profile, group.iter().copied()));
        batch.power(view.point(), view.keeping(profile, group.iter().copied()));
        let from = pending.partition_point(|effect| *effect < group[0]);
        batch.power(view.point(), view.losing(profile, pending[from..].iter().copied()));
    }
}
