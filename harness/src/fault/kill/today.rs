//! A saved kill of a live process asked of today's program. The cycles before it are lived through again;
//! the last one is recorded, so that every moment of it at which a kill can strike is visited, the saved
//! one first, and kills inside the recoveries from them.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::{HarnessError, Result, limits};
use crate::diagnose::{Lost, plain};
use crate::driver::drive::{Driven, End, Plan, Processes, Watch, drive};
use crate::driver::{Counter, KillPromise, Timeline};
use crate::fault::power::court::Court;
use crate::fault::power::ground::{Ground, Spot};
use crate::fault::power::prove::Prover;
use crate::fault::power::today::search::{Any, Found, Search};
use crate::fault::power::today::{seen, told};
use crate::fault::power::{device, reproduces, studio};
use crate::fault::today::around::Around;
use crate::fault::today::{Effort, RECORDINGS, Today};
use crate::fault::{Context, asked, stored};
use crate::image::{Builder, EntryKind, Image, path_bytes};
use crate::oracle::{CycleJudge, Cycles, Kind, Loss, Verdict};
use crate::persistence::{Crash, CrashState, Overlay, ProfileSet};
use crate::recover::Recovery;
use crate::scenario::{Case, KillStrike, Strike};
use crate::trace::{EventKind, EventNo, FileId, Trace};
use crate::workload::{Answer as Said, History, Moment, Mutation, OpNo, Request};

use super::tally::end;

/// The part of the effort for kills of the recorded cycle, where the saved one did not strike inside a
/// recovery.
const OUTSIDE: f64 = 0.7;
/// The same where it did.
const INSIDE: f64 = 0.4;

/// Asks today's program about the case.
pub fn today(ctx: &Context<'_>, case: &Case, kind: Option<Kind>) -> Result<Today> {
    let Strike::Kill(strike) = &case.strike else {
        return Err(HarnessError::input("the case is no kill"));
    };
    let mut effort = Effort::new(ctx.budget);
    let mut prover = Prover::new(&ctx.setup())?;
    let mut answered: Option<Today> = None;
    for round in 1..=RECORDINGS {
        let upto = effort.upto(f64::from(round) / f64::from(RECORDINGS));
        let mut search = Search {
            judging: &mut prover,
            effort: &mut effort,
            kind,
            profiles: ProfileSet::ALL,
            stable: BTreeSet::new(),
            rng: ctx.rng.fork("today"),
            notes: Vec::new(),
        };
        let found = once(ctx, case, strike, &mut search, upto)?;
        let notes = std::mem::take(&mut search.notes);
        let one = told(found, notes);
        if Today::gather(&mut answered, one) {
            break;
        }
    }
    let mut today = answered.ok_or_else(|| HarnessError::NotMeasured("nothing was run".into()))?;
    today.states = effort.states;
    Ok(today)
}

/// One cycle before the last, as it is lived through again.
struct Past {
    requests: Vec<Request>,
    /// The kill comes after this many answers; nothing for a clean end.
    killed_after: Option<usize>,
}

