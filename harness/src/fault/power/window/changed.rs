//! A recording as the program would have made it with a remedy, and whether crashes around the change still fail.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::super::ground::Spot;
use super::super::group::{Group, Terms};
use super::super::trial::{self, Trial};
use crate::base::Result;
use crate::diagnose::Sites;
use crate::fault::Budget;
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Violation};
use crate::persistence::{CrashState, EffectNo, Model, Overlay, Profile, View};
use crate::trace::{Call, Event, EventKind, EventNo, FileId, FileOp, Place, SyncScope, Trace};

/// So many crash points after the change are tried.
const AFTER: u32 = 40;
/// At each of them so many calls are lost one by one.
const PENDING: usize = 6;

/// A changed recording.
#[derive(Debug)]
pub(super) struct Changed {
    /// What the program does now.
    pub trace: Trace,
    /// What is judged otherwise than that.
    pub overlay: Overlay,
    /// The events that the program did not make before, in order.
    pub inserted: Vec<EventNo>,
}

/// A changed recording as it is put together, event by event.
pub(super) struct Rewritten {
    thread: u32,
    events: Vec<Event>,
    inserted: Vec<EventNo>,
}

impl Rewritten {
    /// True if an overlay stays what it is where the recording gets more events: none of its numbers means one.
    pub fn keeps(overlay: &Overlay) -> bool {
        let names = overlay.durable_names_before;
        *overlay == Overlay { durable_names_before: names, ..Overlay::NONE }
    }

    /// All that came before an event; nothing where there is no such event.
    pub fn from(trace: &Trace, first: EventNo) -> Option<Rewritten> {
        let thread = trace.events.get(first.0 as usize)?.thread;
        let events = trace.events[..first.0 as usize].to_vec();
        Some(Rewritten { thread, events, inserted: Vec::new() })
    }

    /// The next event of the recording, as it is now.
    pub fn keep(&mut self, event: Event) {
        self.events.push(event);
    }

    /// A call that the program did not make before.
    pub fn make(&mut self, op: FileOp) {
        self.inserted.push(EventNo(self.events.len() as u32));
        let call = Call { no: 0, name: "switch".into(), result: 0, injected: false, op };
        let (thread, kind) = (self.thread, EventKind::Call(call));
        self.events.push(Event { thread, kind, stack: [].into() });
    }

    /// A file that is whole takes a name from the one that has it, for good.
    pub fn rename_over(&mut self, file: FileId, from: &Place, to: &Place, replaced: FileId) {
        let (from, to, replaced) = (from.clone(), to.clone(), Some(replaced));
        let dir = to.dir;
        self.make(FileOp::Rename { from, to, file, replaced });
        self.sync(dir);
    }

    /// A sync of a file or a directory.
    pub fn sync(&mut self, file: FileId) {
        self.make(FileOp::Sync { file, scope: SyncScope::Full });
    }

    /// The whole of it.
    pub fn done(self, trace: &Trace, overlay: &Overlay) -> Changed {
        let Rewritten { events, inserted, .. } = self;
        let trace = Trace { events, ..trace.clone() };
        Changed { trace, overlay: overlay.clone(), inserted }
    }
}

/// A name beside another that nothing has.
pub(super) fn spare(image: &Image, place: &Place) -> Option<Place> {
    let mut name = place.name.to_vec();
    name.extend_from_slice(b".tmp");
    let beside = Place { dir: place.dir, name: name.into() };
    image.lookup(beside.dir, &beside.name).is_none().then_some(beside)
}

impl Changed {
    /// The crash point of the old recording at which as much had been promised.
    fn before(&self, point: EventNo) -> EventNo {
        let inserted = self.inserted.iter().filter(|event| **event < point).count();
        EventNo(point.0 - inserted as u32)
    }

