//! The history compiled for judging: keys as numbers, every change under its key, what was acked
//! when. Built once a history, read by thousands of verdicts; a [`Cut`] is the same table as it
//! stood at one crash.
//!
//! The pairs of the initial state are entries like any other ("operation zero"), one a key, begun
//! and acknowledged before everything else. So the state that a set of entries is applied to is
//! always the empty one. What must hold of the result is not said here.

use std::collections::{BTreeMap, BTreeSet};

use super::promise::forgotten;
use crate::driver::Capabilities;
use crate::workload::{Answer, History, Key, Moment, OpNo, Request, Value};

/// No moment at all: later than every other.
pub(super) const NEVER: u64 = u64::MAX;

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A pair of the initial state.
    Initial,
    /// An operation.
    Operation {
        /// Its number in its history.
        op: OpNo,
        /// When it was sent.
        begun: Moment,
        /// When it was answered, if ever.
        answered: Option<Moment>,
        /// True if it belongs to a cycle before the one that is judged.
        earlier_cycle: bool,
    },
}

/// One operation that changes keys.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where it comes from.
    pub source: Source,
    /// When its interval begins; 0 for the initial state alone.
    pub begun: u64,
    /// When its interval ends; [`NEVER`] while it is outstanding.
    pub answered: u64,
    /// True if the answer was `ack` and its loss could break a promise.
    pub acked: bool,
    /// When its acknowledgement ceased to count, as if there had been none: the store could not be
    /// closed, and was opened again from what its files held. [`NEVER`] for most.
    pub void: u64,
    /// In a split table, the entry of the whole table that this is a part of.
    pub whole: u32,
    /// Its changes: the key, and what it holds afterwards.
    pub changes: Vec<(u32, Option<Value>)>,
}

/// A change as its key sees it.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    /// The entry.
    pub entry: u32,
    /// What the key holds afterwards.
    pub value: Option<Value>,
}

/// An acknowledged `sync` or `close`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barrier {
    /// When it was sent: what was acknowledged before is covered.
    pub begun: u64,
    /// When it was acknowledged.
    pub acked: u64,
    /// True for `close`.
    pub close: bool,
}

/// The compiled history.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Every key that the initial state or an operation names, sorted.
    pub keys: Vec<Key>,
    /// The changing operations in the order of their beginnings, the initial pairs first.
    pub entries: Vec<Entry>,
    /// The changes of each key in the order of `entries`.
    pub touches: Vec<Vec<Touch>>,
    /// The acknowledged entries in the order of their acknowledgements.
    pub by_ack: Vec<u32>,
    /// Acknowledged syncs and closes.
    pub barriers: Vec<Barrier>,
    /// When an `open` was first acknowledged.
    pub born: u64,
    /// What is added to a moment of the judged history to place it on this table's timeline.
    pub shift: u64,
}

/// A table as it stood when the crash came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut<'t> {
    /// The table.
    pub table: &'t Table,
    /// The crash on the table's timeline.
    pub crash: u64,
    /// How many entries had begun.
    pub visible: usize,
}

/// An earlier cycle on the same store: its history up to its crash, and which of its operations are
/// known to have been in the store after it.
pub(super) struct Segment<'a> {
    /// The history.
    pub history: &'a History,
    /// Its crash.
    pub crash: Moment,
    /// The operations that what was shown afterwards is explained by. The others can no longer break
    /// a promise: their loss was judged then.
    pub kept: &'a BTreeSet<OpNo>,
    /// The operations that what was shown contradicts, if these cannot turn up again.
    pub absent: Option<&'a BTreeSet<OpNo>>,
}

impl Table {
    /// Compiles `history`.
    pub fn new(history: &History, capabilities: &Capabilities) -> Table {
        Table::chained(&[], history, capabilities)
    }

    /// Compiles several cycles on one store into one timeline, the judged one last. Their common
    /// initial state is that of the first.
    pub fn chained(earlier: &[Segment<'_>], last: &History, capabilities: &Capabilities) -> Table {
        let mut table = Table { born: NEVER, shift: 1, ..Table::default() };
        let first = earlier.first().map_or(last, |segment| segment.history);
        let histories = earlier.iter().map(|segment| segment.history).chain([last]);
        table.name_keys(&first.initial, histories);
        for (key, value) in &first.initial {
            let key = table.key(key).expect("every key was named");
            table.entries.push(Entry {
                source: Source::Initial,
                begun: 0,
                answered: 0,
                acked: true,
                void: NEVER,
                whole: 0,
                changes: vec![(key, Some(value.clone()))],
            });
        }
        for segment in earlier {
            let history = segment.history.until(segment.crash);
            // The crash may lie at the end of time: what counts is that it is after everything.
            let moments = history.operations.iter().flat_map(|operation| {
                let answered = operation.answered.as_ref().map(|(moment, _)| moment.0);
                [Some(operation.begun.0), answered].into_iter().flatten()
            });
            let last = moments.max().unwrap_or(0);
            let end = table.shift.saturating_add(last).saturating_add(1);
            table.take_operations(&history, capabilities, Some((segment, end)));
            table.shift = end.saturating_add(1);
        }
        table.take_operations(last, capabilities, None);
        table.finish();
        table
    }

    /// The number of a key.
    pub fn key(&self, key: &Key) -> Option<u32> {
        self.keys.binary_search(key).ok().map(|at| at as u32)
    }

    /// The table at a crash.
    pub fn cut(&self, crash: Moment) -> Cut<'_> {
        let crash = crash.0.saturating_add(self.shift);
        let visible = self.entries.partition_point(|entry| entry.begun < crash);
        Cut { table: self, crash, visible }
    }

