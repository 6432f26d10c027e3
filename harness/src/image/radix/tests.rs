//! The tree against a plain vector of pages.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..100, 0u64..5000, any::<u64>()]
}

proptest! {
    #[test]
    fn it_is_a_map_and_its_differences_are_a_maps(
        first in proptest::collection::vec((key(), proptest::option::of(0u8..4)), 0..60),
        second in proptest::collection::vec((key(), proptest::option::of(0u8..4)), 0..30),
        from in key(),
    ) {
        let mut map = BTreeMap::new();
        let mut radix = Radix::default();
        let apply = |map: &mut BTreeMap<u64, u8>, radix: &mut Radix<u8>, edits: &[(u64, Option<u8>)]| {
            for &(key, value) in edits {
                match value {
                    Some(value) => assert_eq!(radix.set(key, value), map.insert(key, value)),
                    None => assert_eq!(radix.remove(key), map.remove(&key)),
                }
            }
        };
        apply(&mut map, &mut radix, &first);
        let (old_map, old) = (map.clone(), radix.clone());
        apply(&mut map, &mut radix, &second);
        for (map, radix) in [(&old_map, &old), (&map, &radix)] {
            let mut seen = BTreeMap::new();
            radix.each_from(0, &mut |key, &value| { seen.insert(key, value); true });
            prop_assert_eq!(map, &seen);
            prop_assert_eq!(radix.first_from(from), map.range(from..).next().map(|(key, _)| *key));
        }
        let mut differences = BTreeMap::new();
        old.differences(&radix, &|a, b| a == b, &mut |key, a, b| {
            differences.insert(key, (a.copied(), b.copied()));
        });
        let expected: BTreeMap<_, _> = old_map.keys().chain(map.keys())
            .map(|key| (*key, (old_map.get(key).copied(), map.get(key).copied())))
            .filter(|(_, (a, b))| a != b)
            .collect();
        prop_assert_eq!(differences, expected);
    }
}
