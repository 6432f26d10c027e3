//! A persistent, sparse vector: a radix tree of small branches behind `Arc`. A clone costs one
//! reference, an edit copies one branch a level, what is absent costs nothing, and two trees that
//! share branches are compared by what they do not share.

use std::sync::Arc;

/// Small branches: a leaf branch is copied with one reference to each of its pages, and those are far
/// apart in memory.
const BITS: u32 = 3;
const FANOUT: usize = 1 << BITS;

#[derive(Debug)]
enum Slot<T> {
    Empty,
    Leaf(T),
    Branch(Arc<Branch<T>>),
}

impl<T: Clone> Clone for Slot<T> {
    fn clone(&self) -> Self {
        match self {
            Slot::Empty => Slot::Empty,
            Slot::Leaf(value) => Slot::Leaf(value.clone()),
            Slot::Branch(branch) => Slot::Branch(Arc::clone(branch)),
        }
    }
}

#[derive(Debug)]
struct Branch<T> {
    slots: [Slot<T>; FANOUT],
    used: u32,
}

impl<T: Clone> Clone for Branch<T> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), used: self.used }
    }
}

impl<T> Branch<T> {
    fn new() -> Self {
        Self { slots: std::array::from_fn(|_| Slot::Empty), used: 0 }
    }
}

/// A sparse vector of `T` by `u64`.
#[derive(Debug)]
pub(super) struct Radix<T> {
    root: Option<Arc<Branch<T>>>,
    /// Levels below and with the root; 0 where there is none.
    height: u32,
}

impl<T> Clone for Radix<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), height: self.height }
    }
}

impl<T> Default for Radix<T> {
    fn default() -> Self {
        Self { root: None, height: 0 }
    }
}

fn slot_of(key: u64, level: u32) -> usize {
    ((key >> (level * BITS)) & (FANOUT as u64 - 1)) as usize
}

/// True if `key` fits a tree of `height` levels.
fn fits(key: u64, height: u32) -> bool {
    let bits = height * BITS;
    bits >= u64::BITS || key >> bits == 0
}

impl<T: Clone> Radix<T> {
    /// What is at `key`.
    pub(super) fn get(&self, key: u64) -> Option<&T> {
        if !fits(key, self.height) {
            return None;
        }
        let mut branch = self.root.as_deref()?;
        for level in (0..self.height).rev() {
            match &branch.slots[slot_of(key, level)] {
                Slot::Empty => return None,
                Slot::Leaf(value) => return Some(value),
                Slot::Branch(next) => branch = next,
            }
        }
        None
    }

    /// Puts `value` at `key` and returns what was there.
    pub(super) fn set(&mut self, key: u64, value: T) -> Option<T> {
        while self.root.is_none() || !fits(key, self.height) {
            match self.root.take() {
                None => {
                    self.height = 1;
                    while !fits(key, self.height) {
                        self.height += 1;
                    }
                    self.root = Some(Arc::new(Branch::new()));
                }
                Some(old) => {
                    let mut branch = Branch::new();
                    branch.slots[0] = Slot::Branch(old);
                    branch.used = 1;
                    self.root = Some(Arc::new(branch));
                    self.height += 1;
                }
            }
        }
        let height = self.height;
        let mut branch = Arc::make_mut(self.root.as_mut()?);
        for level in (1..height).rev() {
            let at = slot_of(key, level);
            if matches!(branch.slots[at], Slot::Empty) {
                branch.slots[at] = Slot::Branch(Arc::new(Branch::new()));
                branch.used += 1;
            }
            match &mut branch.slots[at] {
                Slot::Branch(next) => branch = Arc::make_mut(next),
                _ => return None,
            }
        }
        let slot = &mut branch.slots[slot_of(key, 0)];
        match std::mem::replace(slot, Slot::Leaf(value)) {
            Slot::Leaf(old) => Some(old),
            _ => {
                branch.used += 1;
                None
            }
        }
    }