fn once(
    ctx: &Context<'_>,
    case: &Case,
    strike: &KillStrike,
    search: &mut Search<'_, '_>,
    upto: u64,
) -> Result<Found> {
    let history = strike.history.parse()?;
    let past = past(ctx, strike, &history)?;
    let staged = match restage(ctx, &past)? {
        Staged::Ready(staged) => staged,
        Staged::Failed(found) => return Ok(found),
    };
    let requests: Vec<Request> =
        history.operations.iter().map(|operation| operation.request.clone()).collect();
    let image = (!past.is_empty()).then_some(&staged.image);
    let recorded = studio(ctx).record(image, &requests, ctx.options.threads)?;
    match &recorded.driven.end {
        End::Finished => {}
        _ if image.is_some() => return staged.failing(search),
        end => {
            let text = format!("the case's requests were asked again, and it ended with {end:?}");
            return Err(HarnessError::setup(text));
        }
    }
    seen(&recorded.trace)?;
    let shown = recorded.driven.dumps.first().map(|(_, dump)| dump.contents.clone());
    let mut cycles = staged.cycles;
    let mut initial = Default::default();
    if let (Some(before), Some(shown)) = (&staged.pending, shown) {
        cycles.then(before, end(before), Loss::Kill, &shown);
        initial = shown;
    }
    let judged = recorded.trace.history_from(initial);
    let court: Rc<dyn Court> = Rc::new(Cycle(cycles.into_judge(&judged)));
    let trace = recorded.trace.clone();
    let ground = Rc::new(Ground::first(trace, Overlay::default(), device(ctx), Rc::clone(&court)));
    reproduces(&ground, &recorded)?;

    let point = moment(&recorded.trace, &history);
    let around = Around {
        trace: &ground.trace,
        model: &ground.model,
        sites: &Lost::new(),
        crash: &Crash::Kill { pages: 0 },
        point,
        from: EventNo(0),
        profiles: search.profiles,
    };
    let states = around.states();
    let mut builder = Builder::new(&ground.model);
    let saved = names(&stored::get(&case.files, &strike.image));
    let there: BTreeSet<String> =
        states.iter().flat_map(|state| names(&builder.image(state))).collect();
    let missing: Vec<&String> = saved.difference(&there).collect();
    let matched = missing.is_empty();
    let inside = strike.moment.contains("inside recovery");
    let part = if inside { INSIDE } else { OUTSIDE };
    let used = search.judging.recoveries();
    let share = used + (upto.saturating_sub(used) as f64 * part) as u64;
    let besides = matches!(search.kind, Some(Kind::Unstable | Kind::NotWritable));
    let mut tried = 0;
    let mut bases: Vec<(CrashState, Image)> = Vec::new();
    for state in states {
        let done = search.judging.recoveries();
        if done >= share || !search.effort.take(done)? {
            break;
        }
        tried += 1;
        let image = builder.image(&state);
        let spot = Spot { ground: Rc::clone(&ground), state: state.clone() };
        if let Some(wrong) = search.fails(&spot, &image, Any::Kind, besides)? {
            let why = format!("a kill before event {} of the requests asked again", state.point.0);
            return Ok(Found { wrong: Some(wrong), matched, why });
        }
        bases.push((state, image));
    }
    let (recoveries, wrong) = in_recoveries(ctx, search, &court, &bases, upto)?;
    let left = search.effort.left_out();
    let why = format!(
        "the requests were asked again; {tried} kills of them and kills inside {recoveries} \
         recoveries hold{left}"
    );
    let why = match (&wrong, missing.first()) {
        (Some(_), _) => "a kill inside a recovery from a kill of the requests asked again".into(),
        (None, Some(name)) => format!("the case has a file {name} and the program none; {why}"),
        (None, None) => why,
    };
    Ok(Found { wrong, matched, why })
}

/// Kills inside the recoveries from these images, as far as their `open`.
fn in_recoveries(
    ctx: &Context<'_>,
    search: &mut Search<'_, '_>,
    court: &Rc<dyn Court>,
    bases: &[(CrashState, Image)],
    upto: u64,
) -> Result<(usize, Option<(crate::oracle::Violation, String)>)> {
    let mut recorded = 0;
    let mut known = BTreeSet::new();
    for (state, image) in bases {
        let done = search.judging.recoveries();
        if recorded >= limits::REPLAY_RECOVERIES || done >= upto {
            break;
        }
        if !known.insert(image.hash()) {
            continue;
        }
        let recovery = studio(ctx).record(Some(image), &[Request::Open], 1)?;
        if !matches!(recovery.driven.end, End::Finished) {
            continue;
        }
        recorded += 1;
        let moment = Moment(u64::from(state.point.0));
        let fixed: Rc<dyn Court> = Rc::new(Fixed { court: Rc::clone(court), moment });
        let last = recovery
            .trace
            .events
            .iter()
            .position(|event| matches!(&event.kind, EventKind::Reply { .. }));
        let last = EventNo(last.map_or(0, |at| at as u32 + 1));
        let ground = Rc::new(Ground::first(recovery.trace, Overlay::default(), device(ctx), fixed));
        let around = Around {
            trace: &ground.trace,
            model: &ground.model,
            sites: &Lost::new(),
            crash: &Crash::Kill { pages: 0 },
            point: last,
            from: EventNo(1),
            profiles: search.profiles,
        };
        let mut builder = Builder::new(&ground.model);
        for state in around.states().into_iter().filter(|state| state.point <= last) {
            let done = search.judging.recoveries();
            if done >= upto || !search.effort.take(done)? {
                break;
            }
            let image = builder.image(&state);
            let spot = Spot { ground: Rc::clone(&ground), state };
            if let Some(wrong) = search.fails(&spot, &image, Any::Kind, false)? {
                return Ok((recorded, Some(wrong)));
            }
        }
    }
    Ok((recorded, None))
}

