//! Fewer and simpler damages: as few as will do, then shorter ranges, single bits.

use super::list::smaller_lists;
use super::number::smaller_numbers;
use super::tries::{Tries, descend};
use crate::media::{Damage, Harm};

/// The fewest and simplest damages that still fail.
pub fn minimize_damages(
    damages: &[Damage],
    tries: &mut Tries,
    mut fails: impl FnMut(&[Damage]) -> bool,
) -> Vec<Damage> {
    descend(damages.to_vec(), tries, |damages| smaller_damages(damages), |damages| fails(damages))
}

/// Fewer or simpler damages, boldest first; never none.
pub fn smaller_damages(damages: &[Damage]) -> Vec<Vec<Damage>> {
    let fewer = smaller_lists(damages).into_iter().filter(|fewer| !fewer.is_empty());
    let mut smaller: Vec<Vec<Damage>> = fewer.collect();
    for (index, damage) in damages.iter().enumerate() {
        for harm in simpler(&damage.harm) {
            let mut damages = damages.to_vec();
            damages[index].harm = harm;
            smaller.push(damages);
        }
    }
    smaller
}

/// The same harm to less: ranges from 1 byte on, one bit, the end of the file alone.
fn simpler(harm: &Harm) -> Vec<Harm> {
    let halves = |offset: u64, len: u64| -> Vec<(u64, u64)> {
        let second = (offset.saturating_add(len / 2), len - len / 2);
        let mut ranges: Vec<(u64, u64)> =
            smaller_numbers(1, len).into_iter().map(|len| (offset, len)).collect();
        ranges.extend((len > 1).then_some(second));
        ranges
    };
    match harm {
        Harm::Flip { offset, mask } if mask.count_ones() > 1 => {
            let bits = (0..8).map(|bit| 1u8 << bit).filter(|bit| mask & bit != 0);
            bits.map(|mask| Harm::Flip { offset: *offset, mask }).collect()
        }
        Harm::Zero { offset, len } => {
            let ranges = halves(*offset, *len).into_iter();
            ranges.map(|(offset, len)| Harm::Zero { offset, len }).collect()
        }
        Harm::Garbage { offset, len, seed } => {
            let ranges = halves(*offset, *len).into_iter();
            ranges.map(|(offset, len)| Harm::Garbage { offset, len, seed: *seed }).collect()
        }
        Harm::ExtendZeros { len } => {
            smaller_numbers(1, *len).into_iter().map(|len| Harm::ExtendZeros { len }).collect()
        }
        Harm::ExtendGarbage { len, seed } => {
            let zeros = std::iter::once(Harm::ExtendZeros { len: *len });
            let shorter = smaller_numbers(1, *len).into_iter();
            zeros.chain(shorter.map(|len| Harm::ExtendGarbage { len, seed: *seed })).collect()
        }
        Harm::Older { offset, bytes } => {
            let ranges = halves(*offset, bytes.len() as u64).into_iter();
            let part = |(at, len): (u64, u64)| {
                let from = (at - offset) as usize;
                Harm::Older { offset: at, bytes: bytes[from..from + len as usize].into() }
            };
            ranges.map(part).collect()
        }
        Harm::Misdirect { offset, len, from, from_offset } => {
            let ranges = halves(*offset, *len).into_iter();
            let part = |(at, len): (u64, u64)| Harm::Misdirect {
                offset: at,
                len,
                from: from.clone(),
                from_offset: from_offset.saturating_add(at - offset),
            };
            ranges.map(part).collect()
        }
        Harm::Flip { .. } | Harm::Truncate { .. } | Harm::Missing => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_small_damage_is_left_of_many() {
        let damages: Vec<Damage> = [
            "truncate a 9",
            "zero b 0 4096",
            "flip b 7 ff",
            "older b 0 000102030405060708090a0b0c0d0e0f",
            "missing c",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let covers = |damages: &[Damage], byte: u64| {
            damages.iter().any(|damage| match damage.harm {
                Harm::Zero { offset, len } => (offset..offset + len).contains(&byte),
                _ => false,
            })
        };
        let mut tries = Tries::new(500);
        let small = minimize_damages(&damages, &mut tries, |damages| covers(damages, 1000));
        assert_eq!(small.len(), 1);
        let Harm::Zero { offset, len } = small[0].harm else { panic!("{small:?}") };
        assert!((offset..offset + len).contains(&1000) && len < 20, "{small:?}");
        assert!(!tries.ran_out());
    }

    #[test]
    fn every_simpler_damage_prints_and_parses() {
        for text in [
            "zero b 0 1",
            "zero b 0 7",
            "garbage b 5 9 1",
            "flip b 7 ff",
            "extend-garbage b 100 4",
            "extend-zeros b 3",
            "older b 4 0001020304",
            "misdirect b 4096 4096 c 512",
            "truncate b 4",
            "missing b",
        ] {
            let damage: Damage = text.parse().unwrap();
            for smaller in smaller_damages(std::slice::from_ref(&damage)) {
                assert_ne!(smaller, std::slice::from_ref(&damage));
                for one in smaller {
                    assert_eq!(one.to_string().parse::<Damage>().unwrap(), one);
                }
            }
        }
    }
}
