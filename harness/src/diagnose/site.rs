//! What can be lost, in terms of the program: which call on which file, and what of it. Effects of one
//! site are lost for one reason, whatever the program had been asked for at the time.

use std::borrow::Cow;

use super::names::Names;
use super::patterns::NamePatterns;
use crate::base::limits::PAGE_BYTES;
use crate::persistence::{EffectKind, EffectNo, Fill, Model};
use crate::trace::{EventKind, EventNo, FileId, Trace};
use crate::workload::{Mutation, OpNo, Request};

/// What of a call can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Bytes, or the growth that they need to be read.
    Bytes,
    /// A size that was set.
    Size,
    /// A name that came, by a creation, a link or a rename.
    Name,
    /// That a name went.
    Removal,
}

/// One sort of thing that can be lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The call's name.
    pub call: String,
    /// The file's path, the numbers in it left out.
    pub file: String,
    /// What of it.
    pub part: Part,
}

/// What a program had been asked for when it made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum During {
    /// `open`.
    Open,
    /// A put.
    Write,
    /// A batch.
    Batch,
    /// A delete.
    Delete,
    /// `sync`.
    Sync,
    /// `checkpoint`.
    Checkpoint,
    /// `dump`.
    Dump,
    /// `close`.
    Close,
    /// Nothing was outstanding.
    Idle,
    /// Nothing is ever asked: a whole program.
    Program,
}

impl During {
    /// The phase that tells sorts of states apart: most stores write a batch and a delete as they write a put.
    pub fn phase(self) -> During {
        match self {
            During::Batch | During::Delete => During::Write,
            other => other,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            During::Open => "while opening",
            During::Write => "while writing",
            During::Batch => "in a batch",
            During::Delete => "while deleting",
            During::Sync => "in a sync",
            During::Checkpoint => "in a checkpoint",
            During::Dump => "while reading",
            During::Close => "while closing",
            During::Idle => "between requests",
            During::Program => "as the program runs",
        }
    }
}

/// What the recorder calls a store into a mapping.
const STORE: &str = "store";

impl Site {
    /// In words: `what write puts into wal/#.log`.
    pub fn words(&self) -> String {
        let Site { call, file, part } = self;
        match part {
            Part::Bytes if call == STORE => format!("what is stored into the mapping of {file}"),
            Part::Bytes => format!("what {call} puts into {file}"),
            Part::Size => format!("the size that {call} gives {file}"),
            Part::Name => format!("the name {file} that {call} makes"),
            Part::Removal => format!("the removal of {file} by {call}"),
        }
    }
}

/// What is known of a trace for telling sites.
#[derive(Clone, Debug)]
pub struct Sites<'a> {
    trace: &'a Trace,
    model: &'a Model,
    /// The names of the files.
    pub names: Names,
    /// The patterns of these.
    pub patterns: Cow<'a, NamePatterns>,
    /// By event.
    during: Vec<During>,
    /// Every site, sorted.
    all: Vec<Site>,
    /// By effect: the index of its site.
    of: Vec<u32>,
}

impl<'a> Sites<'a> {
    /// The sites of a trace of which nothing else is known.
    pub fn new(trace: &'a Trace, model: &'a Model) -> Self {
        Self::with(trace, model, Cow::Owned(NamePatterns::of(trace)))
    }

    /// The sites of a trace, files told by these patterns.
    pub fn knowing(trace: &'a Trace, model: &'a Model, patterns: &'a NamePatterns) -> Self {
        Self::with(trace, model, Cow::Borrowed(patterns))
    }

    fn with(trace: &'a Trace, model: &'a Model, patterns: Cow<'a, NamePatterns>) -> Self {
        let (names, during) = (Names::new(trace), during(trace));
        let (all, of) = (Vec::new(), Vec::new());
        let mut sites = Self { trace, model, names, patterns, during, all, of };
        let numbers = (0..model.effects().len() as u32).map(EffectNo);
        let found: Vec<Site> = numbers.filter_map(|effect| sites.find(effect)).collect();
        sites.all.clone_from(&found);
        sites.all.sort();
        sites.all.dedup();
        let index = |site: &Site| sites.all.binary_search(site).map_or(0, |at| at as u32);
        sites.of = found.iter().map(index).collect();
        sites
    }

    /// Where an effect comes from; nothing for a number that the model does not have.
    pub fn of(&self, effect: EffectNo) -> Option<&Site> {
        self.all.get(*self.of.get(effect.0 as usize)? as usize)
    }

    fn find(&self, effect: EffectNo) -> Option<Site> {
        let effect = self.model.effect(effect)?;
        let at = effect.event;
        let (part, path) = match &effect.kind {
            EffectKind::Data { file, .. } | EffectKind::Grow { file, .. } => {
                (Part::Bytes, self.names.path(*file, at))
            }
            EffectKind::Resize { file, .. } => (Part::Size, self.names.path(*file, at)),
            EffectKind::Link { at: place, .. } => (Part::Name, self.names.place(place, at)),
            EffectKind::Rename { to, .. } => (Part::Name, self.names.place(to, at)),
            EffectKind::Exchange { a, .. } => (Part::Name, self.names.place(a, at)),
            EffectKind::Unlink { at: place, .. } => (Part::Removal, self.names.place(place, at)),
            EffectKind::Leave { from, .. } => (Part::Removal, self.names.place(from, at)),
        };
        let call = self.call(at).unwrap_or("call").to_owned();
        Some(Site { call, file: self.patterns.path(&path), part })
    }

