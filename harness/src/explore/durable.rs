//! Strategy 2: only what is durable survives.

use super::batch::Batch;
use super::strategy::{Site, Strategy};

pub(super) struct Durable;

impl Strategy for Durable {
    fn name(&self) -> &'static str {
        "durable"
    }

    fn telling_only(&self) -> bool {
        false
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        for profile in site.profiles() {
            batch.power(site.view.point(), site.view.losing_all(profile));
        }
    }
}
