//! A moment as the cause: a crash fails at every point of a window, whatever is lost. The event that opens
//! the window did something that the event which closes it makes up for: an answer that came before the call
//! that hands the write over, or a call that destroys before the call that replaces.

use super::cause::Cause;
use super::remedy::Remedy;
use super::site::Sites;
use crate::base::limits::PAGE_BYTES;
use crate::oracle::Kind;
use crate::trace::{Event, EventKind, EventNo, Trace};
use crate::workload::{Mutation, Request};

/// The window of one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The event that opens it: before it a crash held.
    pub opens: EventNo,
    /// The event that closes it; nothing where the recording ends first.
    pub closes: Option<EventNo>,
    /// A crash in it.
    pub point: EventNo,
}

/// An order of two calls that was tried: `first` has to come before `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What has to come first.
    pub first: EventNo,
    /// What has to come behind it.
    pub last: EventNo,
}

impl Window {
    /// True if an answer opens it.
    pub fn is_answer(&self, trace: &Trace) -> bool {
        trace.events.get(self.opens.0 as usize).is_some_and(Event::is_answer)
    }

    /// A call's name, with its place in the file where the other call writes elsewhere in the same one.
    fn name(&self, event: EventNo, sites: &Sites<'_>) -> String {
        let plain = sites.named(event);
        let Some(closes) =
            self.closes.filter(|closes| sites.named(*closes) == sites.named(self.opens))
        else {
            return plain;
        };
        match (sites.offset(self.opens), sites.offset(closes), sites.offset(event)) {
            (Some(one), Some(other), Some(at)) if other != one && !self.appends(sites) => {
                format!("{plain} at offset {at}")
            }
            _ => plain,
        }
    }

    /// True if both calls make their file longer: one record is written in parts.
    fn appends(&self, sites: &Sites<'_>) -> bool {
        sites.grows(self.opens) && self.closes.is_some_and(|closes| sites.grows(closes))
    }

    /// True if both are the same sort of call, one part of a record each: their order is that of the record.
    fn is_in_parts(&self, sites: &Sites<'_>) -> bool {
        self.closes.is_some_and(|closes| self.name(closes, sites) == self.name(self.opens, sites))
    }

    /// True if both are parts of one record on one page, which keeps their order by itself: another order helps there, and
    /// nowhere else in the file.
    pub fn is_on_one_page(&self, sites: &Sites<'_>) -> bool {
        let page = |event| sites.offset(event).map(|offset| offset / PAGE_BYTES);
        let closes = self.closes.and_then(page);
        self.is_in_parts(sites) && closes.is_some() && closes == page(self.opens)
    }

