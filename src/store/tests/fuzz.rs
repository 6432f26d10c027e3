//! Hostile bytes: random and mutated files never panic the store, never make it allocate what a
//! length field claims, never make it show what was not put.

use proptest::prelude::*;

use super::*;
use crate::store::OnDamage;

#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Extend(Vec<u8>),
    Zero(usize, usize),
    Move(usize, usize, usize),
    Remove,
    Rename(u64),
    Copy(u64),
}

fn harm() -> impl Strategy<Value = Harm> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        4 => (any::<usize>(), 1u8..).prop_map(|(at, xor)| Harm::Flip(at, xor)),
        2 => any::<usize>().prop_map(Harm::Cut),
        1 => bytes.prop_map(Harm::Extend),
        2 => (any::<usize>(), 0usize..600).prop_map(|(at, len)| Harm::Zero(at, len)),
        2 => (any::<usize>(), any::<usize>(), 0usize..600).prop_map(|(a, b, n)| Harm::Move(a, b, n)),
        1 => Just(Harm::Remove),
        1 => any::<u64>().prop_map(Harm::Rename),
        1 => (0u64..5000).prop_map(Harm::Copy),
    ]
}

fn apply(files: &mut BTreeMap<String, Vec<u8>>, which: usize, harm: &Harm) {
    let Some(name) = files.keys().nth(which % files.len().max(1)).cloned() else { return };
    let Some(bytes) = files.get_mut(&name) else { return };
    let len = bytes.len();
    let range = |at: usize, n: usize| {
        let start = at % (len + 1);
        start..(start + n).min(len)
    };
    match harm {
        Harm::Flip(at, xor) if len > 0 => bytes[at % len] ^= xor,
        Harm::Flip(..) => {}
        Harm::Cut(at) => bytes.truncate(at % (len + 1)),
        Harm::Extend(tail) => bytes.extend_from_slice(tail),
        Harm::Zero(at, n) => bytes[range(*at, *n)].fill(0),
        Harm::Move(from, to, n) => {
            let piece = bytes[range(*from, *n)].to_vec();
            let to = range(*to, piece.len());
            let n = to.len();
            bytes[to].copy_from_slice(&piece[..n]);
        }
        Harm::Remove => drop(files.remove(&name)),
        Harm::Rename(n) => {
            let bytes = bytes.clone();
            files.remove(&name);
            files.insert(names::segment(*n), bytes);
        }
        Harm::Copy(n) => {
            let bytes = bytes.clone();
            files.insert(names::checkpoint(*n), bytes.clone());
            files.insert(names::segment(*n), bytes);
        }
    }
}

fn sample() -> &'static BTreeMap<String, Vec<u8>> {
    static SAMPLE: std::sync::OnceLock<BTreeMap<String, Vec<u8>>> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(|| {
        let dir = tempdir();
        let (store, _) =
            Store::open(dir.path(), Options { segment_bytes: 900, ..relaxed() }).unwrap();
        for round in 0..3 {
            for n in 0..8 {
                store.put(&key(n), &value(n + round, 60)).unwrap();
            }
            store.prepare(Batch::default().put(b"p", b"1").del(b"q")).unwrap();
            store.put(b"large", &value(round, 66_000)).unwrap();
            store.checkpoint().unwrap();
        }
        for n in 8..16 {
            store.put(&key(n), &value(n, 60)).unwrap();
        }
        drop(store);
        snapshot(dir.path())
    })
}

/// Every value the sample ever put to a key of this form.
fn was_put(key: &[u8], value: &[u8]) -> bool {
    (0..20).any(|n| value == self::value(n, 60) || value == self::value(n, 66_000))
        && (key.starts_with(b"key") || key == b"large")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_mutated_store_opens_or_is_refused_and_shows_nothing_made_up(
        harms in proptest::collection::vec((any::<usize>(), harm()), 1..4), salvage: bool,
    ) {
        let mut files = sample().clone();
        harms.iter().for_each(|(which, harm)| apply(&mut files, *which, harm));
        let dir = restore(&files);
        let on_damage = if salvage { OnDamage::OpenToLastGood } else { OnDamage::Refuse };
        let options = Options { on_damage, ..options() };
        let _ = crate::store::verify(dir.path());
        match Store::open(dir.path(), options.clone()) {
            Err(_) => {}
            Ok((store, _)) => {
                let _ = store.scan(b"", |key, value| {
                    assert!(was_put(key, value), "{key:?}");
                    Ok::<(), ReadError>(())
                });
                let written = store.put(b"key-after", &value(1, 60)).and_then(|_| store.checkpoint());
                drop(store);
                if written.is_ok() {
                    let (store, _) = Store::open(dir.path(), options).unwrap();
                    prop_assert_eq!(store.get(b"key-after").unwrap(), Some(value(1, 60)));
                }
            }
        }
    }

    #[test]
    fn random_files_under_the_stores_names_never_panic_it(
        contents in proptest::collection::vec(
            (0..4, 0u64..200, proptest::collection::vec(any::<u8>(), 0..700), any::<bool>()), 0..5),
    ) {
        let mut files = BTreeMap::new();
        for (kind, n, mut bytes, framed) in contents {
            let name = match kind {
                0 => names::segment(n),
                1 => names::checkpoint(n),
                2 => names::value(n),
                _ => names::MARK.to_string(),
            };
            if framed && kind == 0 {
                let header = Header { base: n, next_transaction: 0, chain: 0 };
                let mut framed = header.encode().to_vec();
                framed.extend_from_slice(&frame::MAGIC.to_le_bytes());
                framed.append(&mut bytes);
                bytes = framed;
            }
            files.insert(name, bytes);
        }
        let dir = restore(&files);
        let _ = crate::store::verify(dir.path());
        if let Ok((store, _)) = Store::open(dir.path(), options()) {
            let _ = store.scan(b"", |_, _| Ok::<(), ReadError>(()));
        }
    }
}
