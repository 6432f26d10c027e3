//! Tests of the exploration: what it visits, in which order, and that on tiny traces it visits all.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Explorer, Sorts, Visit, points};
use crate::base::Rng;
use crate::persistence::tests::random::{Step, script, steps};
use crate::persistence::tests::script::Script;
use crate::persistence::{
    CrashState, EffectKind, EffectNo, Fill, Loss, Model, Profile, ProfileSet,
};
use crate::trace::{EventKind, EventNo, FileOp, Via, WriteSync};

fn visits(script: &Script, model: &Model, seed: u64, most: usize) -> Vec<Visit> {
    Explorer::new(&script.trace, model, ProfileSet::ALL, &Rng::new(seed)).take(most).collect()
}

#[test]
fn strategies_come_in_the_documents_order() {
    let mut script = Script::new().with_file("a", &[0; 8192]);
    for at in 0..3 {
        script.create(["x", "y", "z"][at]);
        script.write("a", 0, &[1; 8192]);
    }
    let model = script.model();
    let mut names: Vec<&str> = Vec::new();
    for visit in visits(&script, &model, 1, 5000) {
        if !names.contains(&visit.strategy) {
            names.push(visit.strategy);
        }
    }
    let order = ["everything", "durable", "lose-one", "keep-one", "forms", "groups"];
    // Its first state is one of the sample between the first two.
    assert_eq!(names[..6], order);
    // From here on they take turns.
    names[6..].sort_unstable();
    assert_eq!(names[6..], ["random", "subsets"]);
}

#[test]
fn the_same_seed_gives_the_same_visits_and_another_seed_others() {
    let script = script(&(0..7).map(Step::numbered).collect::<Vec<_>>());
    let model = script.model();
    let seven = visits(&script, &model, 7, 1500);
    assert!(seven == visits(&script, &model, 7, 1500));
    assert!(seven != visits(&script, &model, 8, 1500));
    assert!(seven.iter().any(|visit| visit.strategy == "random"));
}

#[test]
fn a_trace_with_nothing_pending_ends() {
    let mut script = Script::new().with_file("a", &[0; 10]);
    script.fsync("a");
    let model = script.model();
    let all = visits(&script, &model, 1, 100);
    assert!(all.len() < 10, "{all:?}");
}

#[test]
fn what_is_capped_is_counted() {
    let mut script = Script::new().with_file("a", &[]);
    for at in 0..300 {
        script.write("a", at * 4096, &[1; 4096]);
    }
    let model = script.model();
    let mut explorer = Explorer::new(&script.trace, &model, Profile::Strict.into(), &Rng::new(1));
    while !explorer.skipped().contains_key("single lost effects") {
        assert!(explorer.next().is_some());
    }
}

#[test]
fn a_budget_that_ends_within_the_first_strategies_has_seen_single_effects_lost() {
    let mut script = Script::new().with_file("a", &[]);
    for at in 0..300 {
        script.write("a", at * 4096, &[1; 4096]);
    }
    let model = script.model();
    let visits = visits(&script, &model, 1, 200);
    let lost_one = visits.iter().filter(|visit| visit.strategy == "lose-one").count();
    assert!((10..120).contains(&lost_one), "{lost_one} of 200");
}

#[test]
fn a_state_of_the_sample_is_not_visited_twice() {
    let mut script = Script::new().with_file("a", &[0; 8192]);
    script.create("x");
    script.write("x", 0, &[1; 8192]);
    let model = script.model();
    let all = visits(&script, &model, 1, 5000);
    let lost_one: Vec<_> = all.iter().filter(|visit| visit.strategy == "lose-one").collect();
    assert!(!lost_one.is_empty());
    for (at, visit) in lost_one.iter().enumerate() {
        assert!(lost_one[..at].iter().all(|other| other.state != visit.state));
    }
}

