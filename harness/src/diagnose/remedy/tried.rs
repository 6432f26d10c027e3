//! Trying a remedy in the model: the states are looked at again with syncs that were not made.

use super::other::promised;
use super::{Added, Search, lost_effects};
use crate::diagnose::group::Failing;
use crate::persistence::{AddedSync, EffectNo, Model, Overlay};
use crate::trace::{EventNo, SyncScope};

impl Search<'_> {
    /// How many of the states cannot fail so with these syncs: of one of the sites of `lost`, all that the
    /// state lost of it was durable then, as far as it counts. A state of which less is lost would fail for what
    /// is left. A power cut between a call and the sync that is added after it loses as much as before. What the
    /// last call alone did is in flight then, and no remedy's matter; where there is nothing but that, none are
    /// gone. Where a `sync` or a close promised, what was written after it was not promised, and its loss is no failure.
    pub(super) fn gone(&self, counts: &dyn Fn(EffectNo) -> bool, syncs: &[Added]) -> usize {
        let Self { scene, sites, lost, .. } = self;
        let overlay = with_syncs(scene.overlay, syncs);
        let model = Model::with(scene.trace, &overlay, scene.device);
        let (mut gone, mut in_flight) = (0, 0);
        for failing in &self.tried {
            let (point, profile) = (failing.state.point, failing.profile);
            let effects = self.promised_of(failing, lost_effects(failing.state));
            let last = point.0.checked_sub(1).map(EventNo);
            let unreturned = syncs.iter().any(|(after, _)| Some(*after) == last);
            let synced = last.filter(|_| unreturned).unwrap_or(point);
            let durable = |effect: &&EffectNo| match number(scene.model, &model, **effect) {
                Some(same) => model.is_durable(same, profile, synced),
                None => true,
            };
            let is_of_last = |effect: &EffectNo| {
                unreturned && scene.model.effect(*effect).map(|found| found.event) == last
            };
            let mut all_in_flight = true;
            let is_gone = lost.iter().any(|site| {
                let is_of_it =
                    |effect: &&EffectNo| sites.of(**effect) == Some(site) && counts(**effect);
                let before = |effect: &&EffectNo| !is_of_last(effect);
                let mut of_it = effects.iter().filter(is_of_it).filter(before).peekable();
                let some = of_it.peek().is_some();
                all_in_flight &= !some;
                some && of_it.all(|effect| durable(&effect))
            });
            gone += usize::from(is_gone);
            let mut own = effects.iter().filter_map(|effect| sites.of(*effect));
            in_flight +=
                usize::from(all_in_flight && unreturned && own.any(|site| lost.contains(site)));
        }
        if gone == 0 { 0 } else { gone + in_flight }
    }

    /// What a state lost of what a barrier had promised; all of it where none did, or that was all written later.
    fn promised_of(&self, failing: &Failing<'_>, effects: Vec<EffectNo>) -> Vec<EffectNo> {
        let promised = promised(self.scene, failing).filter(|promised| promised.barrier.is_some());
        let Some(promised) = promised else { return effects };
        let event = |effect: &EffectNo| self.scene.model.effect(*effect).map(|found| found.event);
        let before = |effect: &&EffectNo| event(effect).is_some_and(|at| at < promised.answered);
        let old: Vec<EffectNo> = effects.iter().filter(before).copied().collect();
        if old.is_empty() { effects } else { old }
    }
}

/// The same overlay with more syncs.
pub fn with_syncs(overlay: &Overlay, syncs: &[Added]) -> Overlay {
    let mut with = overlay.clone();
    with.added_syncs.extend(syncs.iter().map(|(after, file)| AddedSync {
        after: *after,
        file: Some(*file),
        scope: SyncScope::Full,
    }));
    with
}

/// An effect's number in another model of the same trace. Syncs may leave an effect out (a punch into
/// what was never written needs no zeros); all others are the same in the same order.
pub fn number(from: &Model, to: &Model, effect: EffectNo) -> Option<EffectNo> {
    if from.effects().len() == to.effects().len() {
        return Some(effect);
    }
    let found = from.effect(effect)?;
    let before = from.effects_of(found.event);
    let alike = |model: &Model, at: u32| {
        let other = model.effect(EffectNo(at)).map(|other| &other.kind);
        other.is_some_and(|other| {
            (other.word(), other.file()) == (found.kind.word(), found.kind.file())
        })
    };
    let rank = (before.start..effect.0).filter(|at| alike(from, *at)).count();
    to.effects_of(found.event).filter(|at| alike(to, *at)).nth(rank).map(EffectNo)
}
