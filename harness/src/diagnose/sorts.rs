//! The sorts of a trace's effects and events for an exploration by groups: the call, the pattern of the
//! file's name, the part of it, and the phase of the request that was being served. Where one directory
//! has many patterns (random names), they are one.

use std::collections::{BTreeMap, BTreeSet};

use super::site::{During, Part, Site, Sites};
use crate::explore::Sorts;
use crate::persistence::{EffectNo, Model};
use crate::trace::{EventKind, EventNo, FileOp, Trace};
use crate::workload::{Answer, OpNo, Request};

/// More patterns of names than this in one directory, made by the same call, are one.
const PATTERNS: usize = 8;

/// The sorts of a trace. Equal calls on files with equal patterns in equal phases are one sort.
pub fn sorts(trace: &Trace, model: &Model) -> Sorts {
    let sites = Sites::new(trace, model);
    let patterns = Patterns::new(&sites, model);
    let mut effects = Numbers::default();
    let of_effects = (0..model.effects().len() as u32).map(|effect| {
        let found = model.effect(EffectNo(effect));
        let during = found.map(|found| sites.during(found.event).phase());
        let site = sites.of(EffectNo(effect));
        effects.of(site.map(|site| (site.call.as_str(), patterns.of(site), site.part, during)))
    });
    let of_effects = of_effects.collect();
    let mut events = Numbers::default();
    let mut asked: BTreeMap<OpNo, &'static str> = BTreeMap::new();
    let of_events = (0u32..).zip(&trace.events).map(|(no, event)| {
        let no = EventNo(no);
        let sort = match &event.kind {
            EventKind::Request { op, request } => {
                asked.insert(*op, word(request));
                Sort::Other
            }
            EventKind::Reply { op, answer } => {
                let request = asked.remove(op).unwrap_or_default();
                Sort::Answer(request, *answer == Answer::Ack)
            }
            EventKind::Line(_) => Sort::Line,
            EventKind::Call(call) => {
                let file = match &call.op {
                    FileOp::Sync { file, .. } | FileOp::FailedSync { file, .. } => {
                        sites.patterns.path(&sites.names.path(*file, no))
                    }
                    _ => sites.site_of(no).map_or_else(String::new, |site| patterns.of(site)),
                };
                Sort::Call(call.name.to_string(), file, sites.during(no).phase())
            }
            _ => Sort::Other,
        };
        events.of(sort)
    });
    let of_events = of_events.collect();
    Sorts::new(of_effects, of_events)
}

/// The patterns of the names in each directory, by the call that makes them.
struct Patterns(BTreeMap<(String, Part, String), BTreeSet<String>>);

impl Patterns {
    fn new(sites: &Sites<'_>, model: &Model) -> Self {
        let mut patterns = Patterns(BTreeMap::new());
        for effect in 0..model.effects().len() as u32 {
            let Some(site) = sites.of(EffectNo(effect)) else { continue };
            let all = patterns.0.entry(Self::key(site)).or_default();
            if all.len() <= PATTERNS {
                all.insert(site.file.clone());
            }
        }
        patterns
    }

    fn key(site: &Site) -> (String, Part, String) {
        let directory = site.file.rsplit_once('/').map_or("", |(directory, _)| directory);
        (site.call.clone(), site.part, directory.to_owned())
    }

    /// The pattern of a site's file; that of its directory where it has many.
    fn of(&self, site: &Site) -> String {
        let key = Self::key(site);
        match self.0.get(&key) {
            Some(all) if all.len() > PATTERNS => format!("{}/*", key.2),
            _ => site.file.clone(),
        }
    }
}

/// What an event is, in the program's terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// An answer to this request; true for `ack`.
    Answer(&'static str, bool),
    /// A printed line of a whole program.
    Line,
    /// A call on files of this pattern, in this phase.
    Call(String, String, During),
    /// Anything else.
    Other,
}

/// A request's sort. A delete and a batch take paths of their own through many stores.
fn word(request: &Request) -> &'static str {
    match request {
        Request::Open => "open",
        Request::Write(mutation) if mutation.value().is_none() => "del",
        Request::Write(_) => "put",
        Request::Batch(_) => "batch",
        Request::Sync => "sync",
        Request::Checkpoint => "checkpoint",
        Request::Dump => "dump",
        Request::Close => "close",
    }
}

/// Numbers for things, the same for equal ones.
#[derive(Debug)]
struct Numbers<T>(BTreeMap<T, u32>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Numbers<T> {
    fn of(&mut self, thing: T) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(thing).or_insert(next)
    }
}
