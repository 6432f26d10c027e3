//! The workload of a run: from its options and what the driver understands. Every fault asks the same
//! of a store, unless it has a reason.

use std::time::Duration;

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

/// How many requests the workloads of a run have, so that recording them takes no more than a small part of
/// each fault's time. Fewer than were asked for only where time is given and the program is slow;
/// `workload` is what all of them took in the control, `cost` how many times as long recording takes.
pub fn ops_in_time(options: &Options, workload: Duration, cost: f64) -> u32 {
    let Extent::Time(time) = options.extent else { return options.ops };
    let share = time / options.faults.len().max(1) as u32;
    let wanted = share.mul_f64(limits::RECORDING_SHARE).as_secs_f64();
    let needed = workload.as_secs_f64() * cost;
    if needed <= wanted {
        return options.ops;
    }
    let fitting = f64::from(options.ops) * wanted / needed;
    (fitting as u32).max(limits::FEWEST_OPS).min(options.ops)
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
    fn a_slow_program_has_a_shorter_workload_and_never_none() {
        let timed = |seconds| Options {
            extent: Extent::Time(Duration::from_secs(seconds)),
            ..Options::default()
        };
        let fast = Duration::from_millis(20);
        assert_eq!(ops_in_time(&timed(20), fast, 1.5), 200);
        let slow = Duration::from_secs(4);
        let some = ops_in_time(&timed(20), slow, 1.5);
        assert!((limits::FEWEST_OPS..100).contains(&some), "{some}");
        assert_eq!(ops_in_time(&timed(1), 100 * slow, 1.5), limits::FEWEST_OPS);
        assert_eq!(ops_in_time(&Options::default(), 100 * slow, 1.5), 200, "no time was given");
        let few = Options { ops: 5, ..timed(1) };
        assert_eq!(ops_in_time(&few, 100 * slow, 1.5), 5);
    }

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
