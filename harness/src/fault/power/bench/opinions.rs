//! Second opinions: a failing image is recovered again in a fresh process, and what a recovery left is
//! opened again.

use std::collections::BTreeSet;

use super::{Bench, CONFIRMING, REOPENING, Waiting};
use crate::base::Result;
use crate::fault::power::ask::{Ask, Disagreement};
use crate::fault::power::memory::{ImageNo, Known, RecoveryNo};
use crate::fault::power::reopen::{self, Next};
use crate::image::Image;
use crate::oracle::{Kind, judge_reopened};
use crate::recover::{Done, Extra, Recovery};

/// How many failing images of one kind are confirmed one by one.
const CONFIRMED: u64 = 12;

impl<T: Clone> Bench<'_, T> {
    /// Has a failing image judged again in a fresh process and directory, for the first of each kind.
    pub(super) fn confirm(
        &mut self,
        no: ImageNo,
        image: Image,
        recovery: Recovery,
        ask: Ask<T>,
        failed: &BTreeSet<Kind>,
    ) -> Result<()> {
        let fresh = |kind: &&Kind| self.confirming.get(*kind).is_none_or(|done| *done < CONFIRMED);
        let Some(kind) = failed.iter().find(fresh).copied() else { return Ok(()) };
        // What did not open was judged twice by the pool already.
        if matches!(recovery, Recovery::Opened(_)) {
            *self.confirming.entry(kind).or_default() += 1;
            let id = CONFIRMING + u64::from(no.0) * 100 + 99;
            let (asks, reading) = (vec![(0, ask)], Vec::new());
            let kind = Some(kind);
            self.waiting.insert(no, Waiting { image: image.clone(), asks, reading, kind });
            self.pool.submit(id, image, Extra::default())?;
        }
        Ok(())
    }

    pub(super) fn second_opinion(&mut self, done: Done) -> Result<()> {
        let no = ImageNo(((done.id - CONFIRMING) / 100) as u32);
        let Some(Waiting { image, asks, kind, .. }) = self.waiting.remove(&no) else {
            return Ok(());
        };
        let Known::Recovered(_, known) = self.memory.image(image.hash()) else { return Ok(()) };
        let first = self.memory.recovery(known);
        let others = [Some(&done.recovery), done.again.as_ref()];
        match others.into_iter().flatten().find(|other| !first.is_like(other)) {
            Some(other) => {
                if let Some(ask) = asks.first() {
                    self.disagree(ask, &image, &first, other);
                }
            }
            None => self.confirmed.extend(kind),
        }
        Ok(())
    }

    pub(super) fn disagree(
        &mut self,
        (visit, ask): &(u64, Ask<T>),
        image: &Image,
        first: &Recovery,
        second: &Recovery,
    ) {
        let disagreement = Disagreement {
            image: image.clone(),
            ask: ask.clone(),
            first: first.clone(),
            second: second.clone(),
        };
        self.disagreements.insert(*visit, disagreement);
    }

    /// Has the directory that a recovery left opened again, unless that is known.
    pub(super) fn open_again(
        &mut self,
        (visit, ask): &(u64, Ask<T>),
        left: &Image,
        shown: RecoveryNo,
        recovery: &Recovery,
    ) -> Result<()> {
        if !matches!(recovery, Recovery::Opened(_)) {
            return Ok(());
        }
        let one = reopen::Waiting { visit: *visit, ask: ask.clone(), shown };
        match self.reopened.left(left, one.clone()) {
            Next::Open(number) => {
                let extra = Extra::default();
                self.pool.submit(REOPENING + number, left.clone(), extra)?;
            }
            Next::Compare(again) => self.compare(&one, again),
            Next::Wait | Next::Fine => {}
        }
        Ok(())
    }

    /// A directory that recoveries left was opened again.
    pub(super) fn opened_again(&mut self, done: &Done) -> Result<()> {
        let again = self.memory.keep(&done.recovery);
        let Some((image, waiting)) = self.reopened.opened(done.id - REOPENING, again) else {
            return Ok(());
        };
        let Some(first) = waiting.first() else { return Ok(()) };
        if let Some(other) = done.again.as_ref().filter(|other| !done.recovery.is_like(other)) {
            let first = (first.visit, first.ask.clone());
            self.disagree(&first, &image, &done.recovery, other);
            return Ok(());
        }
        for one in &waiting {
            self.compare(one, again);
        }
        Ok(())
    }

    fn compare(&mut self, one: &reopen::Waiting<Ask<T>>, again: RecoveryNo) {
        let Recovery::Opened(shown) = self.memory.recovery(one.shown) else { return };
        let verdict = judge_reopened(&shown, &self.memory.recovery(again));
        self.judged.extend(verdict.judged);
        match verdict.violations.is_empty() {
            true => self.reopened.is_fine(one.shown, again),
            false => self.fail(one.visit, one.shown, &one.ask, verdict.violations),
        }
    }
}
