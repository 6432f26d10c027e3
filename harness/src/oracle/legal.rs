//! Legal or not, and by which clause: what is not legal is named by the first clause whose removal
//! would make it legal (ORACLE.md). Where no single one does, by the first group of them.
//!
//! The clauses that can be removed are 1 (durable by promise), 2 (batches whole) and 5 (a prefix).
//! Without these the rest can always be met once each key has a candidate, so there is no fourth.
//! To remove clause 2 means that a batch in the set may be there in any part, but not in none: an
//! acknowledged batch of which half is missing is torn, one of which all is missing is lost.

use super::case::Case;
use super::goals::Goals;
use super::solve::{Explanation, Found, Last, solve, too_late};
use super::table::Cut;
use super::verdict::Violation;
use super::{hole, lost_ack, torn_batch};

/// A set of clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clauses {
    /// Clause 1: what is durable by promise is there.
    pub promise: bool,
    /// Clause 2: batches are whole.
    pub batch: bool,
    /// Clause 5: no holes.
    pub prefix: bool,
}

/// Which clauses to remove, in the order in which removal is tried. Clause 2 comes last: of a batch whose keys were
/// written again later nothing can be seen, so a whole one that is lost could always be called torn.
const REMOVALS: [Clauses; 7] = [
    Clauses { promise: true, batch: false, prefix: false },
    Clauses { promise: false, batch: false, prefix: true },
    Clauses { promise: true, batch: false, prefix: true },
    Clauses { promise: false, batch: true, prefix: false },
    Clauses { promise: false, batch: true, prefix: true },
    Clauses { promise: true, batch: true, prefix: false },
    Clauses { promise: true, batch: true, prefix: true },
];

/// How many ways of leaving promised batches in part are tried for a name.
const BATCH_TRIES: u32 = 64;

/// The outcome of judging contents.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What was violated.
    pub violations: Vec<Violation>,
    /// True if the search was given up.
    pub undecided: bool,
}

/// Judges the contents of `case` by the clauses of `held`.
pub(super) fn judge(case: &Case<'_>, held: Clauses) -> Judged {
    match explain(case, held) {
        Found::Legal(_) => Judged::default(),
        Found::Undecided => Judged { undecided: true, ..Judged::default() },
        Found::Illegal => Judged { violations: name(case, held), ..Judged::default() },
    }
}

fn name(case: &Case<'_>, held: Clauses) -> Vec<Violation> {
    for removed in REMOVALS {
        let useless = removed.promise && !held.promise
            || removed.batch && !held.batch
            || removed.prefix && !held.prefix;
        if useless {
            continue;
        }
        let rest = Clauses {
            promise: held.promise && !removed.promise,
            batch: held.batch && !removed.batch,
            prefix: held.prefix && !removed.prefix,
        };
        let Found::Legal(explanation) = explain(case, rest) else { continue };
        let mut violations = Vec::new();
        if removed.promise {
            violations.push(lost_ack::violation(case, rest, &explanation));
        }
        if removed.batch {
            violations.push(torn_batch::violation(case, &explanation));
        }
        if violations.is_empty() {
            violations.push(hole::violation(case, &explanation));
        }
        return violations;
    }
    vec![lost_ack::without_explanation(case)]
}

/// Looks for an explanation under `held` alone. Where batches may be torn it is one of the split
/// table.
pub(super) fn explain(case: &Case<'_>, held: Clauses) -> Found {
    if held.batch {
        let required = if held.promise { case.promise.required(&case.cut) } else { Vec::new() };
        return solve(&case.cut, &case.goals, &required, held.prefix);
    }
    let (cut, goals) = case.split();
    let required = if held.promise { case.promise.required(&cut) } else { Vec::new() };
    let mut tries = BATCH_TRIES;
    in_part(case, (&cut, &goals), &required, held, &mut tries)
}

/// Looks for an explanation in which every batch that has to be there is so at least in part, trying the parts of those that are not.
fn in_part(
    case: &Case<'_>,
    (cut, goals): (&Cut<'_>, &Goals),
    required: &[u32],
    held: Clauses,
    tries: &mut u32,
) -> Found {
    *tries = tries.saturating_sub(1);
    let Found::Legal(explanation) = solve(cut, goals, required, held.prefix) else {
        return Found::Illegal;
    };
    let Some(parts) = batch_without_part(case, cut, &explanation, held) else {
        return Found::Legal(explanation);
    };
    for part in parts {
        if *tries == 0 {
            break;
        }
        let required = [required, &[part]].concat();
        let found = in_part(case, (cut, goals), &required, held, tries);
        if matches!(found, Found::Legal(_)) {
            return found;
        }
    }
    Found::Illegal
}

/// The parts of a batch that has to be in the set (by promise, or by the prefix rule) and of which
/// none is or could be.
fn batch_without_part(
    case: &Case<'_>,
    split: &Cut<'_>,
    explanation: &Explanation,
    held: Clauses,
) -> Option<Vec<u32>> {
    let chosen = (0..split.visible).filter(|&at| explanation.chosen[at]);
    let latest = chosen.map(|at| split.table.entries[at].begun).max().unwrap_or(0);
    let parts: Vec<u32> = (0..split.visible as u32).collect();
    let mut batches = parts.chunk_by(|&a, &b| split.entry(a).whole == split.entry(b).whole);
    let missing = batches.find(|batch| {
        let whole = split.entry(batch[0]).whole;
        let promised = held.promise && case.promise.covers(&case.cut, whole);
        let earlier = held.prefix && case.cut.acked(whole) && case.cut.answered(whole) < latest;
        (promised || earlier)
            && batch.len() > 1
            && !batch.iter().any(|&part| can_be_there(split, explanation, part))
    });
    missing.map(<[u32]>::to_vec)
}

/// True if an entry is in the set, or could be without contradicting what came last on its keys.
pub(super) fn can_be_there(cut: &Cut<'_>, explanation: &Explanation, entry: u32) -> bool {
    explanation.chosen[entry as usize]
        || cut.entry(entry).changes.iter().all(|(key, _)| {
            let last = explanation.last[*key as usize];
            !too_late(cut, last, entry)
        })
}

/// The keys of an entry on which it contradicts what came last.
pub(super) fn contradictions(
    cut: &Cut<'_>,
    explanation: &Explanation,
    entry: u32,
) -> Vec<(u32, Last)> {
    let changes = cut.entry(entry).changes.iter();
    let lasts = changes.map(|(key, _)| (*key, explanation.last[*key as usize]));
    lasts.filter(|(_, last)| too_late(cut, *last, entry)).collect()
}

/// Those of them that can be seen: the key does not show what the entry left. Where a key is absent,
/// what explains it need not name the delete that may have made it so.
pub(super) fn visibly_gone(
    case: &Case<'_>,
    cut: &Cut<'_>,
    explanation: &Explanation,
    entry: u32,
) -> Vec<(u32, Last)> {
    let mut gone = contradictions(cut, explanation, entry);
    gone.retain(|(key, _)| !shows(case, cut, entry, *key));
    gone
}

/// True if the key is as the entry left it.
pub(super) fn shows(case: &Case<'_>, cut: &Cut<'_>, entry: u32, key: u32) -> bool {
    let shown = case.contents.get(&cut.table.keys[key as usize]);
    let changes = &cut.entry(entry).changes;
    changes.iter().any(|(changed, value)| *changed == key && value.as_ref() == shown)
}
