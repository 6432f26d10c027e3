//! What a recording shows without any fault. A store that loses something at a clean close has lost it in
//! every crash state after that too, and no crash is to blame. So before a failing state is believed, the
//! directory that the last close before it left is opened: what that shows already is reported once, as
//! the doing of no fault, and taken from what the crash shows.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ask::Failure;
use super::ground::{Ground, Spot};
use super::memory::Memory;
use super::prove::Prover;
use crate::base::Result;
use crate::fault::{Cause, Context, FaultOutcome, Finding, Lines, stored};
use crate::image::{Builder, Image};
use crate::oracle::{Kind, Loss, Verdict, Violation};
use crate::persistence::CrashState;
use crate::recover::Recovery;
use crate::scenario::{Case, Files, HistoryText, KillStrike, Strike};
use crate::trace::{EventKind, EventNo, Trace};
use crate::workload::contents::apply;
use crate::workload::{Answer, Contents, History, Key, Moment, Mutation, Request, Value};

/// The folder of the directory that the close left.
const IMAGE: &str = "image";

/// What a clean close left.
struct Left {
    /// Everything that was asked until then.
    history: History,
    image: Image,
    verdict: Verdict,
    /// The keys that do not hold what was acknowledged last.
    lost: BTreeMap<Key, Lost>,
}

/// What a key should hold after a close, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lost {
    expected: Option<Value>,
    there: Option<Value>,
}

/// Failing states without what a clean close before them shows already; that is reported by itself.
pub fn subtract(
    ctx: &Context<'_>,
    failures: BTreeMap<u64, Failure<Spot>>,
    memory: &Memory,
    prover: &mut Prover,
    outcome: &mut FaultOutcome,
) -> Result<BTreeMap<u64, Failure<Spot>>> {
    let mut known: BTreeMap<(u32, EventNo), Left> = BTreeMap::new();
    let mut kept = BTreeMap::new();
    let mut gone = 0;
    for (visit, mut failure) in failures {
        let Some(ask) = failure.asks.first() else { continue };
        let (ground, point) = outermost(&ask.what);
        let Some(close) = last_close(&ground.trace, point) else {
            kept.insert(visit, failure);
            continue;
        };
        let key = (ground.number, close);
        let left = match known.entry(key) {
            std::collections::btree_map::Entry::Occupied(left) => left.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Left::of(&ground, close, prover)?)
            }
        };
        if !left.verdict.held() {
            let until = ground.history().until(Moment(u64::from(point.0)));
            let recovery = memory.recovery(failure.recovery);
            let besides = left.restored(&recovery, &until).map(|restored| {
                let spot = &ask.what;
                spot.ground.court.at(spot.moment(), spot.loss(), &restored)
            });
            failure.violations = left.besides(failure.violations, besides);
        }
        match failure.violations.is_empty() {
            true => gone += 1,
            false => drop(kept.insert(visit, failure)),
        }
    }
    outcome.totals.skip("failing states that a clean close shows as well", gone);
    let mut told: BTreeSet<Kind> = ctx.control.clean.clone();
    for left in known.values() {
        for violation in left.verdict.violations.iter().filter(|found| !found.note) {
            if told.insert(violation.kind) {
                outcome.findings.push(left.finding(ctx, violation));
            }
        }
    }
    Ok(kept)
}

/// The recording of the workload, and where it was first struck.
fn outermost(spot: &Spot) -> (Rc<Ground>, EventNo) {
    let (mut ground, mut point) = (Rc::clone(&spot.ground), spot.state.point);
    while let Some((above, state)) = ground.parent.clone() {
        (ground, point) = (above, state.point);
    }
    (ground, point)
}

/// Where everything was done that belongs to the last `close` sent before `point`: at the next `open`, or
/// at the end. Nothing where no such close was acknowledged.
fn last_close(trace: &Trace, point: EventNo) -> Option<EventNo> {
    let before = &trace.events[..(point.0 as usize).min(trace.events.len())];
    let is = |kind: &EventKind, wanted: &Request| matches!(kind, EventKind::Request { request, .. } if request == wanted);
    let at = before.iter().rposition(|event| is(&event.kind, &Request::Close))?;
    let EventKind::Request { op, .. } = trace.events[at].kind else { return None };
    let after = &trace.events[at..];
    let acked = after.iter().any(|event| {
        matches!(&event.kind, EventKind::Reply { op: other, answer: Answer::Ack } if *other == op)
    });
    let end = after.iter().position(|event| is(&event.kind, &Request::Open));
    let end = end.map_or(trace.events.len(), |end| at + end);
    acked.then_some(EventNo(end as u32))
}

