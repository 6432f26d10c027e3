//! The options of one run, validated: everything that `unplug run` can be told, apart from the target
//! itself. Printed before anything runs, kept in every report and scenario. What was typed lives in
//! the command line; nothing here parses arguments or reads files.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::{HarnessError, Result, limits};

use super::names::{FaultName, Profile};

/// How much a run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The default: a fixed number of cases for each fault, so that the same seed visits the same
    /// cases; the clock only caps it, and reaching the cap is reported.
    Default,
    /// Until the time is spent, shared among the faults. How far a seeded sequence of cases gets then
    /// depends on the machine.
    Time(Duration),
    /// This many cases of each fault, however long it takes.
    Cases(u64),
}

/// Everything of a run that is not the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The seed of every random decision.
    pub seed: u64,
    /// Which faults to inject, in the order in which they run; never empty, no fault twice.
    pub faults: Vec<FaultName>,
    /// The file systems' profiles under which crash states are legal; never empty.
    pub profiles: BTreeSet<Profile>,
    /// Findings that only this profile or a milder one shows count as violations; findings that need
    /// a harsher one are notes. [`Profile::Btrfs`] is the harshest that counts by default.
    pub fail_on: Profile,
    /// How much to do.
    pub extent: Extent,
    /// How many requests may be outstanding at once, if the driver allows it.
    pub threads: u32,
    /// How many child writers run at once under the kill fault, each on its own store.
    pub writers: u32,
    /// How many requests a workload has.
    pub ops: u32,
    /// Lengths of values in bytes.
    pub value_bytes: RangeInclusive<usize>,
    /// A checkpoint every so many requests; 0 for never.
    pub checkpoint_every: u32,
    /// A close and open every so many requests; 0 for never.
    pub reopen_every: u32,
    /// Time for `open` to be answered.
    pub timeout_open: Duration,
    /// Time for any other request to be answered.
    pub timeout_op: Duration,
    /// A fault that visited less than this share of its groups makes the run *not measured*; 0 to 1.
    pub min_coverage: f64,
    /// What the device writes whole, in bytes: 512, or 4096 for devices that promise whole pages.
    pub atomic_write_bytes: u64,
    /// How many recoveries run at once: one a core by default.
    pub workers: usize,
    /// Where reports go.
    pub out: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 42,
            faults: FaultName::ALL.to_vec(),
            profiles: Profile::ALL.into_iter().collect(),
            fail_on: Profile::Btrfs,
            extent: Extent::Default,
            threads: 1,
            writers: 2,
            ops: 200,
            value_bytes: 1..=limits::VALUE_BYTES,
            checkpoint_every: 64,
            reopen_every: 90,
            timeout_open: limits::TIMEOUT_OPEN,
            timeout_op: limits::TIMEOUT_OP,
            min_coverage: 0.0,
            atomic_write_bytes: limits::SECTOR_BYTES,
            workers: 1,
            out: PathBuf::from("reports"),
        }
    }
}

impl Options {
    /// The harshest profile whose findings count: where only `strict` is judged, it counts.
    pub fn harshest(&self) -> Profile {
        let judged = self.profiles.iter().next().copied();
        judged.map_or(self.fail_on, |mildest| mildest.max(self.fail_on))
    }

    /// Checks what no single value shows; `self` unchanged, or an input error that names the option.
    pub fn checked(self) -> Result<Self> {
        let fail = |text: String| Err(HarnessError::input(text));
        let within = |name: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(HarnessError::input(format!("{name}: {value} is not in {low}..={high}")))
            }
        };
        if self.faults.is_empty() {
            return fail("faults: at least one of kill, power, media, io".into());
        }
        if self.faults.iter().collect::<BTreeSet<_>>().len() != self.faults.len() {
            return fail("faults: one of them is named twice".into());
        }
        if self.profiles.is_empty() {
            return fail("profile: at least one of ext4, xfs, btrfs, strict".into());
        }
        within("threads", self.threads.into(), 1, limits::THREADS.into())?;
        within("writers", self.writers.into(), 1, 256)?;
        within("workers", self.workers as u64, 1, 1024)?;
        within("ops", self.ops.into(), 1, 1_000_000)?;
        let (low, high) = (*self.value_bytes.start(), *self.value_bytes.end());
        if low < 1 || high > limits::VALUE_BYTES || low > high {
            return fail(format!(
                "value-size: {low}..{high} is not a range inside 1..{}",
                limits::VALUE_BYTES
            ));
        }
        if !(0.0..=1.0).contains(&self.min_coverage) {
            return fail(format!("min-coverage: {} is not in 0..=1", self.min_coverage));
        }
        if ![limits::SECTOR_BYTES, limits::PAGE_BYTES].contains(&self.atomic_write_bytes) {
            return fail(format!("atomic-write: {} is not 512 or 4096", self.atomic_write_bytes));
        }
        match self.extent {
            Extent::Time(time) if time.is_zero() => return fail("budget: 0 is no time".into()),
            Extent::Cases(0) => return fail("cases: 0 is no case".into()),
            _ => {}
        }
        if self.timeout_open.is_zero() || self.timeout_op.is_zero() {
            return fail("timeout-open, timeout-op: 0 is no time".into());
        }
        Ok(self)
    }

    /// True if this fault was asked for.
    pub fn wants(&self, fault: FaultName) -> bool {
        self.faults.contains(&fault)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Default => f.write_str("default"),
            Extent::Time(time) => write!(f, "{}s", time.as_secs_f64()),
            Extent::Cases(cases) => write!(f, "{cases} cases"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_options_are_valid() {
        assert!(Options::default().checked().is_ok());
    }

    #[test]
    fn each_option_out_of_range_is_refused_by_its_name() {
        type Change = fn(&mut Options);
        let cases: [(&str, Change); 11] = [
            ("min-coverage", |options| options.min_coverage = 1.5),
            ("faults", |options| options.faults.clear()),
            ("faults", |options| options.faults = vec![FaultName::Kill, FaultName::Kill]),
            ("profile", |options| options.profiles.clear()),
            ("threads", |options| options.threads = 0),
            ("writers", |options| options.writers = 1000),
            ("ops", |options| options.ops = 0),
            ("value-size", |options| options.value_bytes = 0..=5),
            ("value-size", |options| options.value_bytes = 1..=200_001),
            ("atomic-write", |options| options.atomic_write_bytes = 1024),
            ("cases", |options| options.extent = Extent::Cases(0)),
        ];
        for (name, change) in cases {
            let mut options = Options::default();
            change(&mut options);
            let error = options.checked().expect_err(name);
            assert!(error.to_string().starts_with(name), "{name}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
