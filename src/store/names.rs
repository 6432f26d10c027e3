//! The names of a store's files, and what the names alone prove.
//!
//! A store is one flat directory: `MARK` (lock and mark), `log-P` (a segment that begins at
//! position P), `checkpoint-P`, `value-ID`, and `NAME.tmp` while a file is prepared. A segment, a
//! checkpoint and their temporary forms are made only after the log had been synced up to P, so
//! the mere name proves that the log was durable up to there.

use std::collections::BTreeSet;

use super::fs::temporary_name;

/// The lock, and the position known to be durable.
pub(crate) const MARK: &str = "MARK";
const SEGMENT: &str = "log-";
const CHECKPOINT: &str = "checkpoint-";
const VALUE: &str = "value-";
/// What was moved aside when a damaged store was opened on request.
pub(crate) const LOST: &str = "lost-";

pub(crate) fn segment(base: u64) -> String {
    format!("{SEGMENT}{base:016x}")
}

pub(crate) fn checkpoint(position: u64) -> String {
    format!("{CHECKPOINT}{position:016x}")
}

pub(crate) fn value(id: u64) -> String {
    format!("{VALUE}{id:016x}")
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let plain =
        digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// What a store's directory holds, by name. Names that are not the store's are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) segments: BTreeSet<u64>,
    pub(crate) checkpoints: BTreeSet<u64>,
    pub(crate) values: BTreeSet<u64>,
    pub(crate) temporaries: Vec<String>,
    /// Up to where the names prove the log to have been durable, and which name does.
    pub(crate) proof: Option<(u64, String)>,
}

impl Listing {
    pub(crate) fn new(names: Vec<String>) -> Self {
        let mut listing = Self::default();
        for name in names {
            let stem = name.strip_suffix(&temporary_name("")).unwrap_or(&name);
            let is_temporary = stem.len() != name.len();
            let segment = number(stem, SEGMENT);
            let checkpoint = number(stem, CHECKPOINT);
            if let Some(position) = segment.or(checkpoint)
                && listing.proof.as_ref().is_none_or(|(proved, _)| *proved < position)
            {
                listing.proof = Some((position, name.clone()));
            }
            match (segment, checkpoint, number(stem, VALUE)) {
                (None, None, None) => {}
                _ if is_temporary => listing.temporaries.push(name),
                (Some(base), _, _) => drop(listing.segments.insert(base)),
                (_, Some(position), _) => drop(listing.checkpoints.insert(position)),
                (_, _, Some(id)) => drop(listing.values.insert(id)),
            }
        }
        listing
    }

    /// True if no file but the mark was ever made here, or none is left.
    pub(crate) fn is_bare(&self) -> bool {
        self.segments.is_empty() && self.checkpoints.is_empty() && self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_foreign_names_are_left_alone() {
        let foreign = ["log-12", "log-000000000000000G", "notes.txt", "value-", "lost-1", "x.tmp"];
        let mut names: Vec<String> = foreign.iter().map(|name| name.to_string()).collect();
        names.extend([segment(0x1f), checkpoint(3), value(u64::MAX), MARK.to_string()]);
        names.push(temporary_name(&checkpoint(0x40)));
        let listing = Listing::new(names);
        assert_eq!(listing.segments, BTreeSet::from([0x1f]));
        assert_eq!(listing.checkpoints, BTreeSet::from([3]));
        assert_eq!(listing.values, BTreeSet::from([u64::MAX]));
        assert_eq!(listing.temporaries, ["checkpoint-0000000000000040.tmp"]);
        assert_eq!(listing.proof, Some((0x40, listing.temporaries[0].clone())));
        assert!(!listing.is_bare() && Listing::new(vec![MARK.to_string()]).is_bare());
    }

    #[test]
    fn one_number_has_one_name() {
        assert_eq!(number("log-00000000000000ab", SEGMENT), Some(0xab));
        assert_eq!(number("log-00000000000000AB", SEGMENT), None);
        assert_eq!(number("log-+0000000000000ab", SEGMENT), None);
    }
}