/// The cycles before the last. Where they were not saved, the contents that the last one began with are
/// put into a new store.
fn past(ctx: &Context<'_>, strike: &KillStrike, last: &History) -> Result<Vec<Past>> {
    if strike.earlier.is_empty() {
        if last.initial.is_empty() {
            return Ok(Vec::new());
        }
        let put = |(key, value): (&_, &_)| {
            Request::Write(Mutation::Put(Clone::clone(key), Clone::clone(value)))
        };
        let mut requests = vec![Request::Open];
        requests.extend(last.initial.iter().map(put));
        let ends = match ctx.control.capabilities.kill {
            KillPromise::Ack => None,
            KillPromise::Sync => Some(Request::Sync),
            KillPromise::Close => Some(Request::Close),
        };
        requests.extend(ends);
        let killed_after = (!requests.ends_with(&[Request::Close])).then_some(requests.len());
        return Ok(vec![Past { requests, killed_after }]);
    }
    let one = |text: &crate::scenario::CycleText| {
        let history = text.history.parse()?;
        let answered = history.operations.iter().filter(|one| one.answered.is_some()).count();
        let requests = history.operations.into_iter().map(|one| one.request).collect();
        Ok(Past { requests, killed_after: Some(answered) })
    };
    strike.earlier.iter().map(one).collect()
}

/// What the earlier cycles came to.
enum Staged {
    /// They were lived through.
    Ready(Ready),
    /// A kill on the way left what does not open.
    Failed(Found),
}

struct Ready {
    image: Image,
    cycles: Cycles,
    /// The cycle that the last kill ended.
    pending: Option<History>,
}

impl Ready {
    /// What is wrong with the store that the last kill left, which the program did not go on with.
    fn failing(&self, search: &mut Search<'_, '_>) -> Result<Found> {
        let none = History::default();
        let pending = self.pending.as_ref().unwrap_or(&none);
        let court: Rc<dyn Court> = Rc::new(Cycle(self.cycles.clone().into_judge(pending)));
        let fixed: Rc<dyn Court> = Rc::new(Fixed { court, moment: end(pending) });
        let trace = Trace::default();
        let device = crate::persistence::Device::default();
        let ground = Rc::new(Ground::first(trace, Overlay::default(), device, fixed));
        let spot = Spot { ground, state: CrashState::kill(EventNo(0)) };
        match search.fails(&spot, &self.image, Any::Kind, false)? {
            Some(wrong) => Ok(Found {
                wrong: Some(wrong),
                matched: true,
                why: "a kill of an earlier cycle, lived through again".into(),
            }),
            None => Err(HarnessError::setup(
                "the case's requests were asked again, and the program did not go on to their end",
            )),
        }
    }
}

