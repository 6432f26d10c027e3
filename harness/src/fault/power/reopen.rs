//! `unstable` for every image whose recovery writes: what recovery left is opened again, and must show
//! what recovery showed. Many images are recovered to one and the same directory, so each directory is
//! opened once, however many images led to it. Images that recovery leaves as they are need none of
//! this: opening them again is what was done. (What the first of two openings showed, where a driver
//! opens twice before its `dump`, is looked at on a sample; see `bench`.)

use std::collections::{BTreeSet, HashMap};

use super::memory::RecoveryNo;
use crate::image::Image;

/// One image's recovery, waiting for what its directory shows.
#[derive(Clone, Debug)]
pub struct Waiting<T> {
    /// The number of the visit.
    pub visit: u64,
    /// What was judged on the image first.
    pub ask: T,
    /// What it recovered to.
    pub shown: RecoveryNo,
}

/// What to do about a directory that a recovery left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Open it; the answer comes under this number.
    Open(u64),
    /// It is being opened.
    Wait,
    /// It was opened and showed this: to be compared.
    Compare(RecoveryNo),
    /// It was opened, and shows what this image recovered to.
    Fine,
}

/// The directories that recoveries left.
#[derive(Debug)]
pub struct Reopened<T> {
    numbers: HashMap<u128, usize>,
    shown: Vec<Option<RecoveryNo>>,
    waiting: HashMap<usize, (Image, Vec<Waiting<T>>)>,
    fine: BTreeSet<(RecoveryNo, RecoveryNo)>,
}

impl<T> Default for Reopened<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            shown: Vec::new(),
            waiting: HashMap::new(),
            fine: BTreeSet::new(),
        }
    }
}

impl<T> Reopened<T> {
    /// Takes in that a recovery left `left`.
    pub fn left(&mut self, left: &Image, one: Waiting<T>) -> Next {
        let number = match self.numbers.get(&left.hash()) {
            Some(number) => *number,
            None => {
                let number = self.shown.len();
                self.numbers.insert(left.hash(), number);
                self.shown.push(None);
                self.waiting.insert(number, (left.clone(), vec![one]));
                return Next::Open(number as u64);
            }
        };
        match self.shown[number] {
            Some(again) if self.fine.contains(&(one.shown, again)) => Next::Fine,
            Some(again) => Next::Compare(again),
            None => {
                if let Some((_, waiting)) = self.waiting.get_mut(&number) {
                    waiting.push(one);
                }
                Next::Wait
            }
        }
    }

    /// Takes in what a directory showed; the directory, and those that waited for it.
    pub fn opened(&mut self, number: u64, again: RecoveryNo) -> Option<(Image, Vec<Waiting<T>>)> {
        *self.shown.get_mut(number as usize)? = Some(again);
        self.waiting.remove(&(number as usize))
    }

    /// Remembers that a directory may show `again` where recovery showed `shown`.
    pub fn is_fine(&mut self, shown: RecoveryNo, again: RecoveryNo) {
        self.fine.insert((shown, again));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::power::memory::{Known, Memory};
    use crate::recover::{Recovered, Recovery};
    use crate::workload::{Key, Value};

    fn recoveries() -> [RecoveryNo; 2] {
        let mut memory = Memory::default();
        ["1", "2"].map(|value| {
            let Known::New(no) = memory.image(value.len() as u128 + value.as_bytes()[0] as u128)
            else {
                panic!("it was never seen")
            };
            let contents = [(Key::from("k"), Value::from(value))].into();
            memory.learn(no, &Recovery::Opened(Recovered { contents, ..Recovered::default() }))
        })
    }

    #[test]
    fn a_directory_is_opened_once_and_compared_with_whatever_led_to_it_until_that_is_fine() {
        let [one, two] = recoveries();
        let mut left = Image::empty();
        assert!(left.put("f", b"x"));
        let mut reopened = Reopened::default();
        let waiting = |visit, shown| Waiting { visit, ask: (), shown };
        assert_eq!(reopened.left(&left, waiting(9, one)), Next::Open(0));
        assert_eq!(reopened.left(&left, waiting(4, two)), Next::Wait);
        let (image, compare) = reopened.opened(0, one).unwrap();
        assert_eq!(image.hash(), left.hash());
        assert_eq!(compare.len(), 2);
        reopened.is_fine(one, one);
        assert_eq!(reopened.left(&left, waiting(10, one)), Next::Fine);
        assert_eq!(reopened.left(&left, waiting(11, two)), Next::Compare(one), "it is not fine");
        assert!(reopened.opened(0, one).is_none());
        assert!(left.put("f", b"y"));
        assert_eq!(reopened.left(&left, waiting(12, two)), Next::Open(1));
    }
}
