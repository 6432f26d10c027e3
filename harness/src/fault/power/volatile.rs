//! What sort of thing was not durable at each crash point: sorts and not things, so that the tenth
//! segment that waits for its name is like the ninth. A recovery after a kill reads what is not durable,
//! and what it should do about that depends on the sort.

use std::collections::BTreeMap;

use crate::diagnose::plain;
use crate::persistence::{Effect, EffectNo, Model, Profile};
use crate::trace::EventNo;

/// A number for each crash point; equal ones mean the same sorts, and 0 that everything is durable.
pub fn stages(model: &Model) -> Vec<u64> {
    let last = model.last_point().0;
    let mut ends: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut pending: BTreeMap<String, u32> = BTreeMap::new();
    let mut stages = Vec::with_capacity(last as usize + 1);
    let mut number = hash(&pending);
    let mut next = 0;
    for point in 0..=last {
        let mut changed = false;
        // What an event makes durable is durable at every point after it.
        for sort in point.checked_sub(1).and_then(|event| ends.remove(&event)).unwrap_or_default() {
            changed |= drop_one(&mut pending, &sort);
        }
        for effect in next..model.effects_before(EventNo(point)) {
            let Some(found) = model.effect(EffectNo(effect)) else { continue };
            let durable = model.durable_from(EffectNo(effect), Profile::Strict);
            if durable.is_some_and(|from| from.0 <= point) {
                continue;
            }
            let sort = sort(found);
            if let Some(from) = durable {
                ends.entry(from.0 - 1).or_default().push(sort.clone());
            }
            *pending.entry(sort).or_default() += 1;
            changed = true;
        }
        next = model.effects_before(EventNo(point));
        if changed {
            number = hash(&pending);
        }
        stages.push(number);
    }
    stages
}

fn drop_one(pending: &mut BTreeMap<String, u32>, sort: &str) -> bool {
    match pending.get_mut(sort) {
        Some(1) => pending.remove(sort).is_some(),
        Some(count) => {
            *count -= 1;
            false
        }
        None => false,
    }
}

/// `rename log-#`; of bytes and sizes just what they are.
fn sort(effect: &Effect) -> String {
    let mut text = effect.kind.word().to_owned();
    for place in effect.kind.places().into_iter().flatten() {
        text.push(' ');
        text.push_str(&plain(&String::from_utf8_lossy(&place.name)));
    }
    text
}

fn hash(pending: &BTreeMap<String, u32>) -> u64 {
    if pending.is_empty() {
        return 0;
    }
    let sorts: Vec<&str> = pending.keys().map(String::as_str).collect();
    xxhash_rust::xxh3::xxh3_64(sorts.join("\n").as_bytes())
}
