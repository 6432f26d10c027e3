//! Which failures to try: every call of a recorded run, and every failure that the call can really
//! return. They come in turns: one of each sort (a call's name and how it fails), then one for each file
//! that it befalls (numbers in its name left out), then a second of each sort, …, the most telling sorts
//! first and more often, so that a budget that ends early has seen every sort of failure. Pure.
//!
//! * EINTR strikes once: no kernel interrupts every call for ever.
//! * EROFS strikes only what changes names or sizes; a disk that was remounted still opens for reading.
//! * ENOSPC and EDQUOT from then on stop only what needs blocks (the recorder sees to it).
//! * An open of what exists makes no file: it cannot run out of space.
//! * The close of a directory writes nothing back: it cannot fail.
//!
//! Not tried: calls outside the store's directory, and stores into a mapping (a signal, not an error).

use std::collections::{BTreeMap, BTreeSet};

mod failures;

use failures::failures;

use super::run::about;
use crate::base::Rng;
use crate::diagnose::NamePatterns;
use crate::record::{Plan, Strike, can_be_short, is_open};
use crate::trace::event::LOOK;
use crate::trace::paths::Paths;
use crate::trace::{Call, EventKind, FileId, FileOp, NodeKind, Trace, TreeNode};

/// How many failing syncs each turn has: what a store makes of one is told only by the requests after it.
/// Where several are outstanding it matters most which of them a sync was made for.
const SYNCS: u32 = 3;
const SYNCS_AT_ONCE: u32 = 12;
/// How many failing reads: what is read decides what is believed to be there.
const READS: u32 = 2;

/// One failure to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The failure.
    pub strike: Strike,
    /// What befalls the rest of a write that was cut short, where something does.
    pub then: Option<Strike>,
    /// What it is, for the counts: `EIO once`, `cut short`.
    pub what: String,
    /// How telling it is: the less, the rarer its turns.
    round: u8,
    turn: u32,
    /// Attempts of one recording with an equal one make the same sort of call fail in the same way on
    /// files with like names.
    sort: u32,
}

impl Attempt {
    /// Which sort of failure it is, in its recording.
    pub fn sort(&self) -> u32 {
        self.sort
    }

    /// In which turn it comes, from 1: see [`turn`].
    pub fn turn(&self) -> u32 {
        self.turn
    }

    /// All that is planned.
    pub fn plan(&self) -> Plan {
        Plan(std::iter::once(self.strike).chain(self.then).collect())
    }
}

/// One numbered call of a run without failures.
struct Numbered<'t> {
    no: u32,
    name: &'t str,
    /// The file, the numbers in its name left out unless it is read.
    file: String,
    result: i64,
    creates: bool,
    makes_nothing: bool,
}

/// A sort of failure on one file: the call's name and whether it makes nothing, how it fails, how telling
/// that is, and the file.
type OnFile<'t> = ((&'t str, bool), String, u8, &'t str);

/// How many operations and looks a recording has.
pub fn counts(trace: &Trace) -> (u64, u64) {
    let calls = numbered(trace);
    let looks = calls.iter().filter(|call| call.no & LOOK != 0).count() as u64;
    (calls.len() as u64 - looks, looks)
}

/// Every failure of every call of `trace`, a recording without failures but with its looks; the turns
/// in their order, each by itself in a seeded one. Where several requests are outstanding (`at_once`) only
/// writes and syncs: what other calls do is told one request at a time.
pub fn attempts(trace: &Trace, rng: &mut Rng, at_once: bool) -> Vec<Attempt> {
    let mut calls = numbered(trace);
    calls.retain(|call| !at_once || is_sync(call.name) || is_write(call));
    let of = |call| failures(call).into_iter().map(move |attempt: Attempt| (call, attempt));
    let mut all: Vec<(&Numbered<'_>, Attempt)> = calls.iter().flat_map(of).collect();
    // Shuffled first and then sorted by a stable sort: each turn keeps a seeded order.
    rng.shuffle(&mut all);
    let syncs = if at_once { SYNCS_AT_ONCE } else { SYNCS };
    // An open that makes a file is another call than one that does not.
    let mut sorts: BTreeMap<((&str, bool), String, u8), u32> = BTreeMap::new();
    let mut files: BTreeMap<OnFile<'_>, u32> = BTreeMap::new();
    for (call, attempt) in &mut all {
        let (what, round) = (attempt.what.clone(), attempt.round);
        let name = (call.name, call.makes_nothing);
        let rank = sorts.entry((name, what.clone(), round)).or_default();
        *rank += 1;
        let next = files.len() as u32;
        attempt.sort = *files.entry((name, what, round, &call.file)).or_insert(next);
        let new_file = attempt.sort == next;
        attempt.turn = turn(attempt, *rank, new_file, syncs);
    }
    let mut all: Vec<Attempt> = all.into_iter().map(|(_, attempt)| attempt).collect();
    all.sort_by_key(|attempt| (attempt.turn, attempt.round));
    all
}

/// The turn of the `rank`-th attempt of a sort, which may be the first on a file: the first of each
/// sort and the first for each file early, the further ones of a sort in every so many turns.
fn turn(attempt: &Attempt, rank: u32, new_file: bool, syncs: u32) -> u32 {
    let round = u32::from(attempt.round);
    let of_sort = match (attempt.strike, round) {
        (Strike::Fail { nth, .. }, 0) if nth & LOOK == 0 => rank.div_ceil(syncs),
        (Strike::Fail { .. }, 0) => rank.div_ceil(READS),
        _ if rank == 1 => 1 + round / 2,
        _ => rank * (2 * round + 1),
    };
    if new_file { of_sort.min(2 + round) } else { of_sort }
}

fn numbered(trace: &Trace) -> Vec<Numbered<'_>> {
    let mut calls: BTreeMap<u32, Numbered<'_>> = BTreeMap::new();
    let mut dirs: BTreeSet<FileId> = [FileId::ROOT].into();
    let is_dir = |node: &&TreeNode| node.node == NodeKind::Dir;
    dirs.extend(trace.initial.iter().filter(is_dir).map(|node| node.file));
    let mut paths = Paths::new(trace);
    let patterns = NamePatterns::of(trace);
    for event in &trace.events {
        let EventKind::Call(call) = &event.kind else { continue };
        // Which of several alike is read decides what is believed to be there.
        let path = about(&call.op, &paths);
        let file = if call.no & LOOK == 0 { patterns.path(&path) } else { path };
        paths.apply(&call.op);
        // A call that failed by itself has nothing left to fail.
        if call.no == 0 || matches!(call.op, FileOp::Failed { .. }) {
            continue;
        }
        match &call.op {
            FileOp::Create { file, node: NodeKind::Dir, .. } => drop(dirs.insert(*file)),
            FileOp::Nothing { file: Some(file) }
                if &*call.name == "close" && dirs.contains(file) =>
            {
                continue;
            }
            _ => {}
        }
        calls.entry(call.no).or_insert_with(|| Numbered {
            no: call.no,
            name: &call.name,
            file,
            result: call.result,
            creates: matches!(call.op, FileOp::Create { .. } | FileOp::CreateUnnamed { .. }),
            makes_nothing: is_plain_open(call),
        });
    }
    calls.into_values().collect()
}

fn is_sync(name: &str) -> bool {
    matches!(name, "fsync" | "fdatasync" | "msync")
}

fn is_write(call: &Numbered<'_>) -> bool {
    call.no & LOOK == 0 && can_be_short(call.name)
}

fn is_plain_open(call: &Call) -> bool {
    is_open(&call.name) && matches!(call.op, FileOp::Nothing { .. })
}

#[cfg(test)]
mod tests;
