//! Forms: pages as prefixes of their writes, torn, garbage; overwrites on btrfs.

use super::script::{ALL, BTRFS, EXT4, STRICT, Script, What, XFS, effects, legal_only_in, only_in};
use crate::persistence::{CrashState, Device, Form, Loss, Model, Overlay, Profile};
use crate::trace::EventNo;

fn torn(script: &Script, event: EventNo, arrived: u8, garbage: bool) -> CrashState {
    let data = effects(&script.model(), event, What::Data)[0];
    let form = Form::Sectors { arrived, garbage };
    CrashState::power(script.end(), Loss::new(&[], vec![(data, form)]))
}

#[test]
fn a_page_survives_as_after_some_prefix_of_its_writes() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let first = script.write("a", 0, &[1; 10]);
    let second = script.write("a", 1000, &[2; 10]);
    only_in(&script, &[(first, What::All)], &[]);
    only_in(&script, &[(second, What::All)], &ALL);
    // Different pages are free of each other.
    let other = script.write("a", 4096, &[3; 4096]);
    only_in(&script, &[(first, What::All), (second, What::All)], &ALL);
    only_in(&script, &[(other, What::Data)], &ALL);
}

#[test]
fn an_overwrite_of_allocated_blocks_may_be_torn_except_on_btrfs() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let write = script.write("a", 0, &[1; 4096]);
    let state = torn(&script, write, 0x0f, false);
    legal_only_in(&script, &state, &[EXT4, XFS, STRICT]);
    let device = Device { atomic_pages: true };
    let model = Model::with(&script.trace, &Overlay::default(), device);
    assert!(Profile::ALL.iter().all(|profile| !model.is_legal(&state, *profile)));
}

#[test]
fn an_appended_page_is_there_or_not_and_torn_or_garbage_only_in_strict() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let append = script.write("a", 4096, &[1; 4096]);
    legal_only_in(&script, &torn(&script, append, 0x0f, false), &[STRICT]);
    legal_only_in(&script, &torn(&script, append, 0x00, true), &[STRICT]);
    legal_only_in(&script, &torn(&script, append, 0x0f, true), &[STRICT]);
    // The next write to that page finds it on disk, if the first arrived.
    let again = script.write("a", 4096, &[2; 4096]);
    legal_only_in(&script, &torn(&script, again, 0x0f, false), &[EXT4, XFS, STRICT]);
}

#[test]
fn each_sector_has_its_own_prefix() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let first = script.write("a", 0, &[1; 4096]);
    let second = script.write("a", 0, &[2; 4096]);
    let model = script.model();
    let first = effects(&model, first, What::Data)[0];
    let second = effects(&model, second, What::Data)[0];
    let state = |a, b| {
        let form = |arrived| Form::Sectors { arrived, garbage: false };
        let loss = Loss::new(&[], vec![(first, form(a)), (second, form(b))]);
        CrashState::power(script.end(), loss)
    };
    legal_only_in(&script, &state(0x0f, 0x03), &[EXT4, XFS, STRICT]);
    legal_only_in(&script, &state(0x0f, 0x10), &[]);
}

#[test]
fn garbage_never_stands_where_something_was() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let overwrite = script.write("a", 0, &[1; 4096]);
    legal_only_in(&script, &torn(&script, overwrite, 0, true), &[]);
    let mut script = Script::new().with_file("a", &[0; 4096]);
    script.write("a", 4096, &[1; 100]);
    let second = script.write("a", 4196, &[2; 100]);
    legal_only_in(&script, &torn(&script, second, 0, true), &[]);
}

#[test]
fn what_is_durable_is_neither_torn_nor_lost() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let write = script.write("a", 0, &[1; 4096]);
    script.fdatasync("a");
    legal_only_in(&script, &torn(&script, write, 0x0f, false), &[]);
    only_in(&script, &[(write, What::All)], &[]);
}

#[test]
fn btrfs_overwrites_a_range_wholly_or_not_at_all() {
    let mut script = Script::new().with_file("a", &[0; 16384]);
    let write = script.write("a", 0, &[1; 12288]);
    only_in(&script, &[(write, What::Page(1))], &[EXT4, XFS, STRICT]);
    only_in(&script, &[(write, What::Data)], &ALL);
    // Appended pages are free of each other.
    let append = script.write("a", 16384, &[1; 12288]);
    only_in(&script, &[(append, What::Page(5))], &ALL);
    // A range half over old pages and half appended: the old pages go together.
    let across = script.write("a", 8192, &[2; 24576]);
    only_in(&script, &[(across, What::Page(3))], &[EXT4, XFS, STRICT]);
    let _ = BTRFS;
}

#[test]
fn a_punched_hole_is_zeros_page_by_page() {
    let mut script = Script::new().with_file("a", &[1; 16384]);
    let punch = script.punch("a", 4096, 8192);
    assert_eq!(effects(&script.model(), punch, What::Data).len(), 2);
    only_in(&script, &[(punch, What::Page(2))], &[EXT4, XFS, STRICT]);
    only_in(&script, &[(punch, What::Page(1))], &[STRICT]);
    only_in(&script, &[(punch, What::All)], &ALL);
    legal_only_in(&script, &torn(&script, punch, 0x0f, false), &[STRICT]);
}

#[test]
fn punching_whole_pages_is_metadata_except_in_strict() {
    // Measured on ext4: a rename, then a punch of eight blocks and of a part of a ninth.
    let mut script = Script::new().with_file("a", &[1; 16384]).with_file("b", &[1; 10]);
    let rename = script.rename("b", "c");
    let punch = script.punch("a", 0, 8192 + 100);
    only_in(&script, &[(rename, What::All)], &[STRICT]);
    only_in(&script, &[(rename, What::All), (punch, What::Page(2))], &[STRICT]);
    let whole = [(rename, What::All), (punch, What::Page(0)), (punch, What::Page(1))];
    only_in(&script, &whole, &ALL);
    only_in(&script, &[(punch, What::Page(2))], &ALL);
    // A sync of the file confirms it, as any change of the file, with all metadata before it.
    script.fdatasync("a");
    only_in(&script, &[(rename, What::All)], &[BTRFS, STRICT]);
    only_in(&script, &[(punch, What::Page(0))], &[]);
}

#[test]
fn a_punched_page_needs_none_of_the_bytes_that_it_takes_away() {
    let mut script = Script::new().with_file("a", &[1; 8192]);
    let write = script.write("a", 0, &[2; 8192]);
    let punch = script.punch("a", 0, 4096);
    let again = script.write("a", 0, &[3; 10]);
    only_in(&script, &[(write, What::Page(0))], &[EXT4, XFS, STRICT]);
    only_in(&script, &[(write, What::Data)], &ALL);
    // What is written there later goes into new blocks.
    only_in(&script, &[(punch, What::All)], &[]);
    only_in(&script, &[(punch, What::All), (again, What::All)], &ALL);
}

#[test]
fn no_form_fits_an_effect_of_another_sort() {
    let mut script = Script::new();
    script.create("a");
    script.write("a", 0, &[1; 9000]);
    let forms = [Form::Cut(4096), Form::Sectors { arrived: 1, garbage: false }];
    for (effect, form) in [(0, forms[0]), (0, forms[1]), (1, forms[0]), (4, forms[1])] {
        let state = CrashState::power(script.end(), Loss::new(&[], vec![(effect, form)]));
        legal_only_in(&script, &state, &[]);
    }
}
