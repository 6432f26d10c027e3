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

use libc::{EDQUOT, EFBIG, EINTR, EIO, EMFILE, ENOSPC, EOPNOTSUPP, EROFS};

use super::run::about;
use crate::base::Rng;
use crate::diagnose::plain;
use crate::record::{Extent, Plan, Strike, can_be_short, errors_of};
use crate::trace::event::LOOK;
use crate::trace::paths::Paths;
use crate::trace::{Call, EventKind, FileId, FileOp, NodeKind, Trace, TreeNode};

/// After so many operations there is room again.
const ROOM_AFTER: [u32; 2] = [3, 12];

/// How many failing syncs each turn has: what a store makes of one is told only by the requests after it.
const SYNCS: u32 = 3;
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
}

impl Attempt {
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
    /// The file, the numbers in its name left out.
    file: String,
    result: i64,
    creates: bool,
    makes_nothing: bool,
}

/// How many operations and looks a recording has.
pub fn counts(trace: &Trace) -> (u64, u64) {
    let calls = numbered(trace);
    let looks = calls.iter().filter(|call| call.no & LOOK != 0).count() as u64;
    (calls.len() as u64 - looks, looks)
}

/// Every failure of every call of `trace`, a recording without failures but with its looks; the turns
/// in their order, each by itself in a seeded one.
pub fn attempts(trace: &Trace, rng: &mut Rng) -> Vec<Attempt> {
    let calls = numbered(trace);
    let of = |call| failures(call).into_iter().map(move |attempt: Attempt| (call, attempt));
    let mut all: Vec<(&Numbered<'_>, Attempt)> = calls.iter().flat_map(of).collect();
    // Shuffled first and then sorted by a stable sort: each turn keeps a seeded order.
    rng.shuffle(&mut all);
    // An open that makes a file is another call than one that does not.
    let mut sorts: BTreeMap<((&str, bool), String, u8), u32> = BTreeMap::new();
    let mut files: BTreeSet<((&str, bool), String, u8, &str)> = BTreeSet::new();
    for (call, attempt) in &mut all {
        let (what, round) = (attempt.what.clone(), attempt.round);
        let name = (call.name, call.makes_nothing);
        let rank = sorts.entry((name, what.clone(), round)).or_default();
        *rank += 1;
        let new_file = files.insert((name, what, round, &call.file));
        attempt.turn = turn(attempt, *rank, new_file);
    }
    let mut all: Vec<Attempt> = all.into_iter().map(|(_, attempt)| attempt).collect();
    all.sort_by_key(|attempt| (attempt.turn, attempt.round));
    all
}

/// The turn of the `rank`-th attempt of a sort, which may be the first on a file: the first of each
/// sort and the first for each file early, the further ones of a sort in every so many turns.
fn turn(attempt: &Attempt, rank: u32, new_file: bool) -> u32 {
    let round = u32::from(attempt.round);
    let of_sort = match (attempt.strike, round) {
        (Strike::Fail { nth, .. }, 0) if nth & LOOK == 0 => rank.div_ceil(SYNCS),
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
    for event in &trace.events {
        let EventKind::Call(call) = &event.kind else { continue };
        let file = plain(&about(&call.op, &paths));
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

fn is_plain_open(call: &Call) -> bool {
    let open = matches!(&*call.name, "open" | "openat" | "openat2" | "creat");
    open && matches!(call.op, FileOp::Nothing { .. })
}

/// Every failure of one call.
fn failures(call: &Numbered<'_>) -> Vec<Attempt> {
    let nth = call.no;
    let mut all = Vec::new();
    for &errno in errors_of(call.name) {
        let space = matches!(errno, ENOSPC | EDQUOT);
        if call.makes_nothing && (space || errno == EROFS) {
            continue;
        }
        for (extent, round) in extents(call, errno) {
            let name = crate::record::plan::errno_name(errno);
            let lasts = match extent {
                Extent::Once => "once",
                Extent::FromThenOn => "from then on",
                Extent::Until(_) => "until there is room",
            };
            // A sync that fails once comes before everything else, and a read.
            let sync = matches!(call.name, "fsync" | "fdatasync" | "msync");
            let read = matches!(call.name, "read" | "pread64" | "readv" | "preadv" | "preadv2");
            let first = (sync || read) && errno == EIO && extent == Extent::Once;
            let round = if first { 0 } else { round + 1 };
            let strike = Strike::Fail { nth, errno, extent };
            all.push(Attempt {
                strike,
                then: None,
                what: format!("{name} {lasts}"),
                round,
                turn: 0,
            });
        }
    }
    if can_be_short(call.name) && call.result > 1 {
        let moved = call.result as u64;
        let mut shorts = vec![(moved / 2, 0), (1, 4), (moved - 1, 4)];
        shorts.dedup_by_key(|(bytes, _)| *bytes);
        for (bytes, round) in shorts {
            let what = "cut short".to_owned();
            let strike = Strike::Short { nth, bytes };
            all.push(Attempt { strike, then: None, what, round, turn: 0 });
            if bytes == moved / 2 {
                let (errno, what) = rest(call);
                let then = Some(Strike::Fail { nth: nth + 1, errno, extent: Extent::Once });
                all.push(Attempt { strike, then, what: what.to_owned(), round: 1, turn: 0 });
            }
        }
    }
    all
}

/// What befalls the rest of a call that was cut short, which is the program's next call: a full disk
/// takes what fits first, and a read ends before the bad block that the next one meets.
fn rest(call: &Numbered<'_>) -> (i32, &'static str) {
    match call.no & LOOK {
        0 => (ENOSPC, "cut short, then ENOSPC"),
        _ => (EIO, "cut short, then EIO"),
    }
}

/// How long an error lasts, with the round in which it is tried.
fn extents(call: &Numbered<'_>, errno: i32) -> Vec<(Extent, u8)> {
    let nth = call.no;
    let look = nth & LOOK != 0;
    let once = |round| vec![(Extent::Once, round)];
    match errno {
        EIO => {
            let round = match call.name {
                "close" => 2,
                _ if call.makes_nothing => 1,
                _ => 0,
            };
            vec![(Extent::Once, round), (Extent::FromThenOn, 1)]
        }
        ENOSPC if look || call.name == "fsync" || call.name == "fdatasync" => once(3),
        ENOSPC => {
            let until = |after: u32| Extent::Until(nth.saturating_add(after));
            vec![
                (Extent::Once, 0),
                (Extent::FromThenOn, 1),
                (until(ROOM_AFTER[0]), 2),
                (until(ROOM_AFTER[1]), 3),
            ]
        }
        EDQUOT if look => once(4),
        EDQUOT => vec![(Extent::Once, 4), (Extent::FromThenOn, 4)],
        EINTR => once(2),
        EOPNOTSUPP => vec![(Extent::FromThenOn, 1), (Extent::Once, 3)],
        EMFILE => vec![(Extent::Once, 1), (Extent::FromThenOn, 3)],
        EFBIG => once(3),
        EROFS if call.creates => once(3),
        _ => once(4),
    }
}

#[cfg(test)]
mod tests;
