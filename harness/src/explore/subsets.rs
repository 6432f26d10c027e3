//! Strategy 6, where little is pending: every closed subset there is. Subsets are those of `strict`,
//! of which every profile's are some.

use super::batch::Batch;
use super::strategy::{Site, Strategy};
use crate::persistence::{Loss, Profile};

/// Up to so many pending effects.
const EFFECTS: usize = 14;
/// Up to so many subsets at one point.
const SUBSETS: u32 = 2048;

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
        // In program order each effect is kept, if what it needs is kept, or lost: every leaf of this
        // tree is a closed subset. Keeping comes first, so the latest effects vary fastest.
        let mut found = 0;
        let mut todo = vec![(0, 0u32)];
        while let Some((at, lost)) = todo.pop() {
            if let Some(&effect) = pending.get(at) {
                todo.push((at + 1, lost | 1 << at));
                let is_lost = |need: u32| {
                    pending.binary_search(&need).is_ok_and(|place| lost & (1 << place) != 0)
                };
                if !view.model().needs(effect, Profile::Strict).any(is_lost) {
                    todo.push((at + 1, lost));
                }
                continue;
            }
            found += 1;
            if found > SUBSETS {
                site.skip("points with more closed subsets than the limit", 1);
                return;
            }
            let places = (0..pending.len()).filter(|place| lost & (1 << place) != 0);
            let lost: Vec<u32> = places.map(|place| pending[place]).collect();
            batch.power(view.point(), Loss::new(&lost, Vec::new()));
        }
    }
}
