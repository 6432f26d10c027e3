//! Crashes inside recovery, two levels deep. Where a recovery writes, it is recorded, and the
//! recording's crash states are visited like those of the workload. Both kinds of first crash: after a
//! power cut recovery starts from what survived; after a kill what was not synced before is still
//! volatile while recovery reads it, and may go although recovery wrote nothing.
//!
//! Recoveries of one shape (see `shape`) do the same work: one of each shape first, then further ones,
//! as far as this stage's share of the budget goes. What was left out is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::ask::{Candidate, Like};
use super::booth::{Booth, Take};
use super::ground::{Ground, Spot};
use super::record::Studio;
use super::shape::Shape;
use super::visit::{Ended, Share, Visitor};
use crate::base::{Result, Rng};
use crate::diagnose;
use crate::explore::{Explorer, Part};
use crate::fault::{FaultOutcome, unseen};
use crate::image::Image;
use crate::persistence::{Device, ProfileSet};
use crate::scenario::FaultName;
use crate::trace::EventNo;

/// How deep: a crash inside recovery, and one inside the recovery from that.
const DEPTH: usize = 2;
/// New images that one recorded recovery may add.
const IMAGES: u64 = 80;
/// The same, inside a recovery from a crash inside recovery.
const DEEPER_IMAGES: u64 = 40;

/// And when one recovery of each sort has its first turn.
const FIRST_IMAGES: u64 = 40;
/// How many recordings are made ahead of the visits.
const AHEAD: usize = 2;

/// So many states of one recovery without a new image, and the next recovery's turn comes.
const BARREN: u64 = 300;

/// What the stage needs besides the bench.
#[derive(Clone, Debug)]
pub struct Nesting<'a> {
    /// Records recoveries.
    pub studio: Studio<'a>,
    /// The device.
    pub device: Device,
    /// Under these profiles.
    pub profiles: ProfileSet,
    /// Chooses states.
    pub rng: Rng,
}

/// What was cut again so far.
#[derive(Clone, Debug, Default)]
pub struct CutAgain {
    /// The visits whose recoveries had their turn.
    visits: BTreeSet<u64>,
    /// How many recoveries were recorded.
    pub recorded: u64,
    /// Sorts of recoveries that can be cut again, and those that were.
    sorts: BTreeMap<Like, bool>,
}

impl CutAgain {
    /// How many sorts of recoveries were cut again, of how many.
    pub fn covered(&self) -> Part {
        let seen = self.sorts.values().filter(|seen| **seen).count() as u64;
        Part { seen, all: self.sorts.len() as u64 }
    }
}

/// A recovery to cut again: its visit, its sort, and where it begins.
type Turn = (u64, Like, Candidate<Spot>);
/// A candidate: the how-many-th of its sort and which visit, and the sort.
type Found<'v> = (usize, u64, &'v Like, &'v Candidate<Spot>);
/// In which order candidates have their turn: by the first, then the second, then the visit.
type Rank = (usize, usize, u64);

