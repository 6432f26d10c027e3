//! Each finding is judged again from its saved case, in fresh processes, before anybody is told; then
//! made smaller as far as it keeps failing alike.

use crate::base::{Result, limits};
use crate::fault::{Context, Fault, Finding};
use crate::oracle::{Kind, Verdict};
use crate::scenario::Case;

/// What came of judging a finding again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It failed again, in this many of this many tries.
    Again(u32, u32),
    /// It never failed again: unplug or the target disagrees with itself.
    Never(u32),
}

/// True if the verdict shows this kind.
pub fn shows(verdict: &Verdict, kind: Kind) -> bool {
    verdict.violations.iter().any(|violation| violation.kind == kind)
}

/// Judges the finding's case again: twice, or five times where it does not fail each time.
pub fn confirm(fault: &dyn Fault, ctx: &Context<'_>, finding: &mut Finding) -> Result<Confirmed> {
    let mut failed = 0;
    let mut tries = 0;
    while tries < limits::CONFIRM_TRIES && !ctx.budget.interrupted() {
        let again = fault.rejudge(ctx, &finding.case)?;
        tries += 1;
        if shows(&again.verdict, finding.kind) {
            failed += 1;
            if finding.evidence.is_empty() {
                finding.evidence = again.evidence;
            }
        }
        if tries == limits::CONFIRM_ALWAYS && failed == tries {
            break;
        }
    }
    finding.frequency = Some((failed, tries));
    Ok(if failed > 0 { Confirmed::Again(failed, tries) } else { Confirmed::Never(tries) })
}

/// Takes the boldest smaller case that still fails alike, again and again, as far as the tries go.
/// Returns how many tries it took.
pub fn shrink(fault: &dyn Fault, ctx: &Context<'_>, kind: Kind, case: &mut Case) -> Result<u32> {
    let mut tries = 0;
    'smaller: loop {
        for candidate in fault.smaller(case) {
            if tries >= limits::SHRINK_TRIES || ctx.budget.interrupted() {
                break 'smaller;
            }
            tries += 1;
            if shows(&fault.rejudge(ctx, &candidate)?.verdict, kind) {
                *case = candidate;
                continue 'smaller;
            }
        }
        break;
    }
    Ok(tries)
}
