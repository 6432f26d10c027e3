//! A saved state looked for on one ground: the very state first, then the states around it, then what an
//! exploration finds that lost something of the same sites. Where the program's calls differ too much the
//! exploration takes every state, those of the same requests first.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::ground::{Ground, Spot};
use crate::base::{Result, Rng, limits};
use crate::diagnose::Lost;
use crate::explore::Explorer;
use crate::fault::today::around::{Around, without};
use crate::fault::today::transfer::{effects_of, sites_of};
use crate::fault::today::{ALIKE_PERCENT, Effort, Side, Transfer, align, transfer};
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Verdict, Violation};
use crate::persistence::{CrashState, ProfileSet};
use crate::trace::{EventKind, EventNo, Trace};

/// The part of an effort that the states around the saved one may take, before the exploration.
const AROUND: f64 = 0.7;
/// How many states of an exploration are looked through.
const LOOKED: usize = 60_000;
/// How many requests before and after that of the saved state are explored first.
const REQUESTS: usize = 3;

/// Who recovers and judges: a driver, or the check of a whole program.
pub trait Judging {
    /// The verdict on a state, with the program's words; with second openings and a put where `besides`.
    fn verdict(&mut self, spot: &Spot, image: &Image, besides: bool) -> Result<(Verdict, String)>;
    /// The verdict of a fresh process in a fresh directory.
    fn afresh(&mut self, spot: &Spot, image: &Image, besides: bool) -> Result<Verdict>;
    /// How many recoveries were run.
    fn recoveries(&self) -> u64;
}

/// A state that was saved, with the recording that it belongs to.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Where it stands.
    pub spot: Spot,
    /// Under which of the profiles that count it is legal.
    pub profiles: ProfileSet,
}

/// What was found on one ground.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is wrong, with the program's words.
    pub wrong: Option<(Violation, String)>,
    /// True if the calls match those of the saved recording.
    pub matched: bool,
    /// What was done, in words.
    pub why: String,
}

/// A search, over several recordings.
pub struct Search<'s, 'e> {
    /// Who judges.
    pub judging: &'s mut dyn Judging,
    /// How much may be done.
    pub effort: &'s mut Effort<'e>,
    /// What is sought; nothing where any violation is.
    pub kind: Option<Kind>,
    /// Under which profiles states count.
    pub profiles: ProfileSet,
    /// The names that the program's files have in each recording.
    pub stable: BTreeSet<String>,
    /// Chooses states.
    pub rng: Rng,
    /// Failures of other causes, and those that were not seen again.
    pub notes: Vec<String>,
}

