//! What comes of judging a pair: failures by the number of the visit, and candidates for nested crashes.

use super::super::ask::{Ask, Candidate, Failure};
use super::super::memory::{ImageNo, RecoveryNo};
use super::Bench;
use crate::image::Image;
use crate::oracle::{Kind, Verdict, Violation};
use crate::persistence::ProfileSet;
use crate::recover::Recovery;

/// How many failing states are kept to be grouped; those beyond are counted.
const FAILURES: usize = 50_000;
/// How many images of one shape of recovery are offered for nested crashes.
const SHAPE: usize = 2;

impl<T: Clone> Bench<'_, T> {
    /// Judges one pair; the kinds that failed.
    pub(super) fn judge(
        &mut self,
        no: ImageNo,
        recovery_no: RecoveryNo,
        visit: u64,
        ask: Ask<T>,
        recovery: &Recovery,
    ) -> Vec<Kind> {
        if !ask.judged {
            return Vec::new();
        }
        let promise = self.promise(&ask);
        if self.failing.contains_key(&(no, promise)) {
            self.widen(no, ask);
            return Vec::new();
        }
        let Verdict { violations, judged, undecided } =
            self.court(ask.court).at(ask.moment, ask.loss, recovery);
        if ask.alone {
            self.judged.extend(judged);
        }
        self.undecided += u64::from(undecided);
        if violations.is_empty() {
            return Vec::new();
        }
        self.failing.insert((no, promise), visit);
        let kinds = violations.iter().map(|violation| violation.kind).collect();
        self.fail(visit, recovery_no, &ask, violations);
        kinds
    }

    pub(super) fn fail(
        &mut self,
        visit: u64,
        recovery: RecoveryNo,
        ask: &Ask<T>,
        found: Vec<Violation>,
    ) {
        if let Some(failure) = self.failures.get_mut(&visit) {
            failure.violations.extend(found);
            return;
        }
        let failure = Failure { asks: vec![ask.clone()], recovery, violations: found };
        let alarm = |one: &Violation| !one.note && one.kind != Kind::RefusedUnborn;
        if self.first_failure.is_none() && failure.violations.iter().any(alarm) {
            self.first_failure = Some((self.recoveries, self.budget.elapsed()));
        }
        self.budget.note_failure();
        self.failures.insert(visit, failure);
        if self.failures.len() > FAILURES {
            self.failures.pop_last();
            self.beyond += 1;
        }
    }

    /// A pair that failed is legal under more profiles than was known.
    pub(super) fn widen(&mut self, no: ImageNo, ask: Ask<T>) {
        let promise = self.promise(&ask);
        let Some(visit) = self.failing.get(&(no, promise)) else { return };
        let Some(failure) = self.failures.get_mut(visit) else { return };
        let known = failure.asks.iter().fold(ProfileSet::EMPTY, |all, ask| all.union(ask.profiles));
        if known.union(ask.profiles) != known {
            failure.asks.push(ask);
        }
    }

    /// Keeps a candidate for nested crashes, if there are not enough like it.
    pub(super) fn note(
        &mut self,
        visit: u64,
        ask: &Ask<T>,
        image: &Image,
        no: ImageNo,
        recovery: RecoveryNo,
    ) {
        let shape = self.shapes.get(&no).cloned().unwrap_or_default();
        let group = self.candidates.entry((ask.tag, ask.stage, shape)).or_default();
        if group.len() < SHAPE || group.last_key_value().is_some_and(|(last, _)| visit < *last) {
            let (image, ask) = (image.clone(), ask.clone());
            group.insert(visit, Candidate { image, ask, recovery });
            if group.len() > SHAPE {
                group.pop_last();
            }
        }
    }
}
