//! The workload of a run: from its options and what the driver understands. Every fault asks the same
//! of a store, unless it has a reason.

use crate::driver::{Capabilities, Timeouts};
use crate::scenario::Options;
use crate::workload::Workload;
use crate::workload::generate::{Limits, Mix, generate};

/// The workload that these options and capabilities stand for.
pub fn workload(options: &Options, capabilities: &Capabilities) -> Workload {
    let every = |count: u32| (count > 0).then_some(count);
    let mix = Mix {
        ops: options.ops,
        value_min: *options.value_bytes.start(),
        value_max: *options.value_bytes.end(),
        checkpoint_every: every(options.checkpoint_every),
        reopen_every: every(options.reopen_every),
        ..Mix::default()
    };
    generate(&mix, &limits(capabilities), options.seed)
}

/// The part of the capabilities on which a workload depends.
pub fn limits(capabilities: &Capabilities) -> Limits {
    Limits {
        del: capabilities.del,
        batch: capabilities.batch,
        sync: capabilities.sync,
        checkpoint: capabilities.checkpoint,
        max_value: capabilities.max_value,
    }
}

/// The time limits of a run.
pub fn timeouts(options: &Options) -> Timeouts {
    Timeouts { open: options.timeout_open, op: options.timeout_op }
}