/// Legality as the document has it, by looking at every pair of effects: slow, and written anew.
fn by_the_book(model: &Model, point: EventNo, profile: Profile, lost: &BTreeSet<u32>) -> bool {
    let end = model.effects_before(point);
    let kind = |no: u32| &model.effects()[no as usize].kind;
    let event = |no: u32| model.effects()[no as usize].event;
    let durable = |no: u32| model.is_durable(EffectNo(no), profile, point);
    let observed = profile != Profile::Strict;
    // A page that is punched as a whole.
    let punched = |no: u32| {
        matches!(kind(no), EffectKind::Data { start: 0, end: 4096, fill: Fill::Zeros, .. })
    };
    let metadata = |no: u32| match kind(no) {
        EffectKind::Resize { .. } => true,
        EffectKind::Data { .. } if punched(no) => true,
        EffectKind::Grow { in_block, .. } => profile == Profile::Ext4 && *in_block,
        EffectKind::Data { .. } => false,
        _ => true,
    };
    if lost.iter().any(|no| *no >= end || durable(*no)) {
        return false;
    }
    for &early in lost {
        for late in (0..end).filter(|no| *no != early && !lost.contains(no) && !durable(*no)) {
            let after = late > early;
            // Effects on the same name, on the same page.
            let same_name =
                kind(early).places().into_iter().flatten().any(|place| {
                    kind(late).places().into_iter().flatten().any(|other| other == place)
                });
            let same_page = match (kind(early), kind(late)) {
                (
                    EffectKind::Data { file, page, .. },
                    EffectKind::Data { file: other_file, page: other_page, .. },
                ) => (file, page) == (other_file, other_page),
                _ => false,
            };
            if after && (same_name || same_page && !punched(late)) {
                return false;
            }
            // Metadata is a prefix, and growth needs the metadata before it.
            let ordered = metadata(late) || matches!(kind(late), EffectKind::Grow { .. });
            if observed && after && metadata(early) && ordered {
                return false;
            }
            match (kind(early), kind(late), profile) {
                // Both names, or one step.
                (EffectKind::Leave { .. }, EffectKind::Rename { split: true, .. }, p)
                    if early == late + 1 && p != Profile::Btrfs && p != Profile::Strict =>
                {
                    return false;
                }
                // The zeros of an unaligned shrink come first.
                (
                    EffectKind::Data { .. },
                    EffectKind::Resize { from, to, .. },
                    Profile::Ext4 | Profile::Xfs,
                ) if event(early) == event(late) && to < from => return false,
                // New bytes in a page that a shrink had discarded went into new blocks.
                (
                    EffectKind::Resize { file, .. },
                    EffectKind::Data { file: other, page, .. },
                    _,
                ) if observed
                    && after
                    && file == other
                    && model.discarded_pages(EffectNo(early)).contains(page) =>
                {
                    return false;
                }
                // btrfs: overwritten ranges are one.
                (
                    EffectKind::Data { fresh: false, .. },
                    EffectKind::Data { fresh: false, .. },
                    Profile::Btrfs,
                ) if event(early) == event(late)
                    && punched(early) == punched(late)
                    && joined(model, early, late) =>
                {
                    return false;
                }
                // ext4: a rename over a file keeps a fresh source's length.
                (
                    EffectKind::Grow { file, fresh: true, .. },
                    EffectKind::Rename { file: source, replaced: Some(_), .. },
                    Profile::Ext4,
                ) if after && file == source && is_last_fresh_growth(model, early, late) => {
                    return false;
                }
                _ => {}
            }
        }
    }
    true
}

/// True if every page between two of one write was overwritten too.
fn joined(model: &Model, a: u32, b: u32) -> bool {
    (a.min(b)..=a.max(b)).all(|no| {
        matches!(model.effects()[no as usize].kind, EffectKind::Data { fresh: false, .. })
    })
}

