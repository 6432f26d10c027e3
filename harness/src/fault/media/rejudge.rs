//! One saved media case judged again, and smaller cases that might fail alike.

use crate::base::{HarnessError, Result};
use crate::fault::context::Context;
use crate::fault::outcome::Rejudged;
use crate::fault::stored;
use crate::media::{Damage, Harm, apply_all};
use crate::oracle::media::Damage as Harmed;
use crate::oracle::{END, Judge, Loss};
use crate::recover::Worker;
use crate::scenario::{Case, MediaStrike, Strike};
use crate::workload::Moment;

use super::tally;

/// Damages the base again and judges what a fresh driver makes of it.
pub fn rejudge(ctx: &Context<'_>, case: &Case) -> Result<Rejudged> {
    let Strike::Media(strike) = &case.strike else {
        return Err(HarnessError::input("case.strike: expected the fault `media`"));
    };
    let history = strike.history.parse()?;
    let damages = damages(strike)?;
    let base = stored::get(&case.files, &strike.base);
    let image = apply_all(&base, &damages).ok_or_else(|| {
        HarnessError::input("case.strike.damages: one of them changes nothing in `base`")
    })?;
    let harmed = Harmed {
        loss: if strike.killed { Loss::Kill } else { Loss::None },
        moment: END,
        written_after: strike.written_after.map(Moment),
        rollback: strike.rollback,
        control_warned: case.control_warned,
    };
    let recovery = Worker::new(&ctx.setup())?.recover(&image)?;
    let judge = Judge::new(&history, &ctx.control.capabilities);
    let verdict = judge.damaged(&harmed, &recovery);
    Ok(Rejudged { verdict, evidence: tally::evidence(&recovery) })
}

pub(super) fn damages(strike: &MediaStrike) -> Result<Vec<Damage>> {
    let parse = |(number, text): (usize, &String)| {
        text.parse().map_err(|error: HarnessError| {
            HarnessError::input(format!("case.strike.damages[{number}]: {error}"))
        })
    };
    strike.damages.iter().enumerate().map(parse).collect()
}

/// Fewer damages, then shorter ranges. What a smaller damage may leave can be an earlier legal state,
/// which only the snapshots of the run could tell: where that bears on the verdict nothing is shrunk.
pub fn smaller(case: &Case) -> Vec<Case> {
    let Strike::Media(strike) = &case.strike else { return Vec::new() };
    let Ok(damages) = damages(strike) else { return Vec::new() };
    if case.capabilities.split(' ').any(|word| word == "corruption=detected") {
        return Vec::new();
    }
    let mut smaller: Vec<Vec<Damage>> = Vec::new();
    if damages.len() > 1 {
        for skip in 0..damages.len() {
            let kept = damages.iter().enumerate().filter(|(at, _)| *at != skip);
            smaller.push(kept.map(|(_, damage)| damage.clone()).collect());
        }
    }
    for (at, damage) in damages.iter().enumerate() {
        for harm in shorter(&damage.harm) {
            let mut damages = damages.clone();
            damages[at] = Damage { harm, ..damage.clone() };
            smaller.push(damages);
        }
    }
    // Half a range may be as it was already.
    let base = stored::get(&case.files, &strike.base);
    smaller
        .into_iter()
        .filter(|damages| apply_all(&base, damages).is_some())
        .map(|damages| {
            let damages = damages.iter().map(Damage::to_string).collect();
            let strike = MediaStrike { damages, ..strike.clone() };
            Case { strike: Strike::Media(strike), ..case.clone() }
        })
        .collect()
}

/// Half the range, either half.
fn shorter(harm: &Harm) -> Vec<Harm> {
    let halves = |offset: u64, len: u64| {
        let half = len / 2;
        [(offset, half), (offset + half, len - half)].into_iter().filter(move |_| len > 1)
    };
    match *harm {
        Harm::Zero { offset, len } => {
            halves(offset, len).map(|(offset, len)| Harm::Zero { offset, len }).collect()
        }
        Harm::Garbage { offset, len, seed } => {
            let garbage = |(offset, len)| Harm::Garbage { offset, len, seed };
            halves(offset, len).map(garbage).collect()
        }
        Harm::ExtendZeros { len } if len > 1 => vec![Harm::ExtendZeros { len: len / 2 }],
        Harm::ExtendGarbage { len, seed } if len > 1 => {
            vec![Harm::ExtendGarbage { len: len / 2, seed }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    /// What is offered in the place of `damage`, done to a file of these bytes.
    fn offered(bytes: &[u8], damage: &str) -> Vec<Vec<String>> {
        let mut base = Image::empty();
        base.put("log", bytes);
        let mut case = Case::default();
        stored::put(&mut case.files, "base", &base);
        let strike = MediaStrike {
            base: "base".into(),
            damages: vec![damage.into()],
            ..MediaStrike::default()
        };
        case.strike = Strike::Media(strike);
        let damages = |case: Case| match case.strike {
            Strike::Media(strike) => strike.damages,
            _ => Vec::new(),
        };
        smaller(&case).into_iter().map(damages).collect()
    }

    #[test]
    fn halves_are_offered_but_those_that_change_nothing() {
        assert_eq!(offered(b"abcd", "zero log 0 4"), [["zero log 0 2"], ["zero log 2 2"]]);
        assert_eq!(offered(b"ab\0\0", "zero log 0 4"), [["zero log 0 2"]]);
    }
}
