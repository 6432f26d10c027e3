//! A smaller number: an earlier crash point, a shorter range.

use super::tries::Tries;

/// The smallest number in `low..=start` that is found to fail: by halving where failure is monotone,
/// and by steps from below where it is not. `start` is taken to fail.
pub fn minimize_number(
    low: u64,
    start: u64,
    tries: &mut Tries,
    mut fails: impl FnMut(u64) -> bool,
) -> u64 {
    let mut current = start;
    'again: loop {
        for candidate in smaller_numbers(low, current) {
            if tries.take() && fails(candidate) {
                current = candidate;
                continue 'again;
            }
        }
        return current;
    }
}

/// Smaller numbers, boldest first: the lowest, then half the way up, and so on to the one before.
pub fn smaller_numbers(low: u64, start: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut candidate = low;
    while candidate < start {
        numbers.push(candidate);
        candidate += (start - candidate).div_ceil(2);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_failing_number_is_found_where_failure_is_monotone() {
        for least in [0, 1, 17, 99, 100] {
            let mut tries = Tries::new(200);
            assert_eq!(minimize_number(0, 100, &mut tries, |n| n >= least), least);
            assert!(!tries.ran_out());
        }
    }

    #[test]
    fn what_is_found_fails_where_it_is_not() {
        let fails = |n: u64| n.is_multiple_of(7) && n > 20;
        assert!(fails(minimize_number(3, 98, &mut Tries::new(200), fails)));
        assert_eq!(minimize_number(5, 5, &mut Tries::new(9), |_| panic!("nothing is smaller")), 5);
    }
}