fn is_last_fresh_growth(model: &Model, grow: u32, rename: u32) -> bool {
    let file = model.effects()[grow as usize].kind.file();
    !(grow + 1..rename).any(|no| {
        let kind = &model.effects()[no as usize].kind;
        matches!(kind, EffectKind::Grow { fresh: true, .. }) && kind.file() == file
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_tiny_traces_exactly_the_legal_subsets_are_visited(steps in steps(9), seed: u64) {
        let script = script(&steps);
        // What a failed fsync leaves on xfs has an order of its own, which its own test has.
        prop_assume!(!script.trace.events.iter().any(|event| matches!(
            &event.kind,
            crate::trace::EventKind::Call(call)
                if matches!(call.op, crate::trace::FileOp::FailedSync { .. })
        )));
        let model = script.model();
        let mut visited: BTreeMap<EventNo, BTreeMap<BTreeSet<u32>, ProfileSet>> = BTreeMap::new();
        let mut explorer = Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(seed));
        while !explorer.is_endless() {
            let Some(visit) = explorer.next() else { break };
            if let Some(loss) = visit.state.loss().filter(|loss| loss.forms().is_empty()) {
                let lost = loss.lost().map(|effect| effect.0).collect();
                let old = visited.entry(visit.state.point).or_default().insert(lost, visit.profiles);
                prop_assert_eq!(old, None, "visited twice: {}", visit.state);
            }
        }
        for point in points(&script.trace, &model).into_iter().filter(|point| point.telling) {
            let end = model.effects_before(point.at);
            let pending: Vec<u32> = (0..end)
                .filter(|no| !model.is_durable(EffectNo(*no), Profile::Strict, point.at))
                .collect();
            if pending.len() > 10 {
                continue;
            }
            let seen = visited.remove(&point.at).unwrap_or_default();
            for set in 0u32..1 << pending.len() {
                let lost: BTreeSet<u32> = (0..pending.len())
                    .filter(|at| set & (1 << at) != 0)
                    .map(|at| pending[at])
                    .collect();
                let legal: ProfileSet = Profile::ALL
                    .into_iter()
                    .filter(|profile| by_the_book(&model, point.at, *profile, &lost))
                    .collect();
                // Nothing lost is what a kill leaves.
                if !lost.is_empty() {
                    let found = seen.get(&lost).copied().unwrap_or_default();
                    prop_assert_eq!(found, legal, "at {:?} lost {:?} of {:#?}", point, lost, model.effects());
                }
            }
        }
    }

    #[test]
    fn every_visit_is_legal_where_it_says_and_in_strict(steps in steps(40), seed: u64) {
        let script = script(&steps);
        let model = script.model();
        for visit in visits(&script, &model, seed, 700).into_iter().step_by(7) {
            for profile in Profile::ALL {
                let legal = model.is_legal(&visit.state, profile);
                prop_assert_eq!(legal, visit.profiles.contains(profile), "{}", visit.state);
            }
            prop_assert!(visit.profiles.contains(Profile::Strict));
            let text = visit.state.to_string();
            prop_assert_eq!(text.parse::<crate::persistence::CrashState>().unwrap(), visit.state);
        }
    }
}

#[test]
fn no_crash_lies_between_stores_that_one_comparison_found() {
    let mut script = Script::new().with_file("map", &[0; 8192]);
    let file = script.id("map");
    let store = |script: &mut Script, offset| {
        let bytes = [1; 16].into();
        let (sync, via) = (WriteSync::None, Via::Mapping);
        script.op(FileOp::Write { file, offset, bytes, sync, via })
    };
    let first = store(&mut script, 0);
    let second = store(&mut script, 4096);
    // A call in between: what was stored before it came before what was stored after.
    script.create("other");
    let third = store(&mut script, 64);
    let model = script.model();
    let visits = visits(&script, &model, 1, 5000);
    let points: BTreeSet<EventNo> = visits.iter().map(|visit| visit.state.point).collect();
    assert!(!points.contains(&second), "in which order the program stored them is not known");
    assert!(points.contains(&third) && points.contains(&script.end()));
    // Pages reach the disk in any order: the second alone, and the first alone.
    let after = EventNo(second.0 + 1);
    for event in [first, second] {
        let lost = model.effects_of(event).start;
        let alone = CrashState::power(after, Loss::new(&[lost], Vec::new()));
        assert!(visits.iter().any(|visit| visit.state == alone), "{alone}");
    }
}

/// A log that is written by puts and by checkpoints, with a file that is renamed in between.
fn log_with_checkpoints() -> (Script, Sorts) {
    let mut script = Script::new();
    script.create("log");
    script.create("snap");
    for round in 0..20u64 {
        for put in 0..4 {
            script.write("log", (round * 4 + put) * 100, &[1; 100]);
        }
        script.write("snap", 0, &[2; 50]);
        script.rename("snap", "snap2");
        script.rename("snap2", "snap");
    }
    let model = script.model();
    // By what the effect is; by what the event is.
    let kind = |effect: &crate::persistence::Effect| match effect.kind.word() {
        "data" | "grow" => 1,
        _ => 2,
    };
    let effects = model.effects().iter().map(kind).collect();
    let is_write = |event: &crate::trace::Event| match &event.kind {
        EventKind::Call(call) => u32::from(matches!(call.op, FileOp::Write { .. })),
        _ => 2,
    };
    let events = script.trace.events.iter().map(is_write).collect();
    (script, Sorts::new(effects, events))
}

#[test]
fn the_first_states_lose_each_sort_once_at_each_sort_of_point() {
    let (script, sorts) = log_with_checkpoints();
    let model = script.model();
    let mut explorer = Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(1))
        .by_groups(sorts.clone());
    let all = explorer.covered().unwrap().groups.all;
    assert!(all >= 4, "{all}");
    explorer.by_ref().take(40).for_each(drop);
    let groups = explorer.covered().unwrap().groups;
    assert_eq!(groups.seen, all, "after 40 states");
    // Point by point the first states lose nothing.
    let plain = Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(1));
    assert!(plain.take(16).all(|visit| visit.state.is_kill()));
}

