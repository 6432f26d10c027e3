//! The oracle: history and recovery in, verdict out (ORACLE.md). One property a file. Pure.

pub mod verdict;

pub use verdict::{Kind, Loss, Verdict, Violation};