impl Nesting<'_> {
    /// Visits some crash states of one recovery of each sort that had no turn yet, until `upto` of the budget is
    /// spent.
    pub fn first_of_each(
        &self,
        visitor: &mut Visitor<'_, '_>,
        outcome: &mut FaultOutcome,
        done: &mut CutAgain,
        upto: f64,
    ) -> Result<()> {
        visitor.bench.settle()?;
        let candidates = self.candidates(visitor, 0, done, 1);
        self.turns(visitor, outcome, &candidates, (done, upto, FIRST_IMAGES)).map(|_| ())
    }

    /// Visits the crash states of recoveries until `upto` of the budget is spent; of those in `done`
    /// none is visited again.
    pub fn run(
        &self,
        visitor: &mut Visitor<'_, '_>,
        outcome: &mut FaultOutcome,
        done: &mut CutAgain,
        upto: f64,
    ) -> Result<()> {
        for depth in 0..DEPTH {
            visitor.bench.settle()?;
            let upto = upto - if depth + 1 < DEPTH { (upto - visitor.spent()) * 0.3 } else { 0.0 };
            let candidates = self.candidates(visitor, depth, done, usize::MAX);
            let most = if depth + 1 < DEPTH { IMAGES } else { DEEPER_IMAGES };
            let left = self.turns(visitor, outcome, &candidates, (done, upto, most))?;
            // What had no turn now has none later.
            done.visits.extend(candidates.iter().map(|(visit, ..)| *visit));
            outcome.totals.skip("recoveries not cut again: the budget", left);
        }
        Ok(())
    }

    /// Gives each of these its turn, as far as the budget goes; how many had none.
    fn turns(
        &self,
        visitor: &mut Visitor<'_, '_>,
        outcome: &mut FaultOutcome,
        candidates: &[Turn],
        share: (&mut CutAgain, f64, u64),
    ) -> Result<u64> {
        std::thread::scope(|scope| {
            let images = candidates.iter().map(|(.., one)| one.image.clone()).collect();
            let recordings = self.ahead(scope, images);
            self.each(visitor, outcome, candidates, &recordings, share)
        })
    }

    /// Records the recoveries of these images, one after the other, a little ahead of who visits their
    /// states; ends when nobody wants another.
    fn ahead<'s, 'e>(
        &'s self,
        scope: &'s std::thread::Scope<'s, 'e>,
        images: Vec<Image>,
    ) -> Receiver<Result<Take>> {
        let (tell, told) = sync_channel(AHEAD);
        let mut booth = Booth::new(self.studio);
        scope.spawn(move || {
            for image in images {
                if tell.send(booth.recovery(&image)).is_err() {
                    break;
                }
            }
        });
        told
    }

    /// Visits the states of one recording after the other; how many there was no budget for.
    fn each(
        &self,
        visitor: &mut Visitor<'_, '_>,
        outcome: &mut FaultOutcome,
        candidates: &[Turn],
        recordings: &Receiver<Result<Take>>,
        (done, upto, images): (&mut CutAgain, f64, u64),
    ) -> Result<u64> {
        for (nth, (visit, sort, candidate)) in candidates.iter().enumerate() {
            let Ok(recording) = recordings.recv() else { break };
            let ended = self.one(visitor, outcome, candidate, recording?, (upto, images))?;
            done.sorts.insert(sort.clone(), true);
            done.visits.insert(*visit);
            match ended {
                None => {}
                Some(Ended::Exhausted | Ended::Share) if visitor.spent() < upto => {
                    done.recorded += 1;
                }
                Some(_) => return Ok((candidates.len() - nth - 1) as u64),
            }
        }
        Ok(0)
    }

    /// The images of one depth whose recovery writes or reads what is volatile: one of each shape and one for each sort of thing
    /// that was volatile, then a second of each, …; then further ones that are like these in both; at most `each` of one
    /// sort.
    fn candidates(
        &self,
        visitor: &Visitor<'_, '_>,
        depth: usize,
        done: &mut CutAgain,
        each: usize,
    ) -> Vec<Turn> {
        let mut found: Vec<Found<'_>> = Vec::new();
        for (sort @ (tag, ..), group) in &visitor.bench.candidates {
            if usize::from(tag >> 1) != depth {
                continue;
            }
            let sound = group.iter().filter(|(visit, one)| {
                !visitor.bench.failures.contains_key(*visit)
                    && !done.visits.contains(*visit)
                    && (one.ask.judged || is_sound(visitor, one))
            });
            let before = found.len();
            let sound = sound.enumerate().take(each);
            found.extend(sound.map(|(nth, (visit, one))| (nth, *visit, sort, one)));
            if found.len() > before {
                done.sorts.entry(sort.clone()).or_default();
            }
        }
        found.sort_by_key(|(nth, visit, ..)| (*nth, *visit));
        let mut shapes: BTreeMap<(usize, u8, &Rc<Shape>), usize> = BTreeMap::new();
        let mut stages: BTreeMap<(usize, u8, u64), usize> = BTreeMap::new();
        let mut ranked: Vec<(Rank, &Like, &Candidate<Spot>)> = Vec::new();
        for (nth, visit, sort, one) in found {
            let (tag, stage, shape) = sort;
            let alike = shapes.entry((nth, *tag, shape)).or_default();
            // After a power cut nothing is volatile: the shape alone counts.
            let rank = match stage {
                0 => *alike,
                _ => (*alike).min(*stages.entry((nth, *tag, *stage)).or_default()),
            };
            *alike += 1;
            *stages.entry((nth, *tag, *stage)).or_default() += 1;
            ranked.push(((nth, rank, visit), sort, one));
        }
        ranked.sort_by_key(|(rank, ..)| *rank);
        let turn = |((.., visit), sort, one): (Rank, &Like, &Candidate<Spot>)| {
            (visit, sort.clone(), one.clone())
        };
        ranked.into_iter().map(turn).collect()
    }

    /// Visits the crash states of one recorded recovery; nothing if it changed no file.
    fn one(
        &self,
        visitor: &mut Visitor<'_, '_>,
        outcome: &mut FaultOutcome,
        candidate: &Candidate<Spot>,
        Take { mut recorded, mut recovery, is_used }: Take,
        (upto, images): (f64, u64),
    ) -> Result<Option<Ended>> {
        let spot = &candidate.ask.what;
        let known = visitor.bench.memory.recovery(candidate.recovery);
        if is_used && !known.is_like(&recovery) {
            (recorded, recovery) = self.studio.recovery(&candidate.image)?;
        }
        for (name, count) in &recorded.trace.unmodelled {
            *outcome.unmodelled.entry(name.clone()).or_default() += count;
        }
        let unseen = unseen::of(&recorded.trace);
        if !unseen.is_empty() {
            let new = |text: &String| !outcome.blind.contains(text);
            let new: Vec<String> = unseen.into_iter().filter(new).collect();
            outcome.blind.extend(new);
            outcome.totals.skip("recoveries of which a part was not seen, not cut again", 1);
            return Ok(None);
        }
        if !known.is_like(&recovery) {
            outcome.totals.skip("recoveries that went otherwise when recorded", 1);
            return Ok(None);
        }
        let mut ground = Ground::below(
            spot,
            recorded.trace,
            &recovery,
            candidate.ask.under(),
            self.studio.capabilities,
            self.device,
        );
        let first = ground.offset;
        let changes = (first..ground.model.last_point().0)
            .any(|event| ground.model.changes_files(EventNo(event)));
        if !changes {
            return Ok(None);
        }
        ground.number = visitor.bench.seat(Rc::clone(&ground.court));
        let ground = Rc::new(ground);
        let share = Share { upto, images, barren: BARREN };
        let mut states = Explorer::new(&ground.trace, &ground.model, self.profiles, &self.rng)
            .starting_at(EventNo(first + 1));
        if visitor.fault == FaultName::Kill {
            states = states.only_kills();
        }
        let states = states.by_groups(diagnose::sorts(&ground.trace, &ground.model));
        outcome.totals.crash_points += u64::from(ground.model.last_point().0 - first);
        visitor.visit(&ground, states, share).map(Some)
    }
}

/// True if a recovery that another fault judges is right: what rests on a wrong one shows nothing new.
fn is_sound(visitor: &Visitor<'_, '_>, candidate: &Candidate<Spot>) -> bool {
    let ask = &candidate.ask;
    let recovery = visitor.bench.memory.recovery(candidate.recovery);
    visitor.bench.court(ask.court).at(ask.moment, ask.loss, &recovery).held()
}
