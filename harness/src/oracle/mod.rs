//! The oracle: history and recovery in, verdict out (ORACLE.md). One property a file. Pure.

#[cfg(test)]
mod brute;
pub mod called_for;
mod case;
#[cfg(test)]
mod cases;
mod corrupt_value;
pub mod crashed_on_error;
pub mod cycles;
pub mod died_in_use;
mod ghost_key;
mod goals;
mod hole;
pub mod judge;
mod legal;
mod lost_ack;
mod lost_before_damage;
pub mod media;
pub mod not_writable;
mod promise;
mod recovery_crashed;
mod recovery_hung;
mod refused;
mod resurrected;
mod sentence;
mod silent_loss;
mod solve;
mod table;
mod torn_batch;
pub mod unstable;
mod vanished;
pub mod verdict;
#[cfg(test)]
pub(crate) mod written;

pub use crashed_on_error::crashed_on_error;
pub use cycles::{CycleJudge, Cycles};
pub use died_in_use::used as judge_used;
pub use judge::{END, Judge};
pub use media::Damage;
pub use not_writable::{Trial, written as judge_written};
pub use sentence::twice;
pub use unstable::reopened as judge_reopened;
pub use verdict::{Kind, Loss, Verdict, Violation};
