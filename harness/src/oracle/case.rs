//! One case before the judges: the history at the crash, what had been promised, what was shown.

use super::goals::Goals;
use super::judge::Judge;
use super::promise::Promise;
use super::sentence;
use super::table::Cut;
use super::verdict::{Kind, Violation};
use crate::workload::{Contents, Key, Moment};

/// What every property is judged on.
pub(super) struct Case<'a> {
    /// The history at the crash.
    pub cut: Cut<'a>,
    /// Whose table it is cut from.
    pub judge: &'a Judge,
    /// What had been promised.
    pub promise: Promise,
    /// When the crash came.
    pub moment: Moment,
    /// What struck and when, in words: `after a power cut at 430`.
    pub after: String,
    /// What was shown.
    pub contents: &'a Contents,
    /// What has to be explained.
    pub goals: Goals,
    /// Keys that are judged elsewhere.
    pub ignored: Vec<Key>,
}

impl<'a> Case<'a> {
    /// The history at the crash with batches in parts.
    pub fn parts(&self) -> Cut<'a> {
        self.judge.parts().cut(self.moment)
    }

    /// The case in the table of parts.
    pub fn split(&self) -> (Cut<'a>, Goals) {
        let cut = self.parts();
        let goals = Goals::new(&cut, self.contents, &self.ignored);
        (cut, goals)
    }

    /// A violation of `kind` that concerns these keys and entries, of which it lists the first few.
    pub fn violation(
        &self,
        kind: Kind,
        sentence: String,
        keys: impl IntoIterator<Item = u32>,
        entries: impl IntoIterator<Item = u32>,
    ) -> Violation {
        let keys = keys.into_iter().take(sentence::LISTED);
        let operations = entries.into_iter().filter_map(|at| sentence::op(&self.cut, at));
        let mut operations: Vec<_> = operations.collect();
        operations.dedup();
        operations.truncate(sentence::LISTED);
        let keys = keys.map(|key| self.cut.table.keys[key as usize].clone()).collect();
        Violation { kind, sentence, keys, operations, note: false }
    }
}
