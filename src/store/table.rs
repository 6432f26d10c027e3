//! What the store holds, in memory: keys with their values or value files, prepared transactions,
//! and value files that are dead but may be needed again by a fallback. Never touches the disk.

use std::collections::btree_map::{BTreeMap, Entry};

use super::op::{Op, Stored, ValueRef};

/// A value file that no key names any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) id: u64,
    /// Position of the frame that let go of it.
    pub(crate) since: u64,
}

/// The contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) keys: BTreeMap<Box<[u8]>, Stored>,
    /// Prepared transactions by number.
    pub(crate) pending: BTreeMap<u64, Vec<Op>>,
    pub(crate) dead: Vec<Dead>,
}

impl Table {
    /// Puts the operations of a committed transaction, whose frame stands at `position`, in force.
    pub(crate) fn apply(&mut self, ops: Vec<Op>, position: u64) {
        for op in ops {
            let before = match op {
                Op::Put(key, stored) => match self.keys.entry(key) {
                    Entry::Occupied(mut entry) => Some(entry.insert(stored)),
                    Entry::Vacant(entry) => {
                        entry.insert(stored);
                        None
                    }
                },
                Op::Del(key) => self.keys.remove(&key),
            };
            if let Some(Stored::File(file)) = before {
                self.dead.push(Dead { id: file.id, since: position });
            }
        }
    }

    /// Keeps a prepared transaction.
    pub(crate) fn prepare(&mut self, transaction: u64, ops: Vec<Op>) {
        self.pending.insert(transaction, ops);
    }

    /// Puts a prepared transaction in force; false if there is none of that number.
    pub(crate) fn resolve(&mut self, transaction: u64, position: u64) -> bool {
        match self.pending.remove(&transaction) {
            Some(ops) => {
                self.apply(ops, position);
                true
            }
            None => false,
        }
    }

    /// Lets go of a prepared transaction; false if there is none of that number.
    pub(crate) fn abort(&mut self, transaction: u64, position: u64) -> bool {
        let Some(ops) = self.pending.remove(&transaction) else { return false };
        let files = ops.iter().filter_map(file_of);
        self.dead.extend(files.map(|file| Dead { id: file.id, since: position }));
        true
    }

    /// The value files that keys name.
    pub(crate) fn live_files(&self) -> impl Iterator<Item = ValueRef> + '_ {
        let held = self.keys.values().filter_map(|stored| match stored {
            Stored::File(file) => Some(*file),
            Stored::Inline(_) => None,
        });
        held.chain(self.pending.values().flatten().filter_map(file_of))
    }
}

/// The value file that an operation names.
pub(crate) fn file_of(op: &Op) -> Option<ValueRef> {
    match op {
        Op::Put(_, Stored::File(file)) => Some(*file),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u64) -> Stored {
        Stored::File(ValueRef { id, len: 1, crc: 2 })
    }

    fn put(key: &[u8], stored: Stored) -> Op {
        Op::Put(key.into(), stored)
    }

    #[test]
    fn operations_apply_in_order_and_files_let_go_are_remembered() {
        let mut table = Table::default();
        table.apply(vec![put(b"a", file(1)), put(b"b", file(2)), put(b"a", file(3))], 10);
        table.apply(vec![Op::Del(b"b"[..].into()), Op::Del(b"none"[..].into())], 20);
        assert_eq!(table.dead, [Dead { id: 1, since: 10 }, Dead { id: 2, since: 20 }]);
        assert_eq!(table.live_files().map(|file| file.id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_prepared_transaction_is_in_force_only_once_resolved() {
        let mut table = Table::default();
        table.prepare(7, vec![put(b"a", file(1))]);
        assert!(table.keys.is_empty() && table.live_files().count() == 1);
        assert!(!table.resolve(8, 30) && table.resolve(7, 30) && !table.resolve(7, 30));
        assert_eq!(table.keys.len(), 1);
        table.prepare(9, vec![put(b"b", file(2))]);
        assert!(table.abort(9, 40) && !table.abort(9, 40) && table.keys.len() == 1);
        assert_eq!(table.dead, [Dead { id: 2, since: 40 }]);
    }
}
