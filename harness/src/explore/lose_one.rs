//! Strategy 3: one effect lost, with all that depend on it; the rest survives.

use super::batch::Batch;
use super::strategy::{Site, Strategy};

/// Most effects that are tried at one point under one profile.
pub(super) const SINGLES: usize = 256;

pub(super) struct LoseOne {
    /// Most effects at one point under one profile.
    most: usize,
}

impl LoseOne {
    /// The strategy.
    pub(super) const ALL: Self = Self { most: SINGLES };
    /// A sample of it.
    pub(super) const FEW: Self = Self { most: 8 };
}

impl Strategy for LoseOne {
    fn name(&self) -> &'static str {
        "lose-one"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        for profile in site.profiles() {
            let pending = site.view.pending(profile);
            for effect in site.some(pending, self.most, "single lost effects") {
                batch.power(site.view.point(), site.view.losing(profile, [effect]));
            }
        }
    }
}