impl Left {
    fn of(ground: &Ground, close: EventNo, prover: &mut Prover) -> Result<Left> {
        let image = Builder::new(&ground.model).image(&CrashState::kill(close));
        let recovery = prover.recovery(&image)?;
        let moment = Moment(u64::from(close.0));
        let verdict = ground.court.at(moment, Loss::None, &recovery);
        let history = ground.history().until(moment);
        let lost = match &recovery {
            Recovery::Opened(shown) if !verdict.held() => lost(&history, &shown.contents),
            _ => BTreeMap::new(),
        };
        Ok(Left { history, image, verdict, lost })
    }

    /// A recovery with what the close lost put back: in the keys that still hold what the close left, and
    /// that no change has been acknowledged for since. `until` is everything that was asked until the
    /// crash. Nothing where the store did not open.
    fn restored(&self, recovery: &Recovery, until: &History) -> Option<Recovery> {
        let Recovery::Opened(shown) = recovery else { return None };
        let later = until.operations.iter().skip(self.history.operations.len());
        let changed: BTreeSet<&Key> = later
            .filter(|operation| operation.acknowledged().is_some())
            .flat_map(|operation| operation.request.mutations())
            .map(Mutation::key)
            .collect();
        let mut shown = shown.clone();
        for (key, Lost { expected, there }) in &self.lost {
            if changed.contains(key) || shown.contents.get(key) != there.as_ref() {
                continue;
            }
            match expected {
                Some(value) => drop(shown.contents.insert(key.clone(), value.clone())),
                None => drop(shown.contents.remove(key)),
            }
        }
        Some(Recovery::Opened(shown))
    }

    /// What is wrong besides what the close shows: `restored` is the verdict on the contents with what the
    /// close lost put back.
    fn besides(&self, found: Vec<Violation>, restored: Option<Verdict>) -> Vec<Violation> {
        let of_contents = |kind: Kind| {
            matches!(
                kind,
                Kind::LostAck
                    | Kind::CorruptValue
                    | Kind::GhostKey
                    | Kind::TornBatch
                    | Kind::Hole
                    | Kind::Resurrected
                    | Kind::Vanished
            )
        };
        let here = |kind: Kind| self.verdict.violations.iter().any(|own| own.kind == kind);
        let (contents, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|violation| of_contents(violation.kind));
        let contents = match restored {
            Some(restored) if !contents.is_empty() => restored.violations,
            _ => contents.into_iter().filter(|violation| !here(violation.kind)).collect(),
        };
        let others = others.into_iter().filter(|violation| !here(violation.kind));
        contents.into_iter().chain(others).collect()
    }

    fn finding(&self, ctx: &Context<'_>, violation: &Violation) -> Finding {
        let cause = Cause {
            sentence: "no fault at all: the store was closed cleanly and opened again".into(),
            ..Cause::default()
        };
        let mut files = Files::new();
        stored::put(&mut files, IMAGE, &self.image);
        Finding {
            id: Finding::stable_id(None, violation.kind, &cause),
            kind: violation.kind,
            fault: None,
            profiles: BTreeSet::new(),
            note: false,
            states: 1,
            sentence: violation.sentence.clone(),
            cause,
            lines: Lines::default(),
            case: Case {
                capabilities: ctx.control.capabilities.words().join(" "),
                control_warned: !ctx.control.warnings.is_empty(),
                on_disk: false,
                strike: Strike::Kill(KillStrike {
                    history: HistoryText::of(&self.history),
                    image: IMAGE.into(),
                    moment: "after a clean close".into(),
                    ..KillStrike::default()
                }),
                files,
            },
            trace: None,
            image: Some(self.image.clone()),
            evidence: String::new(),
            shows: Vec::new(),
            frequency: None,
        }
    }
}

