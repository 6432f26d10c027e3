//! The workload of a run: from its options and what the driver understands. Every fault asks the same
//! of a store, unless it has a reason.

use crate::base::{Rng, limits};
use crate::driver::{Capabilities, Timeouts};
use crate::scenario::{Extent, Options};
use crate::workload::generate::{Limits, Mix, generate};
use crate::workload::{Request, Workload, usage};

/// Longest value of a round of short ones: many to a page.
const SHORT_VALUES: usize = 64;
/// Longest value of a round of middle ones: a few pages.
const MIDDLE_VALUES: usize = 9_000;

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

/// How many workloads a fault may record one after the other while its budget lasts. A run that was
/// given no budget is done sooner.
pub fn rounds(options: &Options) -> u32 {
    match options.extent {
        Extent::Default => limits::DEFAULT_ROUNDS,
        _ => u32::MAX,
    }
}

/// The workload of a round: the first is [`workload`]; each further one has a seed of its own, and by
/// turns short values and frequent checkpoints and reopens, so that it is another work for the store
/// and not only other bytes.
pub fn round(options: &Options, capabilities: &Capabilities, round: u32) -> Workload {
    if round == 0 {
        return workload(options, capabilities);
    }
    let (min, max) = (*options.value_bytes.start(), *options.value_bytes.end());
    let mut options = options.clone();
    options.seed = Rng::new(options.seed).fork(&format!("round {round}")).next_u64();
    let longest = [SHORT_VALUES, max, MIDDLE_VALUES];
    options.value_bytes = min..=longest[round as usize % 3].clamp(min, max);
    if round % 2 == 1 {
        options.checkpoint_every = options.checkpoint_every.div_ceil(4);
        options.reopen_every = options.reopen_every.div_ceil(3);
    }
    workload(&options, capabilities)
}

/// What a recovered store is asked, to see that it can be used.
pub fn usage(options: &Options, capabilities: &Capabilities) -> Vec<Request> {
    usage::after_recovery(&limits(capabilities), options.seed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_is_the_run_s_own_workload_and_the_others_differ_from_it_and_each_other() {
        let (options, capabilities) = (Options::default(), Capabilities::default());
        let rounds: Vec<Workload> =
            (0..6).map(|number| round(&options, &capabilities, number)).collect();
        assert_eq!(rounds[0], workload(&options, &capabilities));
        for (at, one) in rounds.iter().enumerate() {
            assert!(rounds[..at].iter().all(|other| other != one), "round {at} came before");
        }
    }

    #[test]
    fn a_round_keeps_to_the_lengths_of_values_that_were_asked_for() {
        let options = Options { value_bytes: 100..=200, ..Options::default() };
        for number in 1..7 {
            for request in round(&options, &Capabilities::default(), number).requests {
                for mutation in request.mutations() {
                    let length = mutation.value().map_or(100, |value| value.as_str().len());
                    assert!((100..=200).contains(&length), "{length} in round {number}");
                }
            }
        }
    }
}
