//! The bench: images come in with what is to be judged on them, are recovered once each, and are
//! judged once a promise. Results come back in any order; nothing that is decided here depends on it:
//! what failed is kept by the number of the visit, and every limit counts visits and not results.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

mod judged;
mod opinions;

use super::ask::{Ask, Candidate, Disagreement, Failure, Like};
use super::court::Court;
use super::memory::{ImageNo, Known, Memory};
use super::reopen::Reopened;
use super::shape::{self, Shape};
use crate::base::Result;
use crate::fault::{Budget, second};
use crate::image::Image;
use crate::oracle::{Kind, Verdict, judge_used};
use crate::recover::{Done, Extra, Pool, Recovery};

/// One image in so many is also closed and opened again.
const STABLE_EVERY: u32 = 32;
/// One image in so many is also written to.
const WRITABLE_EVERY: u32 = 64;
/// One image in so many is also asked ordinary requests.
const USED_EVERY: u32 = 64;
/// Jobs with numbers from here on confirm a failure. The pool rechecks every job whose number ends
/// in 99.
const CONFIRMING: u64 = 1 << 40;
/// Jobs with numbers from here on open again what a recovery left.
const REOPENING: u64 = 1 << 41;

/// Whether there is still budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Go on.
    Yes,
    /// The budget is spent; the image was not judged.
    Spent,
}

struct Waiting<T> {
    image: Image,
    asks: Vec<(u64, Ask<T>)>,
    /// Those of them that may be candidates for what they read: each promise once, so that it makes no
    /// difference whether the recovery was done before they came.
    reading: Vec<u64>,
    /// What a second opinion is asked about.
    kind: Option<Kind>,
}

/// The bench.
pub struct Bench<'a, T> {
    courts: Vec<Rc<dyn Court>>,
    budget: &'a Budget,
    pool: Pool,
    /// What is known.
    pub memory: Memory,
    waiting: HashMap<ImageNo, Waiting<T>>,
    visits: u64,
    /// Judged pairs.
    pub states: u64,
    /// Distinct images really recovered.
    pub recoveries: u64,
    /// States whose image and promise had been judged.
    pub repeated: u64,
    /// Cases in which the oracle gave up.
    pub undecided: u64,
    /// Every property judged so far.
    pub judged: BTreeSet<Kind>,
    /// How many recoveries there had been when something failed first, and how long that took.
    pub first_failure: Option<(u64, Duration)>,
    /// What failed, by the number of the visit.
    pub failures: BTreeMap<u64, Failure<T>>,
    failing: HashMap<(ImageNo, u64), u64>,
    reopened: Reopened<Ask<T>>,
    /// Failing states over the limit of those that are kept.
    pub beyond: u64,
    confirming: BTreeMap<Kind, u64>,
    /// The kinds of failure that a fresh process confirmed.
    pub confirmed: BTreeSet<Kind>,
    /// By what was volatile and the shape of what recovery wrote, by the number of the visit.
    pub candidates: BTreeMap<Like, BTreeMap<u64, Candidate<T>>>,
    /// The shape of what recovery wrote, where it wrote.
    shapes: HashMap<ImageNo, Rc<Shape>>,
    known_shapes: BTreeSet<Rc<Shape>>,
    /// Distinct images whose recovery left something else than it found.
    pub changed: u64,
    /// By the number of the visit.
    pub disagreements: BTreeMap<u64, Disagreement<T>>,
}

impl<'a, T: Clone> Bench<'a, T> {
    /// A bench that recovers in `pool`.
    pub fn new(budget: &'a Budget, pool: Pool) -> Self {
        Self {
            courts: Vec::new(),
            budget,
            pool,
            memory: Memory::default(),
            waiting: HashMap::new(),
            visits: 0,
            states: 0,
            recoveries: 0,
            repeated: 0,
            undecided: 0,
            judged: BTreeSet::new(),
            first_failure: None,
            failures: BTreeMap::new(),
            failing: HashMap::new(),
            reopened: Reopened::default(),
            beyond: 0,
            confirming: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            candidates: BTreeMap::new(),
            shapes: HashMap::new(),
            known_shapes: BTreeSet::new(),
            changed: 0,
            disagreements: BTreeMap::new(),
        }
    }

    /// Gives a court its number.
    pub fn seat(&mut self, court: Rc<dyn Court>) -> u32 {
        self.courts.push(court);
        self.courts.len() as u32 - 1
    }

    /// The court of this number.
    pub fn court(&self, number: u32) -> &Rc<dyn Court> {
        &self.courts[number as usize]
    }

    /// The promise that is asked about, over all courts.
    fn promise(&self, ask: &Ask<T>) -> u64 {
        let key = self.court(ask.court).key(ask.moment, ask.loss);
        key << 20 | u64::from(ask.court)
    }