    /// Which request the event that opens it answers, and when that was asked.
    fn answered<'t>(&self, trace: &'t Trace) -> Option<(EventNo, &'t Request)> {
        let EventKind::Reply { op, .. } = &trace.events.get(self.opens.0 as usize)?.kind else {
            return None;
        };
        (0..).zip(&trace.events).find_map(|(at, event)| match &event.kind {
            EventKind::Request { op: other, request } if other == op => {
                Some((EventNo(at), request))
            }
            _ => None,
        })
    }

    /// True if nothing was asked for between what opens it and what closes it.
    fn is_unasked(&self, trace: &Trace) -> bool {
        let Some(closes) = self.closes else { return false };
        let between = trace.events.get(self.opens.0 as usize + 1..closes.0 as usize);
        between.is_some_and(|events| !events.iter().any(Event::is_exchange))
    }

    /// What was answered by the event that opens it.
    fn asked(&self, trace: &Trace) -> &'static str {
        let event = trace.events.get(self.opens.0 as usize);
        if !event.is_some_and(|event| matches!(event.kind, EventKind::Reply { .. })) {
            return "a line is printed";
        }
        let request = self.answered(trace).map(|(_, request)| request);
        match request {
            Some(Request::Batch(_)) => "a batch is acknowledged",
            Some(Request::Sync) => "`sync` is acknowledged",
            Some(Request::Checkpoint) => "`checkpoint` is acknowledged",
            Some(Request::Close) => "`close` is acknowledged",
            Some(Request::Open) => "`open` is acknowledged",
            _ => "a write is acknowledged",
        }
    }

    /// The two calls, if one request makes both, with no answer in between: their order can be another.
    pub fn order(&self, trace: &Trace) -> Option<Order> {
        let last = self.opens;
        let first = self.closes?;
        let between = trace.events.get(last.0 as usize..=first.0 as usize)?;
        let calls = between.iter().all(|event| {
            let quiet = matches!(event.kind, EventKind::Warn(_) | EventKind::Exit(_));
            quiet || matches!(event.kind, EventKind::Call(_))
        });
        calls.then_some(Order { first, last })
    }

    /// The call that opens it, with those that rest on it, behind the one that closes it.
    pub fn moved(&self, sites: &Sites<'_>, with: &[EventNo]) -> String {
        let place = |event: EventNo| {
            let name = self.name(event, sites);
            match sites.offset(event).filter(|_| self.is_in_parts(sites)) {
                Some(offset) => format!("{name} at offset {offset}"),
                None => name,
            }
        };
        let opens = place(self.opens);
        let mut others: Vec<String> = Vec::new();
        for name in with.iter().map(|event| self.name(*event, sites)) {
            if name != opens && !others.contains(&name) {
                others.push(name);
            }
        }
        others.truncate(MOVED);
        let with = match others.is_empty() {
            true => String::new(),
            false => format!(", with {} after it,", others.join(" and ")),
        };
        let closes = self.closes.map_or_else(String::new, place);
        format!("move {opens}{with} behind {closes}")
    }

    /// Why states in it fail, and what would help, but for what was tried of it.
    pub fn tell(&self, trace: &Trace, sites: &Sites<'_>, kind: Kind) -> Cause {
        let name = |event: EventNo| self.name(event, sites);
        let during = sites.during(self.opens).words();
        let harm = harm(kind);
        let closes = self.closes.map(name);
        let asked = self.asked(trace);
        let answer = if asked.ends_with("printed") { "print it" } else { "acknowledge" };
        let (opens, sentence, remedy) = if self.is_answer(trace) {
            let opens = "an acknowledgement".to_owned();
            let (sentence, remedy) = match (&closes, Written::of(trace, sites, self)) {
                (Some(closes), Written::Later) => (
                    format!("{asked} before {closes} hands it over: a crash in between {harm}"),
                    Some(Remedy::untried(&format!("{answer} only after {closes}"))),
                ),
                // Nothing else was asked for meanwhile: the call is a part of what was.
                (Some(closes), _) if self.is_unasked(trace) => (
                    format!("{asked} before {closes}: a crash in between {harm}"),
                    Some(Remedy::untried(&format!("{answer} only after {closes}"))),
                ),
                (Some(closes), _) => {
                    (format!("{asked}, and from then on, until {closes}, a crash {harm}"), None)
                }
                (None, Written::Before) => {
                    (format!("{asked}, and from then on a crash {harm}"), None)
                }
                (None, _) => {
                    (format!("{asked} and never handed to the kernel: a crash {harm}"), None)
                }
            };
            (opens, sentence, remedy)
        } else {
            let opens = name(self.opens);
            let sentence = match (&closes, self.order(trace)) {
                (Some(closes), Some(_)) if *closes == opens => {
                    format!("{opens} is made in parts {during}: a crash in between {harm}")
                }
                (Some(closes), Some(_)) => {
                    format!("{opens} comes before {closes} {during}: a crash in between {harm}")
                }
                (Some(closes), None) => {
                    format!("{opens} {during}: from then on, until {closes}, a crash {harm}")
                }
                (None, _) => format!("{opens} {during}: from then on a crash {harm}"),
            };
            let order = self.order(trace).filter(|_| !self.is_on_one_page(sites));
            let remedy = order.map(|_| Remedy::untried(&self.moved(sites, &[])));
            (opens, sentence, remedy)
        };
        // Places differ from run to run.
        let closed = self.closes.map_or("the end".into(), |closes| sites.named(closes));
        let opened = match self.is_answer(trace) {
            true => opens.clone(),
            false => sites.named(self.opens),
        };
        let mut detail =
            format!("stopped before event {}; after event {}", self.point.0, self.opens.0);
        if let Some(closes) = self.closes {
            detail.push_str(&format!(", before event {}", closes.0));
        }
        let is_call = !self.is_answer(trace);
        Cause {
            sentence,
            parts: [("after".to_owned(), opened.clone()), ("before".to_owned(), closed.clone())]
                .into(),
            detail,
            moment: Some(format!("{opened} before {closed}")),
            guilty: if is_call { Some(self.opens) } else { self.closes },
            behind: self.closes.filter(|_| is_call && self.order(trace).is_some()),
            counterfactual: remedy,
            ..Cause::default()
        }
    }
}

