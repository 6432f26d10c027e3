//! Whether states fail alike when nothing at all is lost: then no loss is the cause, the moment is.

use std::collections::{BTreeMap, BTreeSet};

use super::super::remedy;
use super::Failing;
use crate::oracle::Kind;
use crate::persistence::{CrashState, EffectNo, Loss};
use crate::trace::EventNo;

/// Whether states fail alike when nothing at all is lost, by kind and crash point.
pub(super) struct Bare {
    known: BTreeMap<(Kind, EventNo), bool>,
    passing: BTreeSet<EventNo>,
}

impl Bare {
    pub(super) fn new(
        failing: &[Failing<'_>],
        passing: &BTreeMap<EventNo, Vec<BTreeSet<EffectNo>>>,
    ) -> Bare {
        let nothing =
            |one: &&Failing<'_>| !one.state.is_kill() && remedy::lost_effects(one.state).is_empty();
        let known = failing.iter().filter(nothing).map(|one| ((one.kind, one.state.point), true));
        let passing = passing.iter().filter(|(_, lost)| lost.iter().any(BTreeSet::is_empty));
        Bare { known: known.collect(), passing: passing.map(|(point, _)| *point).collect() }
    }

    /// What is known without trying.
    pub(super) fn fails(&self, one: &Failing<'_>) -> Option<bool> {
        let known = self.known.get(&(one.kind, one.state.point)).copied();
        known.or_else(|| self.passing.contains(&one.state.point).then_some(false))
    }

    /// What the caller finds.
    pub(super) fn try_it(
        &mut self,
        one: &Failing<'_>,
        probe: &mut impl FnMut(&Failing<'_>, &CrashState) -> Option<bool>,
    ) -> Option<bool> {
        if let Some(known) = self.fails(one) {
            return Some(known);
        }
        let found = probe(one, &CrashState::power(one.state.point, Loss::default()));
        if let Some(found) = found {
            self.known.insert((one.kind, one.state.point), found);
        }
        found
    }
}