    /// Takes a state in: recovers its image where that was never done, and judges it.
    pub fn visit(&mut self, image: &Image, ask: Ask<T>) -> Result<More> {
        let known = self.memory.image(image.hash());
        let (Known::New(no) | Known::Waiting(no) | Known::Recovered(no, _)) = known;
        if matches!(known, Known::New(_)) && !self.budget.take() {
            self.memory.forget_last(image.hash());
            return Ok(More::Spent);
        }
        let visit = self.visits;
        self.visits += 1;
        let promise = self.promise(&ask);
        let first = self.memory.first_time(no, promise);
        self.states += u64::from(first && ask.judged);
        self.repeated += u64::from(!first && ask.judged);
        let reads = first && ask.reads_volatile();
        match known {
            Known::New(_) => {
                let reading = if reads { vec![visit] } else { Vec::new() };
                let asks = vec![(visit, ask)];
                self.waiting
                    .insert(no, Waiting { image: image.clone(), asks, reading, kind: None });
                self.pool.submit(u64::from(no.0), image.clone(), extra(no))?;
                self.recoveries += 1;
            }
            Known::Waiting(_) => {
                if let Some(waiting) = self.waiting.get_mut(&no) {
                    waiting.reading.extend(reads.then_some(visit));
                    waiting.asks.push((visit, ask));
                }
            }
            Known::Recovered(_, recovery) if first => {
                let shown = self.memory.shown(recovery);
                if reads && matches!(*shown, Recovery::Opened(_)) {
                    self.note(visit, &ask, image, no, recovery);
                }
                self.judge(no, recovery, visit, ask, &shown);
            }
            Known::Recovered(..) => self.widen(no, ask),
        }
        while let Some(done) = self.pool.try_next()? {
            self.take(done)?;
        }
        Ok(More::Yes)
    }

    /// Waits for everything that was submitted.
    pub fn settle(&mut self) -> Result<()> {
        while let Some(done) = self.pool.next()? {
            self.take(done)?;
        }
        Ok(())
    }

    fn take(&mut self, done: Done) -> Result<()> {
        if done.id >= REOPENING {
            return self.opened_again(&done);
        }
        let no = ImageNo((done.id % CONFIRMING) as u32);
        if done.id >= CONFIRMING {
            return self.second_opinion(done);
        }
        let Some(Waiting { image, asks, reading, .. }) = self.waiting.remove(&no) else {
            return Ok(());
        };
        let recovery = self.memory.learn(no, &done.recovery);
        let Some(first) = asks.first().cloned() else { return Ok(()) };
        if let Some(again) = &done.again
            && !done.recovery.is_like(again)
        {
            self.disagree(&first, &image, &done.recovery, again);
        }
        let wrote = done.left.as_ref().filter(|left| left.hash() != image.hash());
        if let Some(left) = wrote {
            self.changed += 1;
            let shape = shape::of(&image, left);
            let shape = match self.known_shapes.get(&shape) {
                Some(known) => Rc::clone(known),
                None => Rc::new(shape),
            };
            self.known_shapes.insert(Rc::clone(&shape));
            self.shapes.insert(no, shape);
            self.note(first.0, &first.1, &image, no, recovery);
            self.open_again(&first, left, recovery, &done.recovery)?;
        }
        if matches!(done.recovery, Recovery::Opened(_)) {
            for (visit, ask) in asks.iter().filter(|(visit, _)| reading.contains(visit)) {
                self.note(*visit, ask, &image, no, recovery);
            }
        }
        let mut failed = BTreeSet::new();
        for (visit, ask) in asks {
            failed.extend(self.judge(no, recovery, visit, ask, &done.recovery));
        }
        if done.again.as_ref().is_some_and(|again| done.recovery.is_like(again)) {
            self.confirmed.extend(&failed);
        }
        for verdict in second_openings(&done) {
            self.judged.extend(verdict.judged);
            if !verdict.violations.is_empty() {
                self.fail(first.0, recovery, &first.1, verdict.violations);
            }
        }
        self.confirm(no, image, done.recovery, first.1, &failed)
    }
}

/// What is looked at besides recovering.
fn extra(no: ImageNo) -> Extra {
    let (stable, writable) = (no.0 % STABLE_EVERY == 1, no.0 % WRITABLE_EVERY == 2);
    let used = no.0 % USED_EVERY == 3;
    Extra { stable, writable, used, left: true, may_refuse: false }
}

/// What a second opening, a put and ordinary use showed, where they were tried.
fn second_openings(done: &Done) -> Vec<Verdict> {
    let stable = done.stable.iter().filter_map(second::reopened);
    let written = done.writable.iter().filter_map(second::written);
    let used = done.used.iter().map(judge_used);
    stable.chain(written).chain(used).collect()
}
