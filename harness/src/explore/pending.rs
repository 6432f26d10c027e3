//! The pending effects of one profile by their sorts, followed from crash point to crash point at the
//! cost of what changed between them.

use std::collections::BTreeMap;

use super::sorts::Sorts;
use crate::persistence::{EffectNo, Model, Profile};
use crate::trace::EventNo;

/// What is pending at one crash point under one profile.
#[derive(Clone, Debug, Default)]
pub(super) struct BySort {
    point: EventNo,
    /// How many effects were looked at.
    end: u32,
    lists: BTreeMap<u32, Vec<u32>>,
}

impl BySort {
    /// Moves on to a later point; the new effects that are pending there.
    pub(super) fn follow(
        &mut self,
        model: &Model,
        point: EventNo,
        profile: Profile,
        sorts: &Sorts,
    ) -> Vec<u32> {
        let live = |effect: u32| !model.is_durable(EffectNo(effect), profile, point);
        if model.became_durable(profile, self.point, point) {
            self.lists.retain(|_, list| {
                list.retain(|effect| live(*effect));
                !list.is_empty()
            });
        }
        let new = self.end..model.effects_before(point);
        let new: Vec<u32> = new.filter(|effect| live(*effect)).collect();
        for effect in &new {
            self.lists.entry(sorts.effect(*effect)).or_default().push(*effect);
        }
        self.point = point;
        self.end = model.effects_before(point);
        new
    }

    /// Each sort of which something is pending, with its effects in program order.
    pub(super) fn lists(&self) -> impl Iterator<Item = (u32, &[u32])> {
        self.lists.iter().map(|(sort, list)| (*sort, &list[..]))
    }

    /// How many effects are pending.
    pub(super) fn count(&self) -> u64 {
        self.lists.values().map(|list| list.len() as u64).sum()
    }
}
