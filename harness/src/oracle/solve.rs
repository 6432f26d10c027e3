//! The search for a legal explanation: a set of entries and an order of it that gives exactly what
//! recovery showed (ORACLE.md, Legal contents). This file knows the clauses and not their names.
//!
//! For each key the entry that must come last on it is looked for: one that wrote the value which is
//! there, one that deleted the key which is not, or none at all. Given those, the smallest set will
//! do, for every further entry only adds constraints: the required entries, the last ones, and with
//! `order=prefix` what the rule adds. The set has a legal order exactly if "was answered before it
//! began" and "every entry of the set that changes a key comes before the last one on it" have no
//! cycle. A key with several possible last entries (short values written twice, several deletes) is
//! a choice: a greedy one first, which nearly always does; then constraint propagation, then
//! bounded backtracking. At the bound the answer is `Undecided`, which counts as admissible.

use std::collections::{BTreeMap, BTreeSet};

use super::goals::{Goal, Goals};
use super::table::{Cut, NEVER};

/// How many partial choices are tried before a case is given up as undecided.
const TRIES: u32 = 20_000;

/// What the search found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A legal explanation.
    Legal(Explanation),
    /// There is none.
    Illegal,
    /// Too many choices.
    Undecided,
}

/// What came last on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// Not chosen yet.
    Open,
    /// It does not matter.
    Any,
    /// Nothing in the set changes the key.
    Nothing,
    /// This entry.
    Entry(u32),
}

/// A set of entries and the last one on each key.
#[derive(Clone, Debug)]
pub(super) struct Explanation {
    /// Which entries are in the set.
    pub chosen: Vec<bool>,
    /// The last one on each key.
    pub last: Vec<Last>,
    /// How many of the table's `by_ack` the prefix rule has taken in.
    swept: usize,
}

/// Looks for an explanation of `goals` that holds every entry of `required`.
pub(super) fn solve(cut: &Cut<'_>, goals: &Goals, required: &[u32], prefix: bool) -> Found {
    let mut solver = Solver { cut, goals, prefix, tries: TRIES };
    let mut start = Explanation {
        chosen: vec![false; cut.visible],
        last: vec![Last::Open; goals.keys.len()],
        swept: 0,
    };
    for &entry in required {
        solver.add(&mut start, entry);
    }
    solver.fix_what_has_one_option(&mut start);
    if !solver.possible(&start) {
        return Found::Illegal;
    }
    match solver.greedy(start.clone()) {
        Some(explanation) => Found::Legal(explanation),
        None => solver.search(start),
    }
}

/// True if what is chosen contradicts what came last on `key`: something chosen certainly comes
/// after it.
pub(super) fn too_late(cut: &Cut<'_>, last: Last, entry: u32) -> bool {
    match last {
        Last::Open | Last::Any => false,
        Last::Nothing => true,
        Last::Entry(last) => last != entry && cut.precedes(last, entry),
    }
}

struct Solver<'a> {
    cut: &'a Cut<'a>,
    goals: &'a Goals,
    prefix: bool,
    tries: u32,
}

