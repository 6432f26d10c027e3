//! Strategy 1: everything so far survives. What a process kill leaves, also inside a write that
//! crosses page boundaries. Judged by the kill promise.

use super::batch::Batch;
use super::strategy::{Site, Strategy};

/// Most cuts of one write.
const CUTS: u32 = 8;

pub(super) struct Everything;

impl Strategy for Everything {
    fn name(&self) -> &'static str {
        "everything"
    }

    fn telling_only(&self) -> bool {
        false
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        let point = site.view.point();
        batch.kill(point, 0);
        let cuts = site.view.model().kill_cuts(point);
        if cuts <= CUTS {
            (1..=cuts).for_each(|pages| batch.kill(point, pages));
            return;
        }
        site.skip("kills inside one large write", u64::from(cuts - CUTS));
        // The first and last boundaries, and some between.
        let mut chosen = vec![1, 2, cuts - 1, cuts];
        while chosen.len() < CUTS as usize {
            let pages = site.rng.between(3, u64::from(cuts - 2)) as u32;
            if !chosen.contains(&pages) {
                chosen.push(pages);
            }
        }
        chosen.sort_unstable();
        chosen.into_iter().for_each(|pages| batch.kill(point, pages));
    }
}
