//! What every fault shares when a saved case is asked of today's program: the case's requests are
//! recorded again, the case's state is found in the new recording, and the states around it are judged
//! too, so that `fixed` is never said of one spot alone.
//!
//! * `answer`: the three answers. `effort`: how much may be judged.
//! * `align`: which event of one recording is which of another. `transfer`: a crash state in another
//!   recording. `around`: the states around it. All three are pure.
//! * `hello`: what the program promises today.

pub mod align;
pub mod answer;
pub mod around;
pub mod effort;
pub mod hello;
pub mod transfer;

pub use align::{Alignment, align, files};
pub use answer::{Answer, Today};
pub use effort::Effort;
pub use transfer::{Side, Transfer, transfer};

/// How many recordings of the same requests are compared; a program that makes other calls each time
/// has twice this number.
pub const RECORDINGS: u32 = 2;

/// A part of the calls, in percent, that must be there again: with less, the program's calls differ too
/// much for the answer `fixed`.
pub const ALIKE_PERCENT: u64 = 75;