impl Search<'_, '_> {
    /// Looks for the saved state on `ground`, up to so many recoveries.
    pub fn on(&mut self, saved: &Saved, ground: &Rc<Ground>, upto: u64) -> Result<Found> {
        let old = side(&saved.spot.ground);
        let new = side(ground);
        let joints = (saved.spot.ground.offset, ground.offset);
        let alignment = align(old.trace, new.trace, joints, &self.stable);
        let there = transfer(&saved.spot.state, old, new, &alignment, saved.profiles);
        let (calls, found) = alignment.share(saved.spot.state.point);
        let matched = there.is_there() && found * 100 >= calls * ALIKE_PERCENT;
        let told = |wrong, why: String| Found { wrong, matched, why };
        let mut builder = Builder::new(&ground.model);
        let exact = match &there {
            Transfer::State { state, .. } => {
                let spot = Spot { ground: Rc::clone(ground), state: state.clone() };
                let image = builder.image(state);
                self.effort.take(self.judging.recoveries())?;
                if let Some(wrong) = self.fails(&spot, &image, Any::Kind, true)? {
                    let why = format!("the state of the case, before event {}", state.point.0);
                    return Ok(told(Some(wrong), why));
                }
                "the program recovers well from the state of the case".to_owned()
            }
            Transfer::Forbidden { why, .. } => {
                format!("the state of the case cannot come about: {why}")
            }
            Transfer::Gone { what, .. } => format!("a call of the case is not made: {what}"),
        };
        let exact = match matched {
            true => exact,
            false => format!("{exact}; {found} of the {calls} calls before it are the same"),
        };
        let around = Around {
            trace: &ground.trace,
            model: &ground.model,
            sites: there.sites(),
            crash: &saved.spot.state.crash,
            point: there.point(),
            from: first(ground),
            profiles: self.profiles,
        };
        let (near, started) = (around.states(), self.judging.recoveries());
        let share =
            |part: f64| started + (upto.saturating_sub(started) as f64 * part).ceil() as u64;
        let mut tried = 0u64;
        for state in near {
            if self.judging.recoveries() >= share(AROUND)
                || !self.effort.take(self.judging.recoveries())?
            {
                break;
            }
            tried += 1;
            if let Some(wrong) =
                self.of_cause(ground, &mut builder, state, there.sites(), Any::Kind)?
            {
                let why = format!("{exact}, and a state near it fails");
                return Ok(told(Some(wrong), why));
            }
        }
        // Where no crash loses anything of the sites any more, every state says more than none.
        let by_sites = matched && (tried > 0 || !matches!(there, Transfer::Forbidden { .. }));
        let limits = (&mut tried, share(1.0));
        let explored = self.explore(ground, &mut builder, &there, by_sites, limits)?;
        if let Some(wrong) = explored {
            let why = match by_sites {
                true => format!("{exact}, and a state that lost the same sort of thing fails"),
                false => format!("{exact}; the workload's states were explored"),
            };
            return Ok(Found { wrong: Some(wrong), matched: by_sites, why });
        }
        let what = if matched { "around it" } else { "of the workload, the same requests first" };
        let left = self.effort.left_out();
        Ok(told(None, format!("{exact}; {tried} states {what} hold{left}")))
    }

    /// Goes on with states of all sorts: those that lost something of the sites where the calls match,
    /// everything where they do not.
    fn explore(
        &mut self,
        ground: &Rc<Ground>,
        builder: &mut Builder<'_>,
        there: &Transfer,
        matched: bool,
        (tried, upto): (&mut u64, u64),
    ) -> Result<Option<(Violation, String)>> {
        // Every kill was visited already, and where nothing is lost there is nothing else to lose.
        if matched && there.sites().is_empty() {
            return Ok(None);
        }
        let (trace, model) = (&ground.trace, &ground.model);
        let sites = there.sites();
        let known = crate::diagnose::Sites::new(trace, model);
        let near = window(trace, there.point());
        let wanted = |state: &CrashState, inside: bool| match state.loss() {
            _ if inside != near.contains(&state.point.0) => false,
            Some(loss) if matched => {
                sites_of(&known, effects_of(loss)).iter().any(|site| sites.contains(site))
            }
            Some(_) => true,
            None => !matched,
        };
        for inside in [true, false] {
            let states =
                Explorer::new(trace, model, self.profiles, &self.rng).starting_at(first(ground));
            for visit in states.take(LOOKED).filter(|visit| wanted(&visit.state, inside)) {
                let more = self.effort.take(self.judging.recoveries())?;
                if !more || self.judging.recoveries() >= upto {
                    return Ok(None);
                }
                *tried += 1;
                let none = Lost::new();
                let cause = if matched { sites } else { &none };
                if let Some(wrong) =
                    self.of_cause(ground, builder, visit.state, cause, Any::Sought)?
                {
                    return Ok(Some(wrong));
                }
            }
        }
        Ok(None)
    }

