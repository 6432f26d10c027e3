//! Strategy 4: one effect survives, with all it depends on; the rest is lost.

use super::batch::Batch;
use super::lose_one::SINGLES;
use super::strategy::{Site, Strategy};

pub(super) struct KeepOne;

impl Strategy for KeepOne {
    fn name(&self) -> &'static str {
        "keep-one"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        for profile in site.profiles() {
            let pending = site.view.pending(profile);
            for effect in site.some(pending, SINGLES, "single surviving effects") {
                batch.power(site.view.point(), site.view.keeping(profile, [effect]));
            }
        }
    }
}