/// When the bytes of what was acknowledged were handed to the kernel.
enum Written {
    /// While it was asked for.
    Before,
    /// By the call that closes the window.
    Later,
    /// Neither was seen: they may be encoded.
    Unknown,
}

impl Written {
    fn of(trace: &Trace, sites: &Sites<'_>, window: &Window) -> Written {
        let Some((asked, request)) = window.answered(trace) else { return Written::Unknown };
        let values: Vec<&[u8]> = request
            .mutations()
            .iter()
            .filter_map(|mutation| match mutation {
                Mutation::Put(_, value) => value.as_str().as_bytes().get(..TELLING),
                Mutation::Del(_) => None,
            })
            .collect();
        let hands_over = |event: EventNo| {
            let bytes = sites.bytes(event);
            let holds = |value: &&[u8]| bytes.windows(TELLING).any(|some| some == *value);
            values.iter().any(holds)
        };
        let mut own = (asked.0 + 1..window.opens.0).map(EventNo);
        if own.clone().any(hands_over) {
            return Written::Before;
        }
        // What changed no file at all was not written.
        let nothing = !own.any(|at| sites.changes(at));
        match window.closes {
            Some(closes) if nothing || hands_over(closes) => Written::Later,
            _ => Written::Unknown,
        }
    }
}

/// So many calls that move with another are named.
const MOVED: usize = 2;

/// The beginning of a value, so many bytes, stands nowhere by chance.
const TELLING: usize = 12;

/// What becomes of the store.
fn harm(kind: Kind) -> &'static str {
    match kind {
        Kind::LostAck | Kind::LostBeforeDamage | Kind::SilentLoss => "loses what was acknowledged",
        Kind::CorruptValue => "leaves a value that was never written",
        Kind::GhostKey => "leaves a key that was never written",
        Kind::TornBatch => "leaves a part of a batch",
        Kind::Hole => "leaves a later write without an earlier one",
        Kind::Resurrected => "brings back what recovery had dropped",
        Kind::Vanished => "takes what recovery had shown",
        Kind::Refused | Kind::RefusedUnborn => "leaves a store that does not open",
        Kind::RecoveryCrashed | Kind::CrashedOnError => "leaves a store on which recovery dies",
        Kind::DiedInUse => "leaves a store that dies in use",
        Kind::RecoveryHung => "leaves a store on which recovery hangs",
        Kind::Unstable => "leaves a store that changes when it is opened again",
        Kind::NotWritable => "leaves a store that does not keep the next write",
    }
}

