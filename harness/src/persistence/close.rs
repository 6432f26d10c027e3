//! Closing a set of effects under a profile's order: what else is lost with what is lost, what else
//! survives with what survives. The answer is always a legal state.

use super::profile::Profile;
use super::state::Loss;
use super::view::View;

/// Pending effects of one view, by place in its pending list.
struct Marks<'a> {
    pending: &'a [u32],
    marked: Vec<bool>,
    todo: Vec<u32>,
}

impl<'a> Marks<'a> {
    fn new(pending: &'a [u32]) -> Self {
        Marks { pending, marked: vec![false; pending.len()], todo: Vec::new() }
    }

    /// Marks an effect if it is pending and was not.
    fn mark(&mut self, effect: u32) {
        if let Ok(at) = self.pending.binary_search(&effect)
            && !self.marked[at]
        {
            self.marked[at] = true;
            self.todo.push(effect);
        }
    }

    fn effects(&self, marked: bool) -> Vec<u32> {
        let mut effects = Vec::with_capacity(self.pending.len());
        let with = self.pending.iter().zip(&self.marked);
        effects.extend(with.filter(|(_, mark)| **mark == marked).map(|(effect, _)| *effect));
        effects
    }
}

impl View<'_> {
    /// The state in which these effects are lost, with all that depend on them, and the rest
    /// survives. Effects that are not pending are left alone.
    pub fn losing(&self, profile: Profile, lost: impl IntoIterator<Item = u32>) -> Loss {
        Loss::new(&self.closed_loss(profile, lost), Vec::new())
    }

    /// The state in which these effects survive, with all that they depend on, and the rest is lost.
    pub fn keeping(&self, profile: Profile, kept: impl IntoIterator<Item = u32>) -> Loss {
        let mut marks = Marks::new(self.pending(profile));
        let ordered = profile != Profile::Strict;
        let (metadata, grows) = (self.metadata(profile), self.grows(profile));
        // Metadata before this place in the list is marked.
        let mut upto = 0;
        kept.into_iter().for_each(|effect| marks.mark(effect));
        while let Some(effect) = marks.todo.pop() {
            for edge in &self.model.breakdown.chains.needs[effect as usize] {
                if edge.profiles.contains(profile) {
                    marks.mark(edge.effect);
                }
            }
            let is_ordered =
                metadata.binary_search(&effect).is_ok() || grows.binary_search(&effect).is_ok();
            if ordered && is_ordered {
                let before = metadata.partition_point(|other| *other < effect);
                for &other in metadata.get(upto..before).unwrap_or_default() {
                    marks.mark(other);
                }
                upto = upto.max(before);
            }
        }
        Loss::new(&marks.effects(false), Vec::new())
    }

    /// The state in which nothing pending survives.
    pub fn losing_all(&self, profile: Profile) -> Loss {
        Loss::new(self.pending(profile), Vec::new())
    }

    /// The effects that are lost with these, in order.
    pub fn closed_loss(&self, profile: Profile, lost: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut marks = Marks::new(self.pending(profile));
        let ordered = profile != Profile::Strict;
        let (metadata, grows) = (self.metadata(profile), self.grows(profile));
        // Metadata from this place in the list on is marked, and the growth after it.
        let mut from = metadata.len();
        let mut grows_from = grows.len();
        lost.into_iter().for_each(|effect| marks.mark(effect));
        while let Some(effect) = marks.todo.pop() {
            for edge in &self.model.breakdown.chains.needed_by[effect as usize] {
                if edge.profiles.contains(profile) {
                    marks.mark(edge.effect);
                }
            }
            if ordered && let Ok(at) = metadata.binary_search(&effect) {
                for &other in metadata.get(at..from).unwrap_or_default() {
                    marks.mark(other);
                }
                from = from.min(at);
                let first = grows.partition_point(|other| *other < effect);
                for &other in grows.get(first..grows_from).unwrap_or_default() {
                    marks.mark(other);
                }
                grows_from = grows_from.min(first);
            }
        }
        marks.effects(true)
    }
}
