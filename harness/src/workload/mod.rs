//! What is asked of a store: keys, values that name themselves, operations, their text form, the
//! seeded generator; and the history of what was asked and promised, when. Pure.

pub mod contents;
pub mod generate;
pub mod history;
pub mod op;
pub mod text;
pub mod usage;
pub mod value;

pub use contents::Contents;
pub use generate::{Limits, Mix, Workload, generate};
pub use history::{Answer, History, Moment, OpNo, Operation};
pub use op::{Key, Mutation, Request, Value};
pub use value::ValueName;