/// The keys that do not hold what the last acknowledged change left there.
fn lost(history: &History, shown: &Contents) -> BTreeMap<Key, Lost> {
    let mut expected = history.initial.clone();
    for operation in &history.operations {
        if operation.acknowledged().is_some() {
            operation.request.mutations().iter().for_each(|change| apply(&mut expected, change));
        }
    }
    let differs = |key: &&Key| expected.get(*key) != shown.get(*key);
    let keys = expected.keys().chain(shown.keys()).filter(differs);
    let lost =
        |key: &Key| Lost { expected: expected.get(key).cloned(), there: shown.get(key).cloned() };
    keys.map(|key| (key.clone(), lost(key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::{Recovered, Stage};
    use crate::trace::Event;
    use crate::workload::{OpNo, Operation};

    fn trace(requests: &[(Request, Answer)]) -> Trace {
        let mut events = Vec::new();
        for (op, (request, answer)) in requests.iter().enumerate() {
            let op = OpNo(op as u32);
            let kinds = [
                EventKind::Request { op, request: request.clone() },
                EventKind::Reply { op, answer: answer.clone() },
            ];
            events.extend(kinds.map(|kind| Event { thread: 0, kind, stack: Default::default() }));
        }
        Trace { events, ..Trace::default() }
    }

    #[test]
    fn the_close_that_counts_is_the_last_one_sent_and_ends_at_the_next_open() {
        let ack = |request| (request, Answer::Ack);
        let sessions = trace(&[
            ack(Request::Open),
            ack(Request::Close),
            ack(Request::Open),
            ack(Request::Sync),
            ack(Request::Close),
        ]);
        assert_eq!(last_close(&sessions, EventNo(2)), None);
        assert_eq!(last_close(&sessions, EventNo(3)), Some(EventNo(4)));
        assert_eq!(last_close(&sessions, EventNo(8)), Some(EventNo(4)));
        assert_eq!(last_close(&sessions, EventNo(10)), Some(EventNo(10)));
        let failed = trace(&[ack(Request::Open), (Request::Close, Answer::Err("no".into()))]);
        assert_eq!(last_close(&failed, EventNo(4)), None);
    }

    fn put(key: &str) -> Operation {
        Operation {
            request: Request::Write(Mutation::Put(key.into(), Value::from("1"))),
            begun: Moment(1),
            answered: Some((Moment(2), Answer::Ack)),
        }
    }

    fn opened(keys: &[&str]) -> Recovery {
        let contents = keys.iter().map(|key| (Key::from(*key), Value::from("1"))).collect();
        Recovery::Opened(Recovered { contents, ..Recovered::default() })
    }

    fn found(kind: Kind) -> Violation {
        let (sentence, keys, operations) = (String::new(), Vec::new(), Vec::new());
        Violation { kind, sentence, keys, operations, note: false }
    }

    /// A close that left `a` of `a` and `b`.
    fn left() -> Left {
        let history = History { operations: vec![put("a"), put("b")], ..History::default() };
        let Recovery::Opened(shown) = opened(&["a"]) else { panic!("it is open") };
        Left {
            lost: lost(&history, &shown.contents),
            history,
            image: Image::empty(),
            verdict: Verdict { violations: vec![found(Kind::LostAck)], ..Verdict::default() },
        }
    }

    #[test]
    fn what_a_close_lost_is_put_back_where_nothing_has_taken_its_place() {
        let left = left();
        let until = |more: Vec<Operation>| {
            let operations = left.history.operations.iter().cloned().chain(more).collect();
            History { operations, ..History::default() }
        };
        let restored = |shown, more| left.restored(&opened(shown), &until(more));
        let all = || Some(opened(&["a", "b", "c"]));
        assert_eq!(restored(&["a", "c"], vec![]), all());
        let cut_off = Operation { answered: None, ..put("b") };
        assert_eq!(restored(&["a", "c"], vec![cut_off]), all(), "it was not written since");
        let same = Some(opened(&["a"]));
        assert_eq!(restored(&["a"], vec![put("b")]), same, "a later loss is a crash's doing");
        let Recovery::Opened(mut later) = opened(&["a"]) else { panic!("it is open") };
        later.contents.insert(Key::from("b"), Value::from("2"));
        let later = Recovery::Opened(later);
        assert_eq!(left.restored(&later, &until(vec![])), Some(later), "it was written since");
        let hung = Recovery::Hung { stage: Stage::Open, hang: crate::driver::Hang::Limit };
        assert_eq!(left.restored(&hung, &until(vec![])), None);
    }

    #[test]
    fn what_is_wrong_with_the_contents_put_back_is_kept_and_what_the_close_shows_alike_is_not() {
        let left = left();
        let kinds = |found: Vec<Violation>| -> Vec<Kind> {
            found.into_iter().map(|violation| violation.kind).collect()
        };
        let verdict = |kind| Verdict { violations: vec![found(kind)], ..Verdict::default() };
        let lost = || vec![found(Kind::LostAck), found(Kind::Unstable)];
        assert_eq!(kinds(left.besides(lost(), Some(Verdict::default()))), [Kind::Unstable]);
        let both = left.besides(lost(), Some(verdict(Kind::LostAck)));
        assert_eq!(kinds(both), [Kind::LostAck, Kind::Unstable]);
        let refused = || vec![found(Kind::Refused)];
        assert_eq!(kinds(left.besides(refused(), None)), [Kind::Refused]);
        let refuses = Left { verdict: verdict(Kind::Refused), ..left };
        assert_eq!(kinds(refuses.besides(refused(), None)), []);
    }
}
