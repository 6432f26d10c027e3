//! Every limit that unplug sets itself, named in one place. Reaching one is always reported.

use std::time::Duration;

/// Requests that may be outstanding at once.
pub const THREADS: u32 = 64;

/// Longest key in bytes (DRIVER_PROTOCOL.md).
pub const KEY_BYTES: usize = 64;
/// Longest value in bytes (DRIVER_PROTOCOL.md).
pub const VALUE_BYTES: usize = 200_000;
/// Longest line of the protocol in bytes (DRIVER_PROTOCOL.md).
pub const LINE_BYTES: usize = 16 << 20;
/// Default time for `open` to be answered.
pub const TIMEOUT_OPEN: Duration = Duration::from_secs(30);
/// Default time for any other request to be answered.
pub const TIMEOUT_OP: Duration = Duration::from_secs(10);
/// A program whose calls are traced may take this many times as long for an answer.
pub const RECORDED_FACTOR: u32 = 3;
/// The first limit for an answer is this many times the slowest one of its kind in the control run.
pub const FIRST_LIMIT_FACTOR: u32 = 50;
/// The first limit is never shorter than this.
pub const FIRST_LIMIT_AT_LEAST: Duration = Duration::from_millis(500);
/// An answer that took more than one part in this of the first limit raises it.
pub const FIRST_LIMIT_MARGIN: u32 = 2;
/// The first recovery of a run that exceeds the first limit is given this many times as long: a program
/// may only be slower after a crash than it was in the control run.
pub const SECOND_LOOK: u32 = 4;
/// A process that makes no system call hangs once it used this much processor time since it was first
/// watched, or the first limit where that is longer.
pub const BURNED_AT_LEAST: Duration = Duration::from_secs(2);
/// A process that is about to be known to hang is looked into for this long after the run's time is over.
pub const PROOF_OVERRUNS: Duration = Duration::from_secs(1);
/// Sleeping threads hang if nothing woke any of them between two looks this far apart.
pub const ASLEEP_FOR: Duration = Duration::from_millis(300);
/// A program that takes this long to start is started once and forked for each recovery, where it can be.
pub const FORKED_FROM: Duration = Duration::from_millis(15);
/// To come to its first read under trace, such a program may take this many times as long.
pub const TRACED_START: u32 = 10;
/// Most recoveries at once, where processors are idle because recoveries sleep.
pub const WORKERS: usize = 16;
/// Recoveries that take less are never run more at once than there are processors.
pub const SLEEPY_RECOVERY: Duration = Duration::from_millis(5);
/// Most threads of one driver's processes that are watched; with more nothing is known before the
/// user's limit.
pub const WATCHED_THREADS: usize = 256;
/// After an interrupt an answer that takes longer than this is not waited for.
pub const INTERRUPTED_SLOW: Duration = Duration::from_millis(200);
/// This long after an interrupt nothing is asked or waited for any more.
pub const INTERRUPTED_AT_ALL: Duration = Duration::from_millis(700);
/// The page of the page cache: the unit of writeback (PERSISTENCE.md).
pub const PAGE_BYTES: u64 = 4096;
/// The smallest unit that a device writes atomically (PERSISTENCE.md).
pub const SECTOR_BYTES: u64 = 512;
/// How much of a driver's standard error is kept as evidence.
pub const STDERR_BYTES: usize = 64 << 10;
/// Largest scenario file that is read.
pub const SCENARIO_BYTES: u64 = 64 << 20;
/// Largest sum of the files that a scenario names.
pub const SCENARIO_FILES_BYTES: u64 = 1 << 30;
/// Most files and folders that a scenario names.
pub const SCENARIO_FILES: usize = 20_000;
/// The most bytes of one `dump` (DRIVER_PROTOCOL.md), …
pub const DUMP_BYTES: u64 = 1 << 30;
/// … and the most pairs.
pub const DUMP_PAIRS: usize = 1_000_000;
/// The most `warn` lines before one answer (DRIVER_PROTOCOL.md), …
pub const WARNINGS: usize = 100_000;
/// … and the most bytes of their texts.
pub const WARNING_BYTES: usize = 16 << 20;
/// A `dump` that keeps printing is waited for up to this many times the limit of one answer.
pub const DUMP_PATIENCE: u32 = 10;
/// Most bytes of data (not holes) that one store's directory may hold.
pub const IMAGE_BYTES: u64 = 4 << 30;
/// What a recovery may make its store's directory take on disk, at least …
pub const RECOVERY_ROOM_BYTES: u64 = 1 << 30;
/// … and this many times the sizes of the image's files: beyond it the driver is stopped.
pub const RECOVERY_ROOM_FACTOR: u64 = 8;
/// Most bytes that one recording keeps in memory: the program is stopped there.
pub const RECORDING_BYTES: u64 = 2 << 30;
/// Most bytes that a whole program prints on its standard output, …
pub const PRINTED_BYTES: u64 = 64 << 20;
/// … and most lines, each of which is a promise.
pub const PRINTED_LINES: u64 = 1_000_000;
/// Most names that one store's directory may hold.
pub const IMAGE_NAMES: u64 = 1_000_000;
/// Cases of each fault in a run without a budget: about ten seconds of the built-in store in all.
pub const DEFAULT_KILL_CASES: u64 = 600;
/// As above.
pub const DEFAULT_POWER_CASES: u64 = 13_000;
/// As above.
pub const DEFAULT_MEDIA_CASES: u64 = 2_500;
/// As above.
pub const DEFAULT_IO_CASES: u64 = 400;
/// How many workloads the power fault of a run without a budget records at most.
pub const DEFAULT_ROUNDS: u32 = 3;
/// The time at which a fault of a run without a budget is cut short, which is reported.
pub const DEFAULT_FAULT_TIME: Duration = Duration::from_secs(20);
/// After so many recoveries without an answer a fault is ended, and after one more each later one: each
/// takes the whole limit.
pub const HANGS: u32 = 4;
/// Recording a workload may take this share of a fault's time, …
pub const RECORDING_SHARE: f64 = 0.25;
/// … where it takes this many times as long as running it, or more if a recorded start did; …
pub const RECORDING_COST: f64 = 1.5;
/// … for a slow program the workload is shorter, but has at least this many requests.
pub const FEWEST_OPS: u32 = 16;
/// The end of a fault's time that is kept for explaining and confirming what failed: this much, …
pub const WRAP_UP: Duration = Duration::from_secs(5);
/// … and the time of this many recoveries, …
pub const WRAP_UP_RECOVERIES: u32 = 150;
/// … and at most this share of the time.
pub const WRAP_UP_SHARE: f64 = 0.4;
/// The first finding of a fault may be tried again for this long after the deadline.
pub const CONFIRM_GRACE: Duration = Duration::from_secs(1);
/// A finding that fails this often in a row in fresh processes fails always.
pub const CONFIRM_ALWAYS: u32 = 2;
/// How often a finding that does not fail each time is judged again.
pub const CONFIRM_TRIES: u32 = 5;
/// How many smaller cases are tried for one finding.
pub const SHRINK_TRIES: u32 = 200;
/// How many findings of one fault are made smaller, worst first.
pub const SHRUNK_FINDINGS: usize = 8;
/// How many findings of one fault are reported.
pub const FINDINGS: usize = 64;
/// How many recoveries `replay` does for one saved case, where nobody says.
pub const REPLAY_CASES: u64 = 600;
/// In how many runs with a failing call, of the io fault.
pub const REPLAY_RUNS: u64 = 40;
/// How long `replay` goes on with one saved case before it answers.
pub const REPLAY_TIME: Duration = Duration::from_secs(60);
/// `replay` does this many recoveries or runs for a case before the time counts.
pub const REPLAY_FEWEST: u64 = 24;
/// In how many recoveries `replay` looks for a crash inside recovery.
pub const REPLAY_RECOVERIES: usize = 24;