#[test]
fn by_groups_every_state_comes_once_and_none_is_missed() {
    let (script, sorts) = log_with_checkpoints();
    let model = script.model();
    let few = 3000;
    let text = |visit: Visit| visit.state.to_string();
    let grouped =
        Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(1)).by_groups(sorts);
    let states: Vec<String> = grouped.take(few).map(text).collect();
    let distinct: std::collections::BTreeSet<&String> = states.iter().collect();
    assert_eq!(distinct.len(), states.len());
    // What the strategies visit first without groups, they visit with them too.
    let plain = Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(1));
    for state in plain.take(200).filter(|visit| visit.strategy == "durable").map(text) {
        assert!(distinct.contains(&state), "{state}");
    }
}

#[test]
fn coverage_counts_what_was_lost_and_ends_at_all_of_it() {
    let mut script = Script::new();
    script.create("a");
    script.write("a", 0, b"1");
    script.fsync("a");
    script.write("a", 0, b"2");
    let model = script.model();
    let sorts = Sorts::new(vec![0; model.effects().len()], vec![0; script.trace.events.len()]);
    let mut explorer =
        Explorer::new(&script.trace, &model, Profile::Strict.into(), &Rng::new(1)).by_groups(sorts);
    let covered = explorer.covered().unwrap();
    assert_eq!((covered.lossy, covered.points.seen, covered.targets.seen), (0, 0, 0));
    let visits: Vec<Visit> = explorer.by_ref().collect();
    let lossy = visits
        .iter()
        .filter(|visit| visit.state.loss().is_some_and(|l| l.count() > 0 || !l.forms().is_empty()));
    let covered = explorer.covered().unwrap();
    assert_eq!(covered.lossy, lossy.count() as u64);
    assert_eq!(covered.points.seen, covered.points.all);
    assert_eq!(covered.targets.seen, covered.targets.all);
    assert!(covered.targets.all >= 3, "{covered:?}");
}

#[test]
fn of_kills_alone_a_group_is_a_sort_of_point() {
    let (script, sorts) = log_with_checkpoints();
    let model = script.model();
    let mut explorer = Explorer::new(&script.trace, &model, ProfileSet::ALL, &Rng::new(1))
        .only_kills()
        .by_groups(sorts);
    let visits: Vec<Visit> = explorer.by_ref().take_while(|visit| visit.kill).collect();
    let covered = explorer.covered().unwrap();
    assert_eq!(
        (covered.groups.seen, covered.points.seen),
        (covered.groups.all, covered.points.all)
    );
    assert_eq!(covered.lossy, visits.len() as u64);
    assert_eq!(covered.targets.all, 0);
}
