//! Which properties a fault and a driver's capabilities call for: what of these was judged in no case
//! makes a run *not measured*.

use std::collections::BTreeSet;

use super::verdict::{Kind, Loss};
use crate::driver::Capabilities;

/// What every case of a crash by `loss` calls for.
pub fn of_crashes(loss: Loss, capabilities: &Capabilities) -> BTreeSet<Kind> {
    let nothing_promised = loss == Loss::Power && !capabilities.promises_against_power_loss();
    let kinds = [
        (Kind::LostAck, !nothing_promised),
        (Kind::CorruptValue, true),
        (Kind::GhostKey, true),
        (Kind::TornBatch, capabilities.batch),
        (Kind::Hole, capabilities.order_prefix),
        (Kind::Refused, true),
        (Kind::RecoveryCrashed, true),
        (Kind::RecoveryHung, true),
    ];
    called(&kinds)
}

/// What a crash after a crash calls for besides, in cycles and nested.
pub fn of_cycles() -> BTreeSet<Kind> {
    BTreeSet::from([Kind::Resurrected, Kind::Vanished])
}

/// What a second opening and a put after recovery call for.
pub fn of_second_openings() -> BTreeSet<Kind> {
    BTreeSet::from([Kind::Unstable, Kind::NotWritable])
}

/// What damage at rest calls for.
pub fn of_damage(capabilities: &Capabilities) -> BTreeSet<Kind> {
    let detected = capabilities.corruption_detected;
    let promised = detected && capabilities.promises_against_power_loss();
    let kinds = [
        (Kind::RecoveryCrashed, true),
        (Kind::RecoveryHung, true),
        (Kind::CorruptValue, detected),
        (Kind::GhostKey, detected),
        (Kind::TornBatch, detected && capabilities.batch),
        (Kind::Hole, detected && capabilities.damage_prefix && capabilities.order_prefix),
        (Kind::SilentLoss, promised),
        (Kind::LostBeforeDamage, promised && capabilities.damage_prefix),
    ];
    called(&kinds)
}

fn called(kinds: &[(Kind, bool)]) -> BTreeSet<Kind> {
    kinds.iter().filter(|(_, called)| *called).map(|(kind, _)| *kind).collect()
}
