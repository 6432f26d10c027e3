//! Random traces, and what must hold in every one of them.

use proptest::prelude::*;

use super::script::{ALL, STRICT, Script};
use crate::persistence::{CrashState, EffectKind, EffectNo, Form, Loss, Model, Profile, View};
use crate::trace::{EventNo, FileOp, SyncScope, WriteSync};

const PATHS: [&str; 6] = ["a", "b", "c", "d/a", "d/b", "e/a"];

/// One step of a random trace; what makes no sense when its turn comes is left out.
#[derive(Clone, Debug)]
pub(crate) struct Step(u8, usize, usize, u64, u16);

impl Step {
    /// A step that depends on its number alone.
    pub(crate) fn numbered(at: u64) -> Step {
        let mut rng = crate::base::Rng::new(at);
        let mut below = |n| rng.below(n);
        let (what, from, to) = (below(24) as u8, below(6) as usize, below(6) as usize);
        Step(what, from, to, below(14_000), below(9000) as u16 + 1)
    }
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..24, 0usize..6, 0usize..6, 0u64..14_000, 1u16..9000)
        .prop_map(|(what, from, to, offset, len)| Step(what, from, to, offset, len));
    proptest::collection::vec(step, 0..most)
}

/// The trace of these steps.
pub(crate) fn script(steps: &[Step]) -> Script {
    let mut script = Script::new().with_dir("d").with_dir("e").with_file("a", &[7; 5000]);
    for (at, Step(what, from, to, offset, len)) in steps.iter().enumerate() {
        let (from, to) = (PATHS[*from], PATHS[*to]);
        let bytes = vec![at as u8 + 1; usize::from(*len)];
        if !script.has(from) {
            script.create(from);
            continue;
        }
        match what {
            0..=4 => script.write(from, *offset, &bytes),
            5 => {
                let size = script.size(from);
                script.write(from, size, &bytes[..bytes.len().min(300)])
            }
            6 => script.write_with(from, *offset, &bytes, WriteSync::Data),
            7 | 8 => script.truncate(from, *offset),
            9 if *offset < script.size(from) => {
                let len = u64::from(*len).min(script.size(from) - offset);
                script.punch(from, *offset, len)
            }
            10 => script.allocate(from, *offset, u64::from(*len)),
            11 if !script.has(to) => script.link(from, to),
            12 => script.unlink(from),
            13..=15 if from != to && (!script.has(to) || script.id(from) != script.id(to)) => {
                script.rename(from, to)
            }
            16 if script.has(to) && script.id(from) != script.id(to) => script.exchange(from, to),
            17 => script.fsync(from),
            18 => script.fdatasync(from),
            19 => script.msync(from, *offset, u64::from(*len)),
            20 => script.fsync(["", "d", "e"][usize::from(*len) % 3]),
            21 => script.failed_fsync(from),
            22 if *len < 2000 => script.sync_all(),
            _ => {
                let scope = SyncScope::Data;
                script.op(FileOp::FailedSync { file: script.id(from), scope })
            }
        };
    }
    script
}

/// True if a later size of the same file was durable by then: the size is one field, and what it had been
/// before is part of no image (`image/build/tests.rs` has the case).
fn is_replaced(model: &Model, effect: EffectNo, profile: Profile, by: Option<EventNo>) -> bool {
    let Some(kind) = model.effect(effect).map(|found| &found.kind) else { return false };
    let sizes = match kind {
        EffectKind::Grow { file, .. } | EffectKind::Resize { file, .. } => {
            model.size_effects(*file)
        }
        _ => return false,
    };
    let later = sizes.iter().filter(|size| **size > effect.0).map(|size| EffectNo(*size));
    let mut durable = later.filter_map(|size| model.durable_by(size, profile));
    durable.any(|at| by.is_some_and(|by| at <= by))
}

/// Losses and forms drawn at random, mostly nonsense.
pub(crate) fn loss(model: &Model, point: EventNo, picks: &[(u32, u8)]) -> CrashState {
    let end = model.effects_before(point).max(1);
    let mut lost: Vec<u32> = picks.iter().map(|(pick, _)| pick % end).collect();
    lost.sort_unstable();
    lost.dedup();
    let forms = picks.iter().filter_map(|(pick, how)| {
        let arrived = how % 0x7f + 1;
        match how % 8 {
            0 => Some((pick % end, Form::Sectors { arrived, garbage: false })),
            1 => Some((pick % end, Form::Sectors { arrived, garbage: true })),
            2 => Some((pick % end, Form::Cut(u64::from(*how) * 4096))),
            _ => None,
        }
    });
    CrashState::power(point, Loss::new(&lost, forms.collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_any_profile_allows_strict_allows(
        steps in steps(40),
        picks in proptest::collection::vec((any::<u32>(), any::<u8>()), 0..6),
        at in any::<prop::sample::Index>(),
    ) {
        let script = script(&steps);
        let model = script.model();
        let point = EventNo(at.index(script.trace.events.len() + 1) as u32);
        let view = View::at(&model, point);
        let state = loss(&model, point, &picks);
        for profile in ALL {
            if view.check(&state, profile).is_ok() {
                prop_assert_eq!(view.check(&state, STRICT), Ok(()), "{} {}", profile, state);
            }
            let pick = |picks: &[(u32, u8)]| -> Vec<u32> {
                let pending = view.pending(profile);
                picks.iter().filter(|_| !pending.is_empty())
                    .map(|(pick, _)| pending[*pick as usize % pending.len()]).collect()
            };
            // Closed losses are legal where they were closed, and so in strict.
            for loss in [
                view.losing(profile, pick(&picks)),
                view.keeping(profile, pick(&picks)),
                view.losing_all(profile),
                Loss::default(),
            ] {
                let state = CrashState::power(point, loss);
                prop_assert_eq!(view.check(&state, profile), Ok(()), "{} {}", profile, state);
                prop_assert_eq!(view.check(&state, STRICT), Ok(()), "{} {}", profile, state);
            }
        }
    }

    #[test]
    fn what_strict_makes_durable_every_profile_does(steps in steps(60)) {
        let script = script(&steps);
        let model = script.model();
        for effect in 0..model.effects().len() as u32 {
            let effect = EffectNo(effect);
            let strict = model.durable_by(effect, STRICT);
            for profile in ALL {
                let own = model.durable_by(effect, profile);
                let later = match (own, strict) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(own), Some(strict)) => own > strict,
                } && !is_replaced(&model, effect, profile, strict);
                prop_assert!(!later, "{}: {:?} {:?} {:?}", profile, effect, own, strict);
            }
        }
    }

    #[test]
    fn a_view_that_moves_is_a_view_made_there(
        steps in steps(40), hops in proptest::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let script = script(&steps);
        let model = script.model();
        let mut moving = View::new(&model);
        for hop in hops {
            let point = EventNo(hop.index(script.trace.events.len() + 1) as u32);
            moving.advance(point);
            let fresh = View::at(&model, point);
            for profile in Profile::ALL {
                prop_assert_eq!(moving.pending(profile), fresh.pending(profile));
                prop_assert_eq!(moving.metadata(profile), fresh.metadata(profile));
            }
        }
    }
}