/// Lives through the earlier cycles in a directory of its own.
fn restage(ctx: &Context<'_>, past: &[Past]) -> Result<Staged> {
    let folder = tempfile::Builder::new()
        .prefix("again-")
        .tempdir_in(ctx.image_root)
        .map_err(|error| HarnessError::at("making a folder in", ctx.image_root, error))?;
    let dir = folder.path().join("store");
    std::fs::create_dir(&dir).map_err(|error| HarnessError::at("making", &dir, error))?;
    let capabilities = &ctx.control.capabilities;
    let mut ready =
        Ready { image: Image::empty(), cycles: Cycles::new(capabilities), pending: None };
    for cycle in past {
        let mut watch =
            After { counter: Counter::default(), answered: 0, most: cycle.killed_after };
        let mut host = Processes::new(ctx.target, asked::timeouts(ctx.options), folder.path());
        let plan = Plan {
            dir: &dir,
            requests: &cycle.requests,
            threads: ctx.options.threads,
            capabilities: Some(capabilities),
        };
        let Driven { end: ended, dumps, .. } = drive(&mut host, &mut watch, &plan)?;
        if !matches!(ended, End::Finished | End::Stopped) {
            if ready.pending.is_some() {
                let mut effort = Effort::new(ctx.budget);
                let mut prover = Prover::new(&ctx.setup())?;
                let mut search = Search {
                    judging: &mut prover,
                    effort: &mut effort,
                    kind: None,
                    profiles: ProfileSet::ALL,
                    stable: BTreeSet::new(),
                    rng: ctx.rng.clone(),
                    notes: Vec::new(),
                };
                return Ok(Staged::Failed(ready.failing(&mut search)?));
            }
            let text = format!("the case's requests were asked again, and it ended with {ended:?}");
            return Err(HarnessError::setup(text));
        }
        let mut history = watch.counter.into_history();
        if let (Some(before), Some((_, dump))) = (ready.pending.take(), dumps.first()) {
            ready.cycles.then(&before, end(&before), Loss::Kill, &dump.contents);
            history.initial = dump.contents.clone();
        }
        ready.pending = Some(history);
        ready.image = Image::load(&dir)?;
    }
    Ok(Staged::Ready(ready))
}

/// Where the saved kill struck: after as many answers, and after the request that was outstanding.
fn moment(trace: &Trace, saved: &History) -> EventNo {
    let answered = saved.operations.iter().filter(|one| one.answered.is_some()).count();
    let outstanding = saved.operations.len() > answered;
    let (mut replies, mut requests) = (0, 0);
    for (at, event) in (0u32..).zip(&trace.events) {
        match &event.kind {
            EventKind::Reply { .. } => replies += 1,
            EventKind::Request { .. } => requests += 1,
            _ => continue,
        }
        let sent = !outstanding || requests >= saved.operations.len();
        if replies >= answered && sent {
            return EventNo(at + 1);
        }
    }
    EventNo(trace.events.len() as u32)
}

/// The names in a directory, the numbers in them left out.
fn names(image: &Image) -> BTreeSet<String> {
    let files = image
        .entries()
        .into_iter()
        .filter(|entry| entry.file != FileId::ROOT && matches!(entry.kind, EntryKind::File(_)));
    files.map(|entry| plain(&String::from_utf8_lossy(path_bytes(&entry.path)))).collect()
}

/// Stops after so many answers.
struct After {
    counter: Counter,
    answered: usize,
    most: Option<usize>,
}

impl Timeline for After {
    fn asking(&mut self, op: OpNo, request: &Request) {
        self.counter.asking(op, request);
    }

    fn answered(&mut self, op: OpNo, answer: &Said) {
        self.counter.answered(op, answer);
        self.answered += 1;
    }
}

impl Watch for After {
    fn stop(&mut self) -> bool {
        self.most.is_some_and(|most| self.answered >= most)
    }

    fn timeline(&mut self) -> &mut dyn Timeline {
        self
    }
}

/// Judges a cycle after others.
#[derive(Debug)]
struct Cycle(CycleJudge<'static>);

impl Court for Cycle {
    fn key(&self, moment: Moment, _loss: Loss) -> u64 {
        moment.0
    }

    fn at(&self, moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        self.0.at(moment, loss, recovery)
    }
}

/// Judges a kill inside a recovery that had shown nothing: what counts is the kill before it.
#[derive(Debug)]
struct Fixed {
    court: Rc<dyn Court>,
    moment: Moment,
}

impl Court for Fixed {
    fn key(&self, _moment: Moment, _loss: Loss) -> u64 {
        0
    }

    fn at(&self, _moment: Moment, loss: Loss, recovery: &Recovery) -> Verdict {
        self.court.at(self.moment, loss, recovery)
    }
}