impl Solver<'_> {
    /// Puts an entry into the set, with all that the prefix rule demands for it.
    fn add(&self, set: &mut Explanation, entry: u32) {
        set.chosen[entry as usize] = true;
        if !self.prefix {
            return;
        }
        let begun = self.cut.entry(entry).begun;
        while let Some(&earlier) = self.cut.table.by_ack.get(set.swept) {
            if self.cut.answered(earlier) >= begun {
                break;
            }
            set.chosen[earlier as usize] |= self.cut.acked(earlier);
            set.swept += 1;
        }
    }

    fn choose(&self, set: &mut Explanation, key: usize, last: Last) {
        set.last[key] = last;
        if let Last::Entry(entry) = last {
            self.add(set, entry);
        }
    }

    fn fix_what_has_one_option(&self, set: &mut Explanation) {
        for (key, goal) in self.goals.keys.iter().enumerate() {
            match (goal, self.goals.candidates(goal)) {
                (Goal::Any, _) => self.choose(set, key, Last::Any),
                (Goal::Present(_), [only]) => self.choose(set, key, Last::Entry(*only)),
                (Goal::Absent(_), []) => self.choose(set, key, Last::Nothing),
                _ => {}
            }
        }
    }

    fn open_keys(&self, set: &Explanation) -> Vec<usize> {
        (0..set.last.len()).filter(|&key| set.last[key] == Last::Open).collect()
    }

    /// True if nothing in the set certainly comes after `last` on the key.
    fn fits(&self, set: &Explanation, key: usize, last: Last) -> bool {
        let touches = self.cut.touches(key as u32).iter();
        let mut chosen = touches.filter(|touch| set.chosen[touch.entry as usize]);
        !chosen.any(|touch| too_late(self.cut, last, touch.entry))
    }

    /// Takes for each open key what costs least: something in the set already, nothing, the cheapest
    /// addition; again, as the set grows, until nothing changes.
    fn greedy(&self, mut set: Explanation) -> Option<Explanation> {
        let open = self.open_keys(&set);
        loop {
            let mut grown = false;
            for &key in &open {
                let last = self.cheapest(&set, key)?;
                if let Last::Entry(entry) = last {
                    grown |= !set.chosen[entry as usize];
                }
                self.choose(&mut set, key, last);
            }
            if !grown {
                return self.possible(&set).then_some(set);
            }
        }
    }

    fn cheapest(&self, set: &Explanation, key: usize) -> Option<Last> {
        let goal = &self.goals.keys[key];
        let candidates = self.goals.candidates(goal);
        let fits = |&&entry: &&u32| self.fits(set, key, Last::Entry(entry));
        let inside = candidates.iter().filter(|&&entry| set.chosen[entry as usize]);
        if let Some(&entry) = inside.rev().find(fits) {
            return Some(Last::Entry(entry));
        }
        if matches!(goal, Goal::Absent(_)) && self.fits(set, key, Last::Nothing) {
            return Some(Last::Nothing);
        }
        let alone = |entry: &&u32| self.cut.entry(**entry).changes.len() == 1;
        let fitting = || candidates.iter().filter(fits);
        let single = (!self.prefix).then(|| fitting().find(alone)).flatten();
        single.or_else(|| fitting().next()).map(|&entry| Last::Entry(entry))
    }

    /// Propagation and backtracking over the open keys.
    fn search(&mut self, mut set: Explanation) -> Found {
        loop {
            let mut decided = false;
            let mut branch: Option<(usize, Vec<Explanation>)> = None;
            for key in self.open_keys(&set) {
                let mut options = self.options(&set, key);
                if self.tries == 0 {
                    return Found::Undecided;
                }
                match options.len() {
                    0 => return Found::Illegal,
                    1 => {
                        set = options.remove(0);
                        decided = true;
                    }
                    many => {
                        if branch.as_ref().is_none_or(|(_, best)| many < best.len()) {
                            branch = Some((key, options));
                        }
                    }
                }
            }
            if decided {
                continue;
            }
            let Some((_, options)) = branch else {
                return Found::Legal(set);
            };
            let mut undecided = false;
            for option in options {
                match self.search(option) {
                    Found::Illegal => {}
                    Found::Undecided => undecided = true,
                    legal => return legal,
                }
            }
            return if undecided { Found::Undecided } else { Found::Illegal };
        }
    }

    /// Every choice for `key` that is possible with what has been chosen so far.
    fn options(&mut self, set: &Explanation, key: usize) -> Vec<Explanation> {
        let goal = &self.goals.keys[key];
        let nothing = matches!(goal, Goal::Absent(_)).then_some(Last::Nothing);
        let entries = self.goals.candidates(goal).iter().map(|&entry| Last::Entry(entry));
        let mut options = Vec::new();
        for last in nothing.into_iter().chain(entries) {
            self.tries = self.tries.saturating_sub(1);
            if self.tries == 0 {
                break;
            }
            let mut next = set.clone();
            self.choose(&mut next, key, last);
            if self.possible(&next) {
                options.push(next);
            }
        }
        options
    }

    /// True if the set has an order in which the chosen entries come last on their keys.
    fn possible(&self, set: &Explanation) -> bool {
        let mut backward = false;
        for (key, &last) in set.last.iter().enumerate() {
            if matches!(last, Last::Open | Last::Any) {
                continue;
            }
            for touch in self.cut.touches(key as u32) {
                if !set.chosen[touch.entry as usize] {
                    continue;
                }
                if too_late(self.cut, last, touch.entry) {
                    return false;
                }
                // Entries are sorted by their beginnings, and so is every "answered before began":
                // only an edge against that order can close a cycle.
                backward |= matches!(last, Last::Entry(entry) if entry < touch.entry);
            }
        }
        !backward || self.acyclic(set)
    }

    /// Takes entry after entry away whose predecessors are all gone. What began first among the free
    /// ones can go if nothing that is left was answered before it began; if it cannot, nothing can.
    fn acyclic(&self, set: &Explanation) -> bool {
        let mut waits: BTreeMap<u32, u32> = BTreeMap::new();
        let mut frees: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (key, &last) in set.last.iter().enumerate() {
            let Last::Entry(last) = last else { continue };
            for touch in self.cut.touches(key as u32) {
                if touch.entry != last && set.chosen[touch.entry as usize] {
                    *waits.entry(last).or_default() += 1;
                    frees.entry(touch.entry).or_default().push(last);
                }
            }
        }
        let members = (0..self.cut.visible as u32).filter(|&entry| set.chosen[entry as usize]);
        let (mut free, mut ends) = (BTreeSet::new(), BTreeSet::new());
        for entry in members {
            ends.insert((self.cut.answered(entry), entry));
            if !waits.contains_key(&entry) {
                free.insert(entry);
            }
        }
        while let Some(entry) = free.pop_first() {
            let first_end = ends.first().map_or(NEVER, |&(end, _)| end);
            if first_end < self.cut.entry(entry).begun {
                return false;
            }
            ends.remove(&(self.cut.answered(entry), entry));
            for &last in frees.get(&entry).into_iter().flatten() {
                let left = waits.get_mut(&last).expect("it was counted");
                *left -= 1;
                if *left == 0 {
                    free.insert(last);
                }
            }
        }
        ends.is_empty()
    }
}
