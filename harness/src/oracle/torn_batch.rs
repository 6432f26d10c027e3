//! `torn-batch`: a batch is there in part (clause 2). Judged where the driver says `batch`.

use super::case::Case;
use super::legal::{can_be_there, contradictions, visibly_gone};
use super::sentence::{entry, instead};
use super::solve::{Explanation, Last};
use super::table::Cut;
use super::verdict::{Kind, Violation};

/// The violation, given what explains the contents when batches may be torn.
pub(super) fn violation(case: &Case<'_>, torn: &Explanation) -> Violation {
    let cut = case.parts();
    let last_on_its_key = |part: u32| {
        let changes = &cut.entry(part).changes;
        changes.iter().any(|(key, _)| torn.last[*key as usize] == Last::Entry(part))
    };
    let put = |part: u32| cut.entry(part).changes.iter().all(|(_, value)| value.is_some());
    let parts: Vec<u32> = (0..cut.visible as u32).collect();
    let batches = || {
        let batches = parts.chunk_by(|&a, &b| cut.entry(a).whole == cut.entry(b).whole);
        batches.filter(|batch| batch.len() > 1)
    };
    // A value that is there and a change that is not are what a person can see; then a delete that must be
    // there, or a change that may be, and one that is not; then what can only be worked out.
    type There<'a> = &'a dyn Fn(u32) -> bool;
    let seen = |there: There<'_>| {
        batches().find_map(|batch| {
            let there = batch.iter().copied().find(|&part| there(part))?;
            let mut gone = batch.iter().copied();
            Some((there, gone.find(|&part| !visibly_gone(case, &cut, torn, part).is_empty())?))
        })
    };
    let worked_out = || {
        batches().find_map(|batch| {
            let there = batch.iter().copied().find(|&part| last_on_its_key(part))?;
            let mut gone = batch.iter().copied();
            Some((there, gone.find(|&part| !can_be_there(&cut, torn, part))?))
        })
    };
    let pair = seen(&|part| last_on_its_key(part) && put(part))
        .or_else(|| seen(&last_on_its_key))
        .or_else(|| seen(&|part| can_be_there(&cut, torn, part)))
        .or_else(worked_out);
    if let Some(pair) = pair {
        return sentence(case, &cut, torn, pair);
    }
    let text = format!("no batches that are whole give what the store has {}", case.after);
    let whole = (0..case.cut.visible as u32).filter(|&at| case.cut.entry(at).changes.len() > 1);
    case.violation(Kind::TornBatch, text, [], whole)
}

fn sentence(
    case: &Case<'_>,
    cut: &Cut<'_>,
    torn: &Explanation,
    (there, gone): (u32, u32),
) -> Violation {
    let whole = cut.entry(there).whole;
    let key = |part: u32| cut.entry(part).changes[0].0;
    let last = contradictions(cut, torn, gone).first().map_or(Last::Any, |(_, last)| *last);
    let text = format!(
        "a batch of {} is there in part {}: {} is there, its {} is not ({})",
        case.cut.entry(whole).changes.len(),
        case.after,
        entry(&case.cut, whole, key(there)),
        change(cut, gone),
        instead(cut, case.contents, key(gone), last, gone),
    );
    case.violation(Kind::TornBatch, text, [key(gone), key(there)], [whole])
}

fn change(cut: &Cut<'_>, part: u32) -> String {
    let (key, value) = &cut.entry(part).changes[0];
    let verb = if value.is_some() { "put" } else { "del" };
    format!("{verb} {}", cut.table.keys[*key as usize])
}
