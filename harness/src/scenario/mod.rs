//! The scenario: what to run and what must come out, as a file (docs/SCENARIO.md), and the options of
//! a run. A scenario is untrusted input.

pub mod case;
pub mod file;
pub mod folder;
pub mod links;
pub mod names;
pub mod options;
pub mod record;

pub use case::{
    BeforeText, Case, CycleText, Files, IoStrike, KillStrike, MediaStrike, PowerStrike, ShownText,
    Strike, StruckText,
};
pub use file::{Expect, OptionsText, Scenario, TargetText};
pub use names::{FaultName, Outcome, Profile};
pub use options::{Extent, Options};
pub use record::HistoryText;
