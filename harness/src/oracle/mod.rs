//! The oracle: history and recovery in, verdict out (ORACLE.md). One property a file. Pure.

#[cfg(test)]
mod brute;
mod case;
mod corrupt_value;
mod ghost_key;
mod goals;
mod hole;
pub mod judge;
mod legal;
mod lost_ack;
mod promise;
mod recovery_crashed;
mod recovery_hung;
mod refused;
mod sentence;
mod solve;
mod table;
mod torn_batch;
pub mod verdict;
#[cfg(test)]
pub(crate) mod written;

pub use judge::{END, Judge};
pub use verdict::{Kind, Loss, Verdict, Violation};