    /// The file or directory whose fsync would make an effect durable.
    pub fn synced_by(&self, effect: EffectNo) -> Option<FileId> {
        Some(match &self.model.effect(effect)?.kind {
            EffectKind::Data { file, .. }
            | EffectKind::Grow { file, .. }
            | EffectKind::Resize { file, .. } => *file,
            EffectKind::Link { at, .. } | EffectKind::Unlink { at, .. } => at.dir,
            EffectKind::Rename { to, .. } => to.dir,
            EffectKind::Exchange { a, .. } => a.dir,
            EffectKind::Leave { from, .. } => from.dir,
        })
    }

    /// Where in its file a call writes.
    pub(super) fn offset(&self, at: EventNo) -> Option<u64> {
        self.model.effects_of(at).find_map(|effect| {
            match &self.model.effect(EffectNo(effect))?.kind {
                EffectKind::Data { page, start, .. } => Some(page * PAGE_BYTES + u64::from(*start)),
                _ => None,
            }
        })
    }

    /// True if a call makes its file longer.
    pub(super) fn grows(&self, at: EventNo) -> bool {
        let grow = |effect| {
            matches!(
                self.model.effect(EffectNo(effect)).map(|found| &found.kind),
                Some(EffectKind::Grow { .. })
            )
        };
        self.model.effects_of(at).any(grow)
    }

    /// The bytes that an event puts into files, one page after the other.
    pub(super) fn bytes(&self, at: EventNo) -> Vec<u8> {
        let mut all = Vec::new();
        for effect in self.model.effects_of(at) {
            if let Some(EffectKind::Data { start, end, fill: Fill::Bytes(bytes, from), .. }) =
                self.model.effect(EffectNo(effect)).map(|found| &found.kind)
            {
                let len = usize::from(end.saturating_sub(*start));
                all.extend(bytes.get(*from..from + len).unwrap_or_default());
            }
        }
        all
    }

    /// What had been asked for at an event.
    pub fn during(&self, at: EventNo) -> During {
        self.during.get(at.0 as usize).copied().unwrap_or(During::Idle)
    }

    /// The name of the call that an event is.
    pub fn call(&self, at: EventNo) -> Option<&'a str> {
        match &self.trace.events.get(at.0 as usize)?.kind {
            EventKind::Call(call) => Some(&call.name),
            _ => None,
        }
    }

    /// The site of the first effect of an event.
    pub fn site_of(&self, at: EventNo) -> Option<&Site> {
        self.model.effects_of(at).next().and_then(|effect| self.of(EffectNo(effect)))
    }

    /// True if an event changed files or what is durable.
    pub(super) fn changes(&self, at: EventNo) -> bool {
        self.model.changes_files(at)
    }

    /// The last crash point.
    pub(super) fn end(&self) -> EventNo {
        self.model.last_point()
    }

    /// `event 49, write to wal/000001.log`.
    pub fn event(&self, effect: EffectNo) -> String {
        let Some(found) = self.model.effect(effect) else { return format!("effect {effect}") };
        let at = found.event;
        let call = self.call(at).unwrap_or("call");
        let file = match &found.kind {
            EffectKind::Link { at: place, .. } | EffectKind::Unlink { at: place, .. } => {
                self.names.place(place, at)
            }
            EffectKind::Rename { from, to, .. } => {
                format!("{} to {}", self.names.place(from, at), self.names.place(to, at))
            }
            kind => self.names.path(kind.file(), at),
        };
        format!("event {}, {call} of {file}", at.0)
    }
}

/// For each event what had been asked for: the latest request that is still outstanding.
fn during(trace: &Trace) -> Vec<During> {
    let mut outstanding: Vec<(OpNo, During)> = Vec::new();
    let mut all = Vec::with_capacity(trace.events.len());
    let asked = trace.events.iter().any(|event| matches!(event.kind, EventKind::Request { .. }));
    let nothing = if asked { During::Idle } else { During::Program };
    for event in &trace.events {
        match &event.kind {
            EventKind::Request { op, request } => outstanding.push((*op, class(request))),
            EventKind::Reply { op, .. } => outstanding.retain(|(other, _)| other != op),
            _ => {}
        }
        all.push(outstanding.last().map_or(nothing, |(_, during)| *during));
    }
    all
}

fn class(request: &Request) -> During {
    match request {
        Request::Open => During::Open,
        Request::Write(Mutation::Del(_)) => During::Delete,
        Request::Write(_) => During::Write,
        Request::Batch(_) => During::Batch,
        Request::Sync => During::Sync,
        Request::Checkpoint => During::Checkpoint,
        Request::Dump => During::Dump,
        Request::Close => During::Close,
    }
}
