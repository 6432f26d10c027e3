//! `hole`: what survives is not a prefix of the acknowledged order (clause 5): something is there
//! that began after the acknowledgement of something that is not. Judged with `order=prefix`.

use super::case::Case;
use super::legal::visibly_gone;
use super::sentence::{entry, instead};
use super::solve::Explanation;
use super::verdict::{Kind, Violation};

/// The violation, given what explains the contents when holes are allowed.
pub(super) fn violation(case: &Case<'_>, holed: &Explanation) -> Violation {
    let cut = &case.cut;
    let there = || (0..cut.visible as u32).filter(|&at| holed.chosen[at as usize]);
    let mut missing =
        cut.table.by_ack.iter().copied().filter(|&at| {
            (at as usize) < cut.visible && cut.acked(at) && !holed.chosen[at as usize]
        });
    let named = missing.find_map(|gone| {
        let (key, last) = visibly_gone(case, cut, holed, gone).into_iter().next()?;
        let later = there().find(|&later| cut.precedes(gone, later))?;
        Some((gone, key, last, later))
    });
    let Some((gone, key, last, later)) = named else {
        let text =
            format!("what survived is not a prefix of the acknowledged order {}", case.after);
        return case.violation(Kind::Hole, text, [], []);
    };
    let later_key = cut.entry(later).changes[0].0;
    let text = format!(
        "{} is gone {} ({}), although the later {} is there",
        entry(cut, gone, key),
        case.after,
        instead(cut, case.contents, key, last, gone),
        entry(cut, later, later_key),
    );
    case.violation(Kind::Hole, text, [key, later_key], [gone, later])
}
