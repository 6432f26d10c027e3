//! The verdict on what recovery made of a damaged directory: with what the snapshots of the store at rest
//! tell of the damage.

use crate::image::Image;
use crate::media::Damage;
use crate::oracle::media::Damage as Harmed;
use crate::oracle::{Judge, Kind, Verdict};
use crate::recover::Recovery;

use super::rest::Rest;

/// Judges `recovery` of `image`, which these damages made of `rest`; `warned` if the driver warns without
/// any fault.
pub fn weigh(
    rest: &Rest,
    judge: &Judge,
    (image, damages): (&Image, &[Damage]),
    warned: bool,
    recovery: &Recovery,
) -> (Verdict, Harmed) {
    let hash = image.hash();
    // What was written before the earliest of several damages was written before all of them.
    let earliest = |seen: &dyn Fn(&Damage) -> Option<crate::workload::Moment>| {
        damages.iter().map(seen).min().flatten()
    };
    let mut harmed = Harmed {
        loss: rest.loss(),
        moment: rest.end,
        written_after: earliest(&|damage| rest.snapshots.written_after(&rest.image, damage)),
        rollback: rest.snapshots.states().iter().any(|(_, image)| image.hash() == hash),
        control_warned: warned,
    };
    let verdict = judge.damaged(&harmed, recovery);
    let shows = |verdict: &Verdict, kind| verdict.violations.iter().any(|v| v.kind == kind);
    let before = shows(&verdict, Kind::LostBeforeDamage);
    if !before && !shows(&verdict, Kind::SilentLoss) {
        return (verdict, harmed);
    }
    // About to be called a loss: look closer, which is too slow to do for each case.
    harmed.rollback |= rest.snapshots.is_rollback(image, &rest.image);
    if before {
        harmed.written_after =
            earliest(&|damage| rest.snapshots.first_seen_after(&rest.image, damage));
    }
    (judge.damaged(&harmed, recovery), harmed)
}