    /// How many crashes in this range of events, and shortly after it, hold now; nothing where one still fails as
    /// the group does, or the time was over. What later requests do in the same way is not changed: their first call
    /// of the sort of `guilty`, which came first in the range, ends it.
    pub fn holds(
        &self,
        group: &Group,
        (guilty, around): (EventNo, RangeInclusive<u32>),
        trial: &mut dyn Trial,
        terms: Terms,
        budget: &Budget,
    ) -> Result<Option<usize>> {
        let model = Model::with(&self.trace, &self.overlay, terms.device);
        let mut builder = Builder::new(&model);
        let besides = trial::is_besides(group.kind);
        let again = self.again(group, guilty, *around.end());
        let end = model.last_point().0.min(around.end() + AFTER).min(again);
        let mut tried = 0;
        for at in (*around.start()..=end).map(EventNo) {
            let made = |at: u32| model.changes_files(EventNo(at)) || self.answers(at);
            if at.0 > *around.end() && !made(at.0 - 1) {
                continue;
            }
            for state in crashes(&model, at, terms.fail_on) {
                if budget.must_confirm() {
                    return Ok(None);
                }
                let image = builder.image(&state);
                let state = CrashState { point: self.before(at), ..state };
                let spot = Spot { ground: Rc::clone(&group.spot.ground), state };
                let found = trial.violations(&image, &spot, besides)?;
                let same =
                    |found: &Violation| found.kind == group.kind && (group.note || !found.note);
                if found.iter().any(same) {
                    return Ok(None);
                }
                // One loss is not to be had for another.
                let others: Vec<Kind> =
                    found.iter().filter(|one| !one.note).map(|one| one.kind).collect();
                if !others.is_empty() && !was_so(group, &spot, &others, trial, terms)? {
                    return Ok(None);
                }
                tried += 1;
            }
        }
        Ok(Some(tried))
    }

    /// When a call of this sort, by its number in the old recording, comes again after an event of the new one.
    fn again(&self, group: &Group, guilty: EventNo, after: u32) -> u32 {
        let ground = &group.spot.ground;
        let sites = Sites::knowing(&ground.trace, &ground.model, &ground.patterns);
        let old = self.before(EventNo(after + 1)).0;
        let name = sites.named(guilty);
        let end = ground.trace.events.len() as u32;
        let same = |at: &u32| {
            ground.model.changes_files(EventNo(*at)) && sites.named(EventNo(*at)) == name
        };
        let answer = |at: &u32| ground.trace.events.get(*at as usize).is_some_and(Event::is_answer);
        let answered = (old..end).find(answer).unwrap_or(end);
        let next = (answered..end).find(same).unwrap_or(end);
        next + (after + 1 - old)
    }

    fn answers(&self, at: u32) -> bool {
        self.trace.events.get(at as usize).is_some_and(Event::is_answer)
    }
}

/// True if a crash at the same moment of the recording as it is shows all of these.
fn was_so(
    group: &Group,
    spot: &Spot,
    kinds: &[Kind],
    trial: &mut dyn Trial,
    terms: Terms,
) -> Result<bool> {
    let model = &group.spot.ground.model;
    let point = spot.state.point;
    let state = match spot.state.is_kill() {
        true => CrashState::kill(point),
        false => CrashState::power(point, View::at(model, point).losing_all(terms.fail_on)),
    };
    let image = Builder::new(model).image(&state);
    let spot = Spot { ground: Rc::clone(&group.spot.ground), state };
    let found = trial.violations(&image, &spot, trial::is_besides(group.kind))?;
    Ok(kinds.iter().all(|kind| found.iter().any(|one| one.kind == *kind && !one.note)))
}

/// A kill at a point, and power cuts that take all that is pending, or one call of it.
fn crashes(model: &Model, at: EventNo, profile: Profile) -> Vec<CrashState> {
    let view = View::at(model, at);
    let mut states = vec![CrashState::kill(at), CrashState::power(at, view.losing_all(profile))];
    let pending: BTreeSet<EventNo> = (0..model.effects_before(at))
        .rev()
        .filter(|effect| view.is_pending(*effect, profile))
        .filter_map(|effect| Some(model.effect(EffectNo(effect))?.event))
        .take(PENDING)
        .collect();
    for event in pending {
        states.push(CrashState::power(at, view.losing(profile, model.effects_of(event))));
    }
    states.retain(|state| state.is_kill() || view.check(state, profile).is_ok());
    states.dedup();
    states
}
