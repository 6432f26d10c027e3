//! The model at one crash point: what is pending there under each profile. It moves forward from
//! point to point at the cost of what changed between them.

use super::effect::{EffectKind, EffectNo};
use super::model::Model;
use super::profile::Profile;
use crate::trace::EventNo;

/// What is pending at one crash point.
#[derive(Clone, Debug)]
pub struct View<'m> {
    pub(super) model: &'m Model,
    pub(super) point: EventNo,
    /// How many effects have happened.
    pub(super) end: u32,
    pending: [Vec<u32>; 4],
    metadata: [Vec<u32>; 4],
    grows: [Vec<u32>; 4],
}

impl<'m> View<'m> {
    /// The view before the first event.
    pub fn new(model: &'m Model) -> Self {
        let none = || Profile::ALL.map(|_| Vec::new());
        let point = EventNo(0);
        View { model, point, end: 0, pending: none(), metadata: none(), grows: none() }
    }

    /// The view at a point.
    pub fn at(model: &'m Model, point: EventNo) -> Self {
        let mut view = View::new(model);
        view.advance(point);
        view
    }

    /// Moves on to a later point; to an earlier one it starts anew.
    pub fn advance(&mut self, point: EventNo) {
        if point < self.point {
            *self = View::new(self.model);
        }
        let end = self.model.effects_before(point);
        for profile in Profile::ALL {
            let live = |effect: u32| !self.model.is_durable(EffectNo(effect), profile, point);
            if self.model.became_durable(profile, self.point, point) {
                for list in [&mut self.pending, &mut self.metadata, &mut self.grows] {
                    list[profile.index()].retain(|effect| live(*effect));
                }
            }
            for effect in (self.end..end).filter(|effect| live(*effect)) {
                let kind = self.model.kind(effect);
                self.pending[profile.index()].push(effect);
                if kind.is_metadata(profile == Profile::Ext4) {
                    self.metadata[profile.index()].push(effect);
                } else if matches!(kind, EffectKind::Grow { .. }) {
                    self.grows[profile.index()].push(effect);
                }
            }
        }
        self.point = point;
        self.end = end;
    }

    /// The crash point.
    pub fn point(&self) -> EventNo {
        self.point
    }

    /// The model that it is a view of.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// The effects that are pending under a profile, in order.
    pub fn pending(&self, profile: Profile) -> &[u32] {
        &self.pending[profile.index()]
    }

    /// The pending metadata under a profile: what survives of it is a prefix, except in strict.
    pub fn metadata(&self, profile: Profile) -> &[u32] {
        &self.metadata[profile.index()]
    }

    /// The pending Grow effects that are not metadata under a profile.
    pub(super) fn grows(&self, profile: Profile) -> &[u32] {
        &self.grows[profile.index()]
    }

    /// True if an effect has happened and is not durable under a profile.
    pub fn is_pending(&self, effect: u32, profile: Profile) -> bool {
        effect < self.end && !self.model.is_durable(EffectNo(effect), profile, self.point)
    }
}
