//! Append discipline: the log grows by whole frames and nothing in it is ever changed.

use proptest::prelude::*;

use super::*;
use crate::store::segment::HEADER_BYTES;

/// Every segment is its header and its frames, and nothing else.
fn check_sizes(dir: &Path) {
    for (name, bytes) in snapshot(dir) {
        let Some(digits) = name.strip_prefix("log-") else { continue };
        let base = u64::from_str_radix(digits, 16).unwrap();
        let mut sum = HEADER_BYTES;
        let mut frames = Frames::new(&bytes, &Header::decode(&bytes, base).unwrap());
        while let Some(frame) = frames.next_frame() {
            sum += frame.unwrap().len;
        }
        assert_eq!(sum, bytes.len(), "{name}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    Del(u8),
    Batch(Vec<(u8, u16)>),
    Prepare(u8),
    Settle(bool),
    Barrier,
    Sync,
    Checkpoint,
    Reopen(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![8 => 0u16..300, 1 => Just(60_000u16), 1 => Just(u16::MAX)];
    prop_oneof![
        8 => (0u8..12, len.clone()).prop_map(|(key, len)| Step::Put(key, len)),
        3 => (0u8..12).prop_map(Step::Del),
        3 => proptest::collection::vec((0u8..12, len), 0..5).prop_map(Step::Batch),
        1 => (0u8..12).prop_map(Step::Prepare),
        1 => any::<bool>().prop_map(Step::Settle),
        1 => Just(Step::Barrier),
        1 => Just(Step::Sync),
        2 => Just(Step::Checkpoint),
        2 => any::<bool>().prop_map(Step::Reopen),
    ]
}

/// u16::MAX stands for a value with a file of its own.
fn bytes(n: usize, len: u16) -> Vec<u8> {
    value(n as u64, if len == u16::MAX { 70_000 } else { usize::from(len) })
}

fn run(steps: &[Step], options: &Options) {
    let dir = tempdir();
    let mut store = Some(Store::open(dir.path(), options.clone()).unwrap().0);
    let mut model = Contents::new();
    let mut pending: BTreeMap<u64, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    for (n, step) in steps.iter().enumerate() {
        let open = store.as_ref().unwrap();
        match step {
            Step::Put(k, len) => {
                open.put(&[*k], &bytes(n, *len)).unwrap();
                model.insert(vec![*k], bytes(n, *len));
            }
            Step::Del(k) => {
                open.del(&[*k]).unwrap();
                model.remove(&vec![*k]);
            }
            Step::Batch(puts) => {
                let mut batch = Batch::default();
                for (k, len) in puts {
                    batch.put(&[*k], &bytes(n, *len));
                    model.insert(vec![*k], bytes(n, *len));
                }
                open.apply(&batch).unwrap();
            }
            Step::Prepare(k) => {
                let transaction = open.prepare(Batch::default().put(&[*k], &bytes(n, 50))).unwrap();
                pending.insert(transaction, (vec![*k], bytes(n, 50)));
            }
            Step::Settle(commit) => {
                let Some((transaction, (key, value))) = pending.pop_first() else { continue };
                if *commit {
                    open.commit(transaction).unwrap();
                    model.insert(key, value);
                } else {
                    open.abort(transaction).unwrap();
                }
            }
            Step::Barrier => open.barrier().unwrap(),
            Step::Sync => open.sync().unwrap(),
            Step::Checkpoint => open.checkpoint().unwrap(),
            Step::Reopen(clean) => {
                let open = store.take().unwrap();
                if *clean {
                    open.close().unwrap();
                } else {
                    drop(open);
                }
                let (open, report) = Store::open(dir.path(), options.clone()).unwrap();
                assert_eq!(report.notices, []);
                store = Some(open);
            }
        }
        let open = store.as_ref().unwrap();
        check_sizes(dir.path());
        assert_eq!(contents(open), model);
        assert_eq!(open.pending(), pending.keys().copied().collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_done_the_files_are_the_sum_of_their_frames_and_the_contents_right(
        steps in proptest::collection::vec(step(), 1..40), mode in 0..3, automatic: bool,
    ) {
        let durability =
            [Durability::Immediate, Durability::GROUP, Durability::Relaxed][mode as usize];
        let checkpoint_bytes = automatic.then_some(3000);
        run(&steps, &Options { durability, segment_bytes: 1500, checkpoint_bytes, ..options() });
    }
}

#[test]
fn the_log_only_ever_grows_at_its_end() {
    let dir = tempdir();
    let mut before: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for round in 0..6 {
        let (store, _) = Store::open(dir.path(), relaxed()).unwrap();
        for n in 0..20 {
            store.put(&key(n), &value(n + round, 50)).unwrap();
            let now = snapshot(dir.path());
            for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("log-")) {
                assert!(now[name].starts_with(bytes), "{name}");
            }
            before = now;
        }
    }
}

#[test]
fn opening_a_cleanly_closed_store_changes_nothing() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    fill(&store, 0..60);
    store.checkpoint().unwrap();
    fill(&store, 60..90);
    store.close().unwrap();
    let before = snapshot(dir.path());
    let (store, report) = open(dir.path());
    assert!(!report.is_unclean && report.rewritten_bytes == 0);
    store.close().unwrap();
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn a_new_segment_begins_at_the_size_limit_and_the_log_goes_on_there() {
    let dir = tempdir();
    let store = open_whole(dir.path());
    fill(&store, 0..100);
    assert!(listing(dir.path()).segments.len() > 3);
    drop(store);
    assert_eq!(contents(&open_whole(dir.path())), filled(0..100));
}

#[test]
fn the_same_operations_give_the_same_bytes() {
    let write = || {
        let dir = tempdir();
        let store = open_whole(dir.path());
        fill(&store, 0..50);
        store.checkpoint().unwrap();
        store.put(b"large", &value(1, 70_000)).unwrap();
        store.close().unwrap();
        snapshot(dir.path())
    };
    assert_eq!(write(), write());
}
