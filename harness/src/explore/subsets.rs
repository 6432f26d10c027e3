//! Strategy 6, where little is pending: every closed subset there is. Subsets are those of `strict`,
//! of which every profile's are some.

use super::batch::Batch;
use super::strategy::{Site, Strategy};
use crate::persistence::{Loss, Profile};

/// Up to so many pending effects.
const EFFECTS: usize = 14;
/// Up to so many subsets at one point.
const SUBSETS: usize = 4096;

pub(super) struct Subsets;

impl Strategy for Subsets {
    fn name(&self) -> &'static str {
        "subsets"
    }

    fn propose(&self, site: &mut Site<'_, '_>, batch: &mut Batch) {
        let view = site.view;
        // What is pending under the weakest of the asked-for profiles is pending under each.
        let weakest = site.profiles().max_by_key(|profile| view.pending(*profile).len());
        let pending = view.pending(weakest.unwrap_or(Profile::Strict));
        if pending.len() > EFFECTS {
            site.skip("points with too much pending to visit every subset", 1);
            return;
        }
        let mut found = 0;
        // Few lost first: by the number of lost effects.
        let mut sets: Vec<u32> = (1..1u32 << pending.len()).collect();
        sets.sort_by_key(|set| set.count_ones());
        for set in sets {
            let lost: Vec<u32> = pending
                .iter()
                .enumerate()
                .filter(|(at, _)| set & (1 << at) != 0)
                .map(|(_, effect)| *effect)
                .collect();
            // Closed if closing adds nothing.
            if view.closed_loss(Profile::Strict, lost.iter().copied()) == lost {
                found += 1;
                if found > SUBSETS {
                    site.skip("closed subsets beyond the limit", 1);
                    return;
                }
                batch.power(view.point(), Loss::new(&lost, Vec::new()));
            }
        }
    }
}
