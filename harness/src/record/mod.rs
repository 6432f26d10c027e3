//! The recorder: runs a program under ptrace with a seccomp filter and writes down, in the order of
//! effect, every operation on one directory, with the requests sent to the program and its answers.
//! It is also where a planned kill or failure strikes. The only place that traces.
//!
//! Areas covered: see [`calls::CALLS`]. Not covered, and said in [`crate::trace::Trace::blind`] when
//! it is met: io_uring that was set up before, 32-bit code, another tracer, namespaces of the
//! program's own, files moved in from outside, answers that no traced call wrote.

mod arch;
mod begin;
mod beginning;
pub mod calls;
mod entry;
mod entry_bytes;
mod entry_paths;
mod entry_watched;
pub mod errors;
mod filter;
mod finish;
mod forks;
mod handle;
mod lives;
mod mapping;
mod memory;
mod names;
pub mod options;
mod output;
mod owed;
mod pending;
pub mod plan;
mod ptrace;
pub mod recorder;
pub mod recording;
mod resolve;
mod run;
mod seen;
mod service;
pub mod source;
mod spawn;
pub mod stack;
mod status;
mod stores;
mod strikes;
pub mod timeline;
mod token;
mod tracer;
mod verify;
mod vigil;
mod warden;
pub mod whole;
mod world;

pub use errors::{can_be_short, errors_of, is_open};
pub use forks::ForkServer;
pub use options::RecordOptions;
pub use plan::{Extent, Plan, Strike};
pub use recorder::Recorder;
pub use recording::Recording;
pub use run::{record, record_workload};
pub use source::{OwnLines, SourceLine, is_one_line, resolve};
pub use stack::Stacks;
pub use timeline::Watcher;
pub use vigil::Stillness;
pub use whole::{Whole, record_whole, shell};