impl Sites<'_> {
    /// `rename of CURRENT`; of a rename the new name.
    pub fn named(&self, event: EventNo) -> String {
        let call = self.call(event).unwrap_or("the end");
        match self.site_of(event) {
            Some(site) => format!("{call} of {}", site.file),
            None => call.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::NamePatterns;
    use crate::persistence::tests::script::Script;
    use crate::workload::{Answer, OpNo};

    /// A put that unlinks, then renames, then is answered: the events of the three.
    fn put() -> (Script, [EventNo; 3]) {
        let mut script = Script::new();
        script.create("log");
        script.create("snap.tmp");
        let put = Request::Write(Mutation::Put("k".into(), "a value of its own".into()));
        script.event(EventKind::Request { op: OpNo(0), request: put });
        let emptied = script.unlink("log");
        let renamed = script.rename("snap.tmp", "snap");
        let answered = script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
        script.write("snap", 0, b"k=a value of its own");
        (script, [emptied, renamed, answered])
    }

    #[test]
    fn two_calls_of_one_request_can_change_places() {
        let (script, [emptied, renamed, _]) = put();
        let (trace, model) = (&script.trace, script.model());
        let patterns = NamePatterns::default();
        let sites = Sites::knowing(trace, &model, &patterns);
        let window = Window { opens: emptied, closes: Some(renamed), point: renamed };
        let cause = window.tell(trace, &sites, Kind::Refused);
        assert_eq!(
            cause.sentence,
            "call of log comes before call of snap while writing: a crash in between leaves a store that does \
             not open"
        );
        assert_eq!(cause.counterfactual.unwrap().place, "move call of log behind call of snap");
        assert_eq!((cause.guilty, cause.behind), (Some(emptied), Some(renamed)));
    }

    #[test]
    fn a_call_that_nobody_else_asked_for_has_to_come_before_the_answer() {
        let mut script = Script::new();
        script.create("log");
        script.create("length");
        let ask = |op| {
            let put = Request::Write(Mutation::Put("k".into(), "a value of its own".into()));
            EventKind::Request { op: OpNo(op), request: put }
        };
        script.event(ask(0));
        script.write("log", 0, b"k=a value of its own");
        let answered = script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
        let late = script.write("length", 0, b"20");
        let (trace, model) = (&script.trace, script.model());
        let patterns = NamePatterns::default();
        let sites = Sites::knowing(trace, &model, &patterns);
        let window = Window { opens: answered, closes: Some(late), point: late };
        let cause = window.tell(trace, &sites, Kind::LostAck);
        assert_eq!(cause.counterfactual.unwrap().place, "acknowledge only after call of length");
        // Where the next request makes it, its answer is none too late.
        let mut script = Script::new();
        script.create("log");
        script.create("length");
        script.event(ask(0));
        script.write("log", 0, b"k=a value of its own");
        let answered = script.event(EventKind::Reply { op: OpNo(0), answer: Answer::Ack });
        script.event(ask(1));
        let late = script.write("length", 0, b"20");
        let (trace, model) = (&script.trace, script.model());
        let sites = Sites::knowing(trace, &model, &patterns);
        let window = Window { opens: answered, closes: Some(late), point: late };
        assert_eq!(window.tell(trace, &sites, Kind::LostAck).counterfactual, None);
    }

    #[test]
    fn an_answer_that_comes_too_early_has_to_wait() {
        let (script, [_, _, answered]) = put();
        let (trace, model) = (&script.trace, script.model());
        let patterns = NamePatterns::default();
        let sites = Sites::knowing(trace, &model, &patterns);
        let late = EventNo(answered.0 + 1);
        let window = Window { opens: answered, closes: Some(late), point: late };
        assert_eq!(window.order(trace), None);
        let cause = window.tell(trace, &sites, Kind::LostAck);
        assert_eq!(
            cause.sentence,
            "a write is acknowledged before call of snap hands it over: a crash in between loses what was \
             acknowledged"
        );
        assert_eq!(cause.counterfactual.unwrap().place, "acknowledge only after call of snap");
        let never = Window { closes: None, ..window }.tell(trace, &sites, Kind::LostAck);
        assert!(never.sentence.contains("never handed"), "{}", never.sentence);
        assert_eq!(never.counterfactual, None);
    }
}
