//! Tests of the images of crash states.

use proptest::prelude::*;

use super::*;
use crate::persistence::tests::random::{loss, script, steps};
use crate::persistence::tests::script::{STRICT, Script, What, effects};
use crate::persistence::{Loss, Overlay};

fn bytes(script: &Script, state: &CrashState, path: &str) -> Option<Vec<u8>> {
    Builder::new(&script.model()).image(state).bytes(path)
}

#[test]
fn everything_nothing_and_a_kill_inside_a_write() {
    let mut script = Script::new();
    script.create("a");
    let write = script.write("a", 0, &[1; 5000]);
    let model = script.model();
    assert_eq!(effects(&model, write, What::All).len(), 3);
    let everything = CrashState::power(script.end(), Loss::default());
    assert_eq!(bytes(&script, &everything, "a").unwrap(), [1; 5000]);
    let view = View::at(&model, script.end());
    let nothing = CrashState::power(script.end(), view.losing_all(STRICT));
    assert_eq!(bytes(&script, &nothing, "a"), None);
    let kill = CrashState { point: write, crash: Crash::Kill { pages: 1 } };
    assert_eq!(bytes(&script, &kill, "a").unwrap(), [1; 4096]);
    let overlay = Overlay::with_fsync(write, script.id("a"));
    let model = Model::with(&script.trace, &overlay, Default::default());
    assert!(model.is_durable(EffectNo(2), STRICT, script.end()));
}

/// The image of a state from nothing, as the document says it: what survives is applied in program
/// order to what was there before; the size is that of the latest surviving Grow or Resize.
fn by_the_book(model: &Model, state: &CrashState) -> Image {
    let mut image = Image::from_tree(model.initial());
    let mut sizes: BTreeMap<FileId, u64> = BTreeMap::new();
    for node in model.initial() {
        sizes.insert(node.file, model.initial_size(node.file));
    }
    for node in model.nodes() {
        image.create(node.file, &node.node, node.mode);
        sizes.insert(node.file, 0);
    }
    let nothing = Loss::default();
    let loss = state.loss().unwrap_or(&nothing);
    for no in 0..model.effects_before(state.point) {
        let arrived = loss.arrived(no);
        match &model.effects()[no as usize].kind {
            EffectKind::Data { file, page, .. } => {
                let new = model.page_after(EffectNo(no));
                image.edit(*file, |content| {
                    let mut bytes = *Page::bytes_of(content.page(*page));
                    copy_sectors(&mut bytes, &new, arrived);
                    if let Some(Form::Sectors { garbage: true, .. }) = loss.form(no) {
                        copy_sectors(&mut bytes, &super::garbage(no), !arrived);
                    }
                    content.set_page(*page, Page::new(bytes));
                });
            }
            _ if arrived == 0 => {}
            EffectKind::Grow { file, to, .. } => {
                let size = match loss.form(no) {
                    Some(Form::Cut(size)) => size,
                    _ => *to,
                };
                sizes.insert(*file, size);
            }
            EffectKind::Resize { file, from, to } => {
                sizes.insert(*file, *to);
                if to < from {
                    image.edit(*file, |content| {
                        let mut page = to.div_ceil(PAGE_BYTES);
                        while let Some(no) = content.next_page(page) {
                            content.set_page(no, None);
                            page = no;
                        }
                    });
                }
            }
            EffectKind::Link { at, file, .. } => image.link(at.dir, &at.name, *file),
            EffectKind::Unlink { at, .. } => {
                image.unlink(at.dir, &at.name);
            }
            EffectKind::Rename { from, to, file, split, .. } => {
                if !split {
                    image.unlink(from.dir, &from.name);
                }
                image.link(to.dir, &to.name, *file);
            }
            EffectKind::Leave { from, .. } => {
                image.unlink(from.dir, &from.name);
            }
            EffectKind::Exchange { a, b, file_a, file_b } => {
                image.unlink(a.dir, &a.name);
                image.unlink(b.dir, &b.name);
                image.link(a.dir, &a.name, *file_b);
                image.link(b.dir, &b.name, *file_a);
            }
        }
    }
    for (file, size) in sizes {
        image.edit(file, |content| content.clip(size));
    }
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_image_of_a_state_is_what_survives_applied_in_program_order(
        steps in steps(60),
        visits in proptest::collection::vec(
            (any::<prop::sample::Index>(), proptest::collection::vec((any::<u32>(), any::<u8>()), 0..5)),
            1..8,
        ),
    ) {
        let script = script(&steps);
        let model = script.model();
        let mut builder = Builder::new(&model);
        for (at, picks) in visits {
            let point = EventNo(at.index(script.trace.events.len() + 1) as u32);
            let view = View::at(&model, point);
            let mut states = vec![CrashState::kill(point), loss(&model, point, &picks)];
            for profile in Profile::ALL {
                let seeds: Vec<u32> = picks.iter().map(|pick| pick.0 % view.pending(profile).len().max(1) as u32)
                    .filter_map(|at| view.pending(profile).get(at as usize).copied()).collect();
                states.push(CrashState::power(point, view.losing(profile, seeds.clone())));
                states.push(CrashState::power(point, view.keeping(profile, seeds)));
                states.push(CrashState::power(point, view.losing_all(profile)));
            }
            for state in states {
                if view.check(&state, Profile::Strict).is_ok() {
                    let (built, booked) = (builder.image(&state), by_the_book(&model, &state));
                    prop_assert_eq!(built.hash(), booked.hash(), "{}\n{:?}\n{:?}", state, built.files(), booked.files());
                    prop_assert_eq!(Image::from_tree(&built.to_tree()).hash(), built.hash());
                }
            }
        }
    }
}

