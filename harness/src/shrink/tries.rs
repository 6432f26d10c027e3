//! The bound on a search, and the plainest search there is.

/// How often a case may be tried. What was used and whether it was enough is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tries {
    used: u32,
    limit: u32,
    ran_out: bool,
}

impl Tries {
    /// At most `limit` tries.
    pub fn new(limit: u32) -> Tries {
        Tries { used: 0, limit, ran_out: false }
    }

    /// Takes one try; false if there is none left.
    pub fn take(&mut self) -> bool {
        if self.used == self.limit {
            self.ran_out = true;
            return false;
        }
        self.used += 1;
        true
    }

    /// How many were used.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// True if a search wanted another one: what it found may not be the smallest.
    pub fn ran_out(&self) -> bool {
        self.ran_out
    }
}

/// Takes the first of the smaller cases that still fails, again and again, until none does.
pub fn descend<T>(
    start: T,
    tries: &mut Tries,
    mut smaller: impl FnMut(&T) -> Vec<T>,
    mut fails: impl FnMut(&T) -> bool,
) -> T {
    let mut current = start;
    loop {
        let next = smaller(&current).into_iter().find(|case| tries.take() && fails(case));
        match next {
            Some(next) => current = next,
            None => return current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_stops_at_its_bound_and_says_so() {
        let halves = |n: &u32| if *n > 1 { vec![n / 2, n - 1] } else { Vec::new() };
        let mut tries = Tries::new(100);
        assert_eq!(descend(1000, &mut tries, halves, |n| *n >= 17), 17);
        assert!(!tries.ran_out() && tries.used() < 100);
        let mut tries = Tries::new(5);
        assert!(descend(1000, &mut tries, halves, |n| *n >= 17) > 17);
        assert!(tries.ran_out());
        assert_eq!(tries.used(), 5);
    }
}