    /// What is wrong with a state, where the loss of something of these sites is to blame: without that
    /// loss it is not.
    fn of_cause(
        &mut self,
        ground: &Rc<Ground>,
        builder: &mut Builder<'_>,
        state: CrashState,
        sites: &Lost,
        any: Any,
    ) -> Result<Option<(Violation, String)>> {
        let image = builder.image(&state);
        let spot = Spot { ground: Rc::clone(ground), state };
        let besides = matches!(self.kind, Some(Kind::Unstable | Kind::NotWritable));
        let Some(wrong) = self.fails(&spot, &image, any, besides)? else { return Ok(None) };
        if sites.is_empty() {
            return Ok(Some(wrong));
        }
        let less = without(&spot.state, sites, &ground.trace, &ground.model, self.profiles);
        if let Some(less) = less {
            let image = builder.image(&less);
            let spot = Spot { ground: Rc::clone(ground), state: less };
            let (verdict, _) = self.judging.verdict(&spot, &image, besides)?;
            if verdict.violations.iter().any(|found| found.kind == wrong.0.kind) {
                let (kind, sentence) = (wrong.0.kind, wrong.0.sentence);
                self.note(format!("another cause of {kind} was met: {sentence}"));
                return Ok(None);
            }
        }
        Ok(Some(wrong))
    }

    /// What is wrong with a state, seen again in a fresh process.
    pub fn fails(
        &mut self,
        spot: &Spot,
        image: &Image,
        any: Any,
        besides: bool,
    ) -> Result<Option<(Violation, String)>> {
        let (verdict, words) = self.judging.verdict(spot, image, besides)?;
        let other = verdict.violations.iter().find(|found| !found.note).cloned();
        let Some(wrong) = self.like(verdict, any) else {
            if let Some(other) = other {
                self.note(format!("another violation was met, {}: {}", other.kind, other.sentence));
            }
            return Ok(None);
        };
        // Each hang takes the whole limit, and was confirmed when it was seen first.
        if wrong.kind == Kind::RecoveryHung {
            return Ok(Some((wrong, words)));
        }
        let besides = matches!(wrong.kind, Kind::Unstable | Kind::NotWritable);
        for _ in 0..limits::CONFIRM_TRIES {
            let again = self.judging.afresh(spot, image, besides)?;
            if again.violations.iter().any(|found| found.kind == wrong.kind) {
                return Ok(Some((wrong, words)));
            }
        }
        self.note(format!("{} was seen once and in no fresh try: {}", wrong.kind, wrong.sentence));
        Ok(None)
    }

    fn like(&self, verdict: Verdict, any: Any) -> Option<Violation> {
        let mut found = verdict.violations;
        let at = found.iter().position(|found| Some(found.kind) == self.kind);
        let any = any == Any::Kind || self.kind.is_none();
        let other = || found.iter().position(|found| !found.note && any);
        at.or_else(other).map(|at| found.swap_remove(at))
    }

    fn note(&mut self, text: String) {
        // A failure of another cause shows in many states: one is enough.
        let word = text.split(": ").next().unwrap_or_default().to_owned();
        if !self.notes.iter().any(|known| known.starts_with(&word)) {
            self.notes.push(text);
        }
    }
}

/// Which violations count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Any {
    /// The sought kind, else any that is no note.
    Kind,
    /// The sought kind alone.
    Sought,
}

/// A ground's recording and model.
pub fn side(ground: &Ground) -> Side<'_> {
    Side { trace: &ground.trace, model: &ground.model }
}

/// The first crash point of a ground's own: a crash at its joint was the one before.
fn first(ground: &Ground) -> EventNo {
    EventNo(if ground.depth() > 0 { ground.offset + 1 } else { 0 })
}

/// The points of the requests around one point.
fn window(trace: &Trace, point: EventNo) -> std::ops::RangeInclusive<u32> {
    let asked: Vec<u32> = (0u32..)
        .zip(&trace.events)
        .filter(|(_, event)| matches!(event.kind, EventKind::Request { .. } | EventKind::Line(_)))
        .map(|(at, _)| at)
        .collect();
    let here = asked.partition_point(|at| *at < point.0);
    let first = here.checked_sub(1 + REQUESTS).and_then(|at| asked.get(at)).copied().unwrap_or(0);
    let last = asked.get(here + REQUESTS).copied().unwrap_or(u32::MAX);
    first..=last
}