#[test]
fn a_lost_append_under_a_surviving_size_reads_as_zeros_or_as_garbage() {
    let mut script = Script::new().with_file("a", &[7; 4096]);
    let append = script.write("a", 4096, &[1; 4096]);
    let data = effects(&script.model(), append, What::Data)[0];
    let lost = CrashState::power(script.end(), Loss::new(&[data], Vec::new()));
    let mut zeros = vec![7; 4096];
    zeros.resize(8192, 0);
    assert_eq!(bytes(&script, &lost, "a").unwrap(), zeros);
    let form = Form::Sectors { arrived: 1, garbage: true };
    let garbage = CrashState::power(script.end(), Loss::new(&[], vec![(data, form)]));
    let garbage = bytes(&script, &garbage, "a").unwrap();
    assert_eq!(garbage[4096..4608], [1; 512]);
    assert!(garbage[4608..].iter().any(|&byte| byte > 1));
}

#[test]
fn a_shrunk_and_grown_file_may_show_the_old_bytes_and_never_pages_that_were_discarded() {
    let mut script = Script::new().with_file("a", &[7; 8192]);
    let shrink = script.truncate("a", 100);
    script.truncate("a", 8192);
    let tail = effects(&script.model(), shrink, What::Data)[0];
    let state = CrashState::power(script.end(), Loss::new(&[tail], Vec::new()));
    let mut old = vec![7; 4096];
    old.resize(8192, 0);
    assert_eq!(bytes(&script, &state, "a").unwrap(), old);
}

#[test]
fn both_names_of_a_file_renamed_between_directories_lead_to_it() {
    let mut script = Script::new().with_dir("d").with_file("a", &[7]);
    let rename = script.rename("a", "d/a");
    let leave = script.model().effects_of(rename).nth(1).unwrap();
    let state = CrashState::power(script.end(), Loss::new(&[leave], Vec::new()));
    assert_eq!(bytes(&script, &state, "a").unwrap(), [7]);
    assert_eq!(bytes(&script, &state, "d/a").unwrap(), [7]);
}

