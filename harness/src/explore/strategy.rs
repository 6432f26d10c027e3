//! What a strategy is: something that proposes states at one crash point.

use std::collections::BTreeMap;

use super::batch::Batch;
use crate::base::Rng;
use crate::persistence::{Profile, ProfileSet, View};

/// What was capped or left out, by reason.
pub(super) type Skipped = BTreeMap<String, u64>;

/// Where a strategy works.
pub(super) struct Site<'a, 'm> {
    pub(super) view: &'a View<'m>,
    pub(super) asked: ProfileSet,
    pub(super) rng: &'a mut Rng,
    pub(super) skipped: &'a mut Skipped,
}

impl Site<'_, '_> {
    /// At most `limit` of these, the latest half of it and a seeded choice of the rest, in order;
    /// what is left out is counted.
    pub(super) fn some(&mut self, all: &[u32], limit: usize, reason: &str) -> Vec<u32> {
        if all.len() <= limit {
            return all.to_vec();
        }
        self.skip(reason, (all.len() - limit) as u64);
        let (early, late) = all.split_at(all.len() - limit / 2);
        let mut chosen: Vec<u32> = early.to_vec();
        self.rng.shuffle(&mut chosen);
        chosen.truncate(limit - limit / 2);
        chosen.sort_unstable();
        chosen.extend(late);
        chosen
    }

    pub(super) fn skip(&mut self, reason: &str, count: u64) {
        if count > 0 {
            *self.skipped.entry(reason.to_owned()).or_default() += count;
        }
    }

    /// The profiles that are asked for.
    pub(super) fn profiles(&self) -> impl Iterator<Item = Profile> + use<> {
        self.asked.iter()
    }
}

/// A strategy.
pub(super) trait Strategy {
    /// Its name in visits and reports.
    fn name(&self) -> &'static str;

    /// True if it looks only at telling points.
    fn telling_only(&self) -> bool {
        true
    }

    /// Proposes states at one point. What is not legal under any asked-for profile, and what was
    /// visited before, is dropped by whoever asks.
    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch);
}