    /// The same table with every batch in parts, each of which may be there by itself: what clause 2
    /// forbids. No part is required by itself.
    pub fn split(&self) -> Table {
        let mut split = Table { entries: Vec::new(), by_ack: Vec::new(), ..self.clone() };
        for entry in &self.entries {
            for change in &entry.changes {
                let acked = entry.acked && entry.changes.len() == 1;
                let changes = vec![change.clone()];
                split.entries.push(Entry { changes, acked, ..entry.clone() });
            }
        }
        split.finish();
        split
    }

    fn name_keys<'a>(
        &mut self,
        initial: &BTreeMap<Key, Value>,
        histories: impl Iterator<Item = &'a History>,
    ) {
        let mut keys: BTreeSet<Key> = initial.keys().cloned().collect();
        for operation in histories.flat_map(|history| &history.operations) {
            for mutation in operation.request.mutations() {
                if !keys.contains(mutation.key()) {
                    keys.insert(mutation.key().clone());
                }
            }
        }
        self.keys = keys.into_iter().collect();
    }

    fn take_operations(
        &mut self,
        history: &History,
        capabilities: &Capabilities,
        segment: Option<(&Segment<'_>, u64)>,
    ) {
        let forgotten = forgotten(history, capabilities);
        for (number, operation) in history.operations.iter().enumerate() {
            let op = OpNo(number as u32);
            let begun = self.shift.saturating_add(operation.begun.0);
            let answer = operation.answered.as_ref();
            let moment = answer.map(|(moment, _)| *moment);
            let acked = matches!(answer, Some((_, Answer::Ack)));
            let answered = match (moment, segment) {
                (Some(moment), _) => self.shift.saturating_add(moment.0),
                // A crash ends every interval.
                (None, Some((_, end))) => end,
                (None, None) => NEVER,
            };
            match &operation.request {
                Request::Sync | Request::Close if acked => {
                    let close = operation.request == Request::Close;
                    self.barriers.push(Barrier { begun, acked: answered, close });
                }
                Request::Open if acked => self.born = self.born.min(answered),
                request => {
                    // Should a key stand twice in a batch, its last change counts.
                    let mut changes: BTreeMap<u32, Option<Value>> = BTreeMap::new();
                    for mutation in request.mutations() {
                        let key = self.key(mutation.key()).expect("every key was named");
                        changes.insert(key, mutation.value().cloned());
                    }
                    let absent = segment.and_then(|(segment, _)| segment.absent);
                    if changes.is_empty() || absent.is_some_and(|absent| absent.contains(&op)) {
                        continue;
                    }
                    let counts = segment.is_none_or(|(segment, _)| segment.kept.contains(&op));
                    let earlier_cycle = segment.is_some();
                    let (begun_at, answered_at) = (operation.begun, moment);
                    self.entries.push(Entry {
                        source: Source::Operation {
                            op,
                            begun: begun_at,
                            answered: answered_at,
                            earlier_cycle,
                        },
                        begun,
                        answered,
                        acked: acked && counts,
                        void: forgotten
                            .get(&op)
                            .map_or(NEVER, |open| self.shift.saturating_add(open.0)),
                        whole: 0,
                        changes: changes.into_iter().collect(),
                    });
                }
            }
        }
    }

    fn finish(&mut self) {
        let fresh = self.touches.is_empty();
        self.entries.sort_by_key(|entry| entry.begun);
        self.touches = vec![Vec::new(); self.keys.len()];
        for (number, entry) in self.entries.iter_mut().enumerate() {
            if fresh {
                entry.whole = number as u32;
            }
            for (key, value) in &entry.changes {
                let touch = Touch { entry: number as u32, value: value.clone() };
                self.touches[*key as usize].push(touch);
            }
        }
        let entries = &self.entries;
        self.by_ack = (0..entries.len() as u32).filter(|&at| entries[at as usize].acked).collect();
        self.by_ack.sort_by_key(|&at| entries[at as usize].answered);
    }
}

impl Cut<'_> {
    /// The entry.
    pub fn entry(&self, at: u32) -> &Entry {
        &self.table.entries[at as usize]
    }

    /// When its interval ends, as far as was known at the crash.
    pub fn answered(&self, at: u32) -> u64 {
        let answered = self.entry(at).answered;
        if answered < self.crash { answered } else { NEVER }
    }

    /// True if it was acknowledged before the crash, and that still counted.
    pub fn acked(&self, at: u32) -> bool {
        let entry = self.entry(at);
        entry.acked && entry.answered < self.crash && self.crash <= entry.void
    }

    /// True if `a` was answered before `b` began.
    pub fn precedes(&self, a: u32, b: u32) -> bool {
        self.answered(a) < self.entry(b).begun
    }

    /// The changes of a key that had begun.
    pub fn touches(&self, key: u32) -> &[Touch] {
        let all = &self.table.touches[key as usize];
        let visible = all.partition_point(|touch| (touch.entry as usize) < self.visible);
        &all[..visible]
    }
}