#[test]
fn an_older_point_is_reached_from_a_newer_one() {
    let mut script = Script::new().with_file("a", &[0; 10]);
    for byte in 0..200 {
        script.write("a", 0, &[byte; 10]);
        if byte % 7 == 0 {
            script.fsync("a");
        }
    }
    let model = script.model();
    let mut builder = Builder::new(&model);
    for point in [200, 3, 130, 64, 65, 199, 0, 1] {
        let point = EventNo(point);
        let expected = Builder::new(&model).image(&CrashState::kill(point));
        assert_eq!(builder.image(&CrashState::kill(point)), expected);
    }
}

/// Everything surviving is the plain replay of the trace: two programs that know nothing of each other.
fn same_as_replay(trace: &crate::trace::Trace) -> Result<(), TestCaseError> {
    use crate::image::EntryKind;
    use crate::trace::replay::{Replayed, replay};
    let Ok(replayed) = replay(trace) else { return Ok(()) };
    let model = Model::new(trace);
    for state in [
        CrashState::kill(model.last_point()),
        CrashState::power(model.last_point(), Loss::default()),
    ] {
        let image = Builder::new(&model).image(&state);
        let mut left = replayed.clone();
        left.retain(|_, node| !matches!(node, Replayed::Special));
        for entry in image.entries() {
            use std::os::unix::ffi::OsStrExt;
            let path = entry.path.as_os_str().as_bytes().to_vec();
            let same = match (left.remove(&path), entry.kind) {
                (Some(Replayed::File(_, old)), EntryKind::File(new)) => {
                    let size = usize::try_from(old.len().min(1 << 22)).unwrap_or(0);
                    old.len() == new.size() && old.read(0, size) == new.read(0, size)
                }
                (Some(Replayed::Dir), EntryKind::Dir) => true,
                (Some(Replayed::Symlink(old)), EntryKind::Symlink(new)) => old == new,
                _ => false,
            };
            prop_assert!(same, "{:?} of {}", entry.path, state);
        }
        prop_assert!(left.is_empty(), "missing: {:?}", left.keys());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn everything_surviving_is_the_plain_replay_of_a_script(steps in steps(80)) {
        same_as_replay(&script(&steps).trace)?;
    }

    #[test]
    fn everything_surviving_is_the_plain_replay_of_a_sample(seed: u64, events in 0usize..120) {
        same_as_replay(&crate::trace::samples::sample(seed, events))?;
    }
}

#[test]
fn a_state_that_names_what_is_not_there_makes_no_panic() {
    let mut script = Script::new().with_file("a", &[0; 10]);
    for byte in 0..9 {
        script.write("a", 0, &[byte; 10]);
    }
    let model = script.model();
    for text in [
        "9 lost 0-4294967294",
        "9 sectors 99:01",
        "9 cut 3:77",
        "99 lost 3",
        "3 lost 8",
        "4 kill 9",
    ] {
        let state: CrashState = text.parse().unwrap();
        assert!(model.check(&state, Profile::Strict).is_err(), "{text}");
        Builder::new(&model).image(&state);
    }
}

/// The case that a random trace found: xfs has the second size durable, by the sync of the directory, and
/// the first one pending; `strict` has both. Whether the first is lost makes no difference.
#[test]
fn a_size_that_a_later_durable_one_replaced_is_part_of_no_image() {
    let mut script = Script::new().with_dir("d");
    script.create("d/a");
    let grown = script.write("d/a", 0, b"x");
    script.truncate("d/a", 12_975);
    script.fsync("d");
    script.write_with("d/a", 1, b"y", crate::trace::WriteSync::Data);
    script.event(crate::trace::EventKind::Warn("it returned".into()));
    let model = script.model();
    let grow = effects(&model, grown, What::Grow);
    assert!(!grow.is_empty());
    for profile in Profile::ALL {
        let lost = CrashState::power(script.end(), Loss::new(&grow, Vec::new()));
        let kept = CrashState::power(script.end(), Loss::default());
        let mut builder = Builder::new(&model);
        assert_eq!(builder.image(&lost).hash(), builder.image(&kept).hash(), "{profile}");
    }
}
