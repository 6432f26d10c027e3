//! Fewer items of a list: delta debugging (Zeller and Hildebrandt, ddmin). For requests, lost effects,
//! damages: anything that can be left out.

use super::tries::Tries;

/// The shortest part of `items` that still fails, as far as leaving out any chunk of it finds: without
/// any single one of its items it does not fail (where `tries` was enough). The order stays. The whole
/// is taken to fail.
pub fn minimize_list<T: Clone>(
    items: &[T],
    tries: &mut Tries,
    mut fails: impl FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut current = items.to_vec();
    let mut test = |candidate: &[T], tries: &mut Tries| tries.take() && fails(candidate);
    if !current.is_empty() && test(&[], tries) {
        return Vec::new();
    }
    let mut parts = 2;
    while current.len() > 1 && !tries.ran_out() {
        let chunk = current.len().div_ceil(parts);
        let chunks: Vec<Vec<T>> = current.chunks(chunk).map(<[T]>::to_vec).collect();
        if let Some(alone) = chunks.iter().find(|chunk| test(chunk, tries)) {
            current = alone.clone();
            parts = 2;
            continue;
        }
        // With two chunks, leaving one out is what was just tried.
        let without = (0..chunks.len()).filter(|_| chunks.len() > 2).find_map(|left_out| {
            let rest = without(&chunks, left_out);
            test(&rest, tries).then_some(rest)
        });
        match without {
            Some(rest) => {
                current = rest;
                parts = (parts - 1).max(2);
            }
            None if chunk == 1 => break,
            None => parts = (parts * 2).min(current.len()),
        }
    }
    current
}

fn without<T: Clone>(chunks: &[Vec<T>], left_out: usize) -> Vec<T> {
    let rest = chunks.iter().enumerate().filter(|(index, _)| *index != left_out);
    rest.flat_map(|(_, chunk)| chunk.iter().cloned()).collect()
}

/// Shorter lists, boldest first: nothing, each half, the list without each half, quarter, …, item.
pub fn smaller_lists<T: Clone + PartialEq>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut lists = vec![Vec::new()];
    let mut chunk = items.len().div_ceil(2);
    loop {
        let chunks: Vec<Vec<T>> = items.chunks(chunk).map(<[T]>::to_vec).collect();
        if chunks.len() > 1 {
            lists.extend((0..chunks.len()).map(|left_out| without(&chunks, left_out)));
        }
        if chunk == 1 {
            return lists;
        }
        chunk = chunk.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shrink::descend;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn exactly_the_needed_items_are_left(
            len in 1usize..60, needed in proptest::collection::btree_set(0usize..60, 0..5),
        ) {
            let needed: BTreeSet<usize> = needed.into_iter().filter(|item| *item < len).collect();
            let items: Vec<usize> = (0..len).collect();
            let fails = |part: &[usize]| needed.iter().all(|item| part.contains(item));
            let expected: Vec<usize> = needed.iter().copied().collect();
            let mut tries = Tries::new(10_000);
            prop_assert_eq!(minimize_list(&items, &mut tries, fails), expected.clone());
            prop_assert!(tries.used() < 1500, "{} tries", tries.used());
            let mut tries = Tries::new(10_000);
            let found =
                descend(items, &mut tries, |items| smaller_lists(items), |part| fails(part));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_left_fails_whatever_the_predicate_says(seed: u64, limit in 0u32..60) {
            let items: Vec<u64> = (0..20).collect();
            let fails = |part: &[u64]| {
                let sum = part.iter().fold(seed, |sum, item| sum.rotate_left(5) ^ item);
                part.len() == 20 || sum.is_multiple_of(3)
            };
            let mut tries = Tries::new(limit);
            let left = minimize_list(&items, &mut tries, fails);
            prop_assert!(fails(&left));
            prop_assert!(tries.used() <= limit);
        }
    }
}
