//! Small images whose damages can be counted, and histories of hand-made snapshots.

use super::*;
use crate::media::apply;
use crate::workload::Moment;
use std::collections::BTreeMap;

#[test]
fn small_files_have_every_byte_damaged_and_every_length_truncated() {
    let mut image = Image::empty();
    image.put("small", &[9; 50]);
    image.put("large", &[9; 5000]);
    image.put("empty", b"");
    let damages: Vec<Damage> = exhaustive(&image, SMALL_FILE_BYTES).collect();
    let count = |name: &str| damages.iter().filter(|damage| damage.harm.name() == name).count();
    assert_eq!((count("flip"), count("truncate"), count("missing")), (50, 50, 2));
    assert!(damages.iter().all(|damage| damage.file.as_os_str() != "large"));
    let hashes: BTreeSet<u128> =
        damages.iter().map(|damage| apply(&image, damage).expect("it changes").hash()).collect();
    assert_eq!(hashes.len(), damages.len(), "no damage is done twice");
}

#[test]
fn the_beginnings_of_the_last_appends_to_a_large_file_have_every_byte_damaged() {
    let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
    let sizes = [100, 3000, 5000, 5010, 6000, 7000, 8000, 9000];
    for (number, size) in (1..).zip(sizes) {
        image.put("log", &vec![7; size]);
        image.put("small", &vec![7; size / 10]);
        snapshots.push(Moment(number), image.clone());
    }
    let damages = beginnings(&image, &snapshots, SMALL_FILE_BYTES);
    let mut offsets = BTreeSet::new();
    for damage in &damages {
        match damage.harm {
            Harm::Flip { offset, .. } => assert!(offsets.insert(offset)),
            _ => panic!("a beginning has one bit flipped: {damage}"),
        }
    }
    assert!(damages.iter().all(|damage| damage.file.as_os_str() == "log"));
    for began in [5000, 5010, 6000, 7000, 8000] {
        assert!((began..began + 64).all(|offset| offsets.contains(&offset)), "{began}");
    }
    assert!(!offsets.contains(&3000) && !offsets.contains(&6064));
}

#[test]
fn a_large_file_is_cut_where_appends_ended_if_something_bears_witness() {
    let (mut snapshots, mut image) = (Snapshots::default(), Image::empty());
    let cut = |image: &Image, snapshots: &Snapshots| -> Vec<String> {
        let cuts = cuts(image, snapshots, SMALL_FILE_BYTES);
        cuts.iter().map(Damage::to_string).collect()
    };
    let sizes = [100, 3000, 5000, 5010, 6000];
    image.put("count", &[0; 8]);
    for (number, size) in (1..).zip(sizes) {
        image.put("log", &vec![7; size]);
        snapshots.push(Moment(number), image.clone());
    }
    assert_eq!(cut(&image, &snapshots), ["zero log 0 6000"], "a shorter log is an earlier one");
    // Now the count beside it is kept.
    for (number, size) in (6..).zip([7000, 8000, 9000]) {
        image.put("count", &[number as u8; 8]);
        image.put("log", &vec![7; size]);
        snapshots.push(Moment(number), image.clone());
    }
    let expected = [7000, 6000, 5010, 5000, 3000, 100].map(|at| format!("truncate log {at}"));
    let whole = ["missing log", "truncate log 0", "zero log 0 9000"].map(String::from);
    let expected: Vec<String> = expected.into_iter().chain(whole).collect();
    // The last append may have been under way, and the count is of its moment.
    assert_eq!(cut(&image, &snapshots), expected);
}

#[test]
fn the_heads_of_the_blocks_that_were_written_last_have_every_byte_damaged() {
    let (mut snapshots, mut bytes) = (Snapshots::default(), vec![1; 40_000]);
    let mut image = Image::empty();
    for (number, block) in (1..).zip([9usize, 2, 7, 1, 5]) {
        bytes[block * 4096 + 900] = number + 1;
        image.put("db", &bytes);
        snapshots.push(Moment(u64::from(number)), image.clone());
    }
    bytes.fill(0);
    (2..6).for_each(|block| bytes[block * 4096 + 900] = 9);
    image.put("db", &bytes);
    snapshots.push(Moment(9), image.clone());
    let damages = heads(&image, &snapshots, SMALL_FILE_BYTES, &mut Rng::new(3));
    let blocks: BTreeSet<u64> = damages
        .iter()
        .map(|damage| match damage.harm {
            Harm::Flip { offset, .. } if offset % 4096 < HEAD_BYTES => offset / 4096,
            _ => panic!("a head has one bit flipped: {damage}"),
        })
        .collect();
    assert_eq!(blocks, BTreeSet::from([2, 3, 4, 5]), "not those that are empty");
    let of = |offset: u64| {
        damages.iter().filter(move |damage| match damage.harm {
            Harm::Flip { offset: at, .. } => at == offset,
            _ => false,
        })
    };
    assert!((5 * 4096..5 * 4096 + HEAD_BYTES).all(|offset| of(offset).count() >= 2));
}

#[test]
fn a_sample_has_every_operator_and_the_same_seed_gives_the_same() {
    let mut snapshots = Snapshots::default();
    let mut image = Image::empty();
    for number in 1..6u8 {
        image.put("log", &vec![number; 3000 * usize::from(number)][..]);
        image.put("db", &[number + 100; 9000]);
        snapshots.push(Moment(u64::from(number)), image.clone());
    }
    let draw = || -> Vec<Damage> {
        let mut rng = Rng::new(11);
        (0..400).filter_map(|_| sample(&image, &snapshots, &mut rng)).collect()
    };
    let damages = draw();
    assert_eq!(damages, draw());
    let mut works: BTreeMap<&str, u32> = BTreeMap::new();
    for damage in &damages {
        assert_eq!(damage.to_string().parse::<Damage>().unwrap(), *damage);
        if apply(&image, damage).is_some() {
            *works.entry(damage.harm.name()).or_default() += 1;
        }
    }
    assert_eq!(works.len(), 9, "{works:?}");
    assert!(works.values().all(|count| *count > 3), "{works:?}");
}

#[test]
fn an_image_without_bytes_has_no_damage_but_its_files_missing_or_longer() {
    let mut rng = Rng::new(1);
    let snapshots = Snapshots::default();
    assert_eq!(sample(&Image::empty(), &snapshots, &mut rng), None);
    let mut image = Image::empty();
    image.put("empty", b"");
    for _ in 0..200 {
        let _ = sample(&image, &snapshots, &mut rng).and_then(|one| apply(&image, &one));
    }
}