    /// What is at `key`, to be changed; branches on the way that are shared are copied.
    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.get(key)?;
        let mut branch = Arc::make_mut(self.root.as_mut()?);
        for level in (0..self.height).rev() {
            match &mut branch.slots[slot_of(key, level)] {
                Slot::Empty => return None,
                Slot::Leaf(value) => return Some(value),
                Slot::Branch(next) => branch = Arc::make_mut(next),
            }
        }
        None
    }

    /// Takes out what is at `key`.
    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        self.get(key)?;
        let old = remove_in(Arc::make_mut(self.root.as_mut()?), key, self.height - 1);
        if self.root.as_ref().is_some_and(|root| root.used == 0) {
            *self = Self::default();
        }
        old
    }

    /// Calls `visit` with every key from `from` on, in order, until it says false.
    pub(super) fn each_from<'a>(&'a self, from: u64, visit: &mut dyn FnMut(u64, &'a T) -> bool) {
        if let Some(root) = &self.root
            && fits(from, self.height)
        {
            each_in(root, self.height - 1, 0, from, visit);
        }
    }

    /// The first key from `from` on.
    pub(super) fn first_from(&self, from: u64) -> Option<u64> {
        let mut found = None;
        self.each_from(from, &mut |key, _| {
            found = Some(key);
            false
        });
        found
    }

    /// Calls `visit` with every key at which the two differ, in order, without looking at what they
    /// share. `same` compares two values.
    pub(super) fn differences<'a>(
        &'a self,
        other: &'a Radix<T>,
        same: &dyn Fn(&T, &T) -> bool,
        visit: &mut dyn FnMut(u64, Option<&'a T>, Option<&'a T>),
    ) {
        let height = self.height.max(other.height);
        if height > 0 {
            let old = self.root.as_deref().map(|root| (root, self.height - 1));
            let new = other.root.as_deref().map(|root| (root, other.height - 1));
            differ(old, new, height - 1, 0, same, visit);
        }
    }
}

fn remove_in<T: Clone>(branch: &mut Branch<T>, key: u64, level: u32) -> Option<T> {
    let at = slot_of(key, level);
    let (old, empty) = match &mut branch.slots[at] {
        Slot::Empty => return None,
        Slot::Leaf(value) => (Some(value.clone()), true),
        Slot::Branch(next) => {
            let next = Arc::make_mut(next);
            let old = remove_in(next, key, level - 1);
            (old, next.used == 0)
        }
    };
    if empty {
        branch.slots[at] = Slot::Empty;
        branch.used -= 1;
    }
    old
}

fn each_in<'a, T>(
    branch: &'a Branch<T>,
    level: u32,
    base: u64,
    from: u64,
    visit: &mut dyn FnMut(u64, &'a T) -> bool,
) -> bool {
    let first = if from > base { slot_of(from, level) } else { 0 };
    for (at, slot) in branch.slots.iter().enumerate().skip(first) {
        let key = base | ((at as u64) << (level * BITS));
        let go_on = match slot {
            Slot::Empty => true,
            Slot::Leaf(value) => visit(key, value),
            Slot::Branch(next) => each_in(next, level - 1, key, from.max(key), visit),
        };
        if !go_on {
            return false;
        }
    }
    true
}

/// A branch with its own level, which may be lower than the level that is looked at.
type At<'a, T> = Option<(&'a Branch<T>, u32)>;

fn differ<'a, T>(
    old: At<'a, T>,
    new: At<'a, T>,
    level: u32,
    base: u64,
    same: &dyn Fn(&T, &T) -> bool,
    visit: &mut dyn FnMut(u64, Option<&'a T>, Option<&'a T>),
) {
    if let (Some((a, level_a)), Some((b, level_b))) = (old, new)
        && std::ptr::eq(a, b)
        && level_a == level_b
    {
        return;
    }
    for at in 0..FANOUT {
        let key = base | ((at as u64) << (level * BITS));
        let (old, old_leaf) = child(old, level, at);
        let (new, new_leaf) = child(new, level, at);
        if old.is_some() || new.is_some() {
            differ(old, new, level - 1, key, same, visit);
        }
        match (old_leaf, new_leaf) {
            (None, None) => {}
            (Some(a), Some(b)) if same(a, b) => {}
            (a, b) => visit(key, a, b),
        }
    }
}

fn child<T>(branch: At<'_, T>, level: u32, at: usize) -> (At<'_, T>, Option<&T>) {
    match branch {
        None => (None, None),
        // A shorter tree stands in the first slot of the taller one's missing levels.
        Some((branch, own)) if own < level => {
            (if at == 0 { Some((branch, own)) } else { None }, None)
        }
        Some((branch, own)) => match &branch.slots[at] {
            Slot::Empty => (None, None),
            Slot::Leaf(value) => (None, Some(value)),
            Slot::Branch(next) => (Some((next, own - 1)), None),
        },
    }
}

#[cfg(test)]
mod tests;
