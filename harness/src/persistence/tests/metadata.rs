//! The order among Link, Unlink, Rename and Resize, and of growth with them.

use super::script::{ALL, BTRFS, STRICT, Script, What, XFS, legal_only_in, only_in, state};
use crate::persistence::{CrashState, Form, Loss};
use crate::trace::ResizeHow;

#[test]
fn metadata_survives_as_a_prefix_except_in_strict() {
    let mut script = Script::new();
    let first = script.create("a");
    let second = script.create("b");
    only_in(&script, &[(first, What::All)], &[STRICT]);
    only_in(&script, &[(second, What::All)], &ALL);
}

#[test]
fn what_btrfs_fsynced_jumps_ahead_of_the_prefix() {
    let mut script = Script::new();
    let first = script.create("a");
    script.create("b");
    script.fsync("b");
    let third = script.create("c");
    only_in(&script, &[(first, What::All), (third, What::All)], &[BTRFS, STRICT]);
    only_in(&script, &[(first, What::All)], &[STRICT]);
}

#[test]
fn effects_on_one_name_keep_their_order_in_every_profile() {
    let mut script = Script::new();
    let create = script.create("a");
    let unlink = script.unlink("a");
    let again = script.create("a");
    only_in(&script, &[(create, What::All)], &[]);
    only_in(&script, &[(unlink, What::All)], &[]);
    only_in(&script, &[(again, What::All)], &ALL);
    only_in(&script, &[(unlink, What::All), (again, What::All)], &ALL);
}

#[test]
fn growth_needs_the_metadata_before_its_write_except_in_strict() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let create = script.create("b");
    let append = script.write("a", 4096, &[1; 4096]);
    only_in(&script, &[(create, What::All)], &[STRICT]);
    only_in(&script, &[(create, What::All), (append, What::Grow)], &ALL);
    // Its own place in the journal is later: metadata after it does not need it.
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let append = script.write("a", 4096, &[1; 4096]);
    script.create("b");
    only_in(&script, &[(append, What::Grow)], &ALL);
}

#[test]
fn ext4_growth_inside_the_last_allocated_block_is_metadata() {
    let mut script = Script::new().with_file("a", &[1; 100]);
    let append = script.write("a", 100, &[1; 100]);
    script.create("b");
    only_in(&script, &[(append, What::Grow)], &[XFS, BTRFS, STRICT]);
    // A block that is not on disk yet is no allocated block.
    let mut script = Script::new().with_file("a", &[]);
    script.write("a", 0, &[1; 100]);
    let append = script.write("a", 100, &[1; 100]);
    script.create("b");
    only_in(&script, &[(append, What::Grow)], &ALL);
}

#[test]
fn explicit_growth_is_metadata_except_in_strict_and_never_needs_bytes() {
    for how in [ResizeHow::Truncate, ResizeHow::Allocate] {
        let mut script = Script::new().with_file("a", &[1; 4096]);
        let resize = script.resize("a", 100_000, how);
        script.create("b");
        only_in(&script, &[(resize, What::All)], &[STRICT]);
        let mut script = Script::new().with_file("a", &[1; 4096]);
        script.resize("a", 100_000, how);
        let write = script.write("a", 50_000, &[1; 10]);
        only_in(&script, &[(write, What::All)], &ALL);
    }
}

#[test]
fn an_append_may_lose_any_page_under_the_new_size_and_its_size_over_any_page() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let append = script.write("a", 4096, &[1; 16384]);
    only_in(&script, &[(append, What::Page(2))], &ALL);
    only_in(&script, &[(append, What::Data)], &ALL);
    only_in(&script, &[(append, What::Grow)], &ALL);
}

#[test]
fn a_grow_may_be_cut_at_a_page_boundary_inside_its_write() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let append = script.write("a", 6000, &[1; 16384]);
    let model = script.model();
    let grow = super::script::effects(&model, append, What::Grow)[0];
    for (size, allowed) in
        [(8192, true), (20480, true), (22384, false), (4096, false), (9000, false)]
    {
        let state = CrashState::power(script.end(), Loss::new(&[], vec![(grow, Form::Cut(size))]));
        legal_only_in(&script, &state, if allowed { &ALL } else { &[] });
    }
}

#[test]
fn truncate_to_nothing_and_write_again_is_old_empty_zeros_or_whole() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let shrink = script.truncate("a", 0);
    let write = script.write("a", 0, &[2; 4096]);
    only_in(&script, &[(shrink, What::All), (write, What::All)], &ALL);
    only_in(&script, &[(write, What::All)], &ALL);
    only_in(&script, &[(write, What::Data)], &ALL);
    // New bytes in the old file's blocks: they went into other blocks.
    only_in(&script, &[(shrink, What::All), (write, What::Grow)], &[STRICT]);
}

#[test]
fn a_shrink_to_an_unaligned_size_is_unordered_with_its_zeros() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let shrink = script.truncate("a", 100);
    // Zeros at the old size.
    only_in(&script, &[(shrink, What::Rest)], &ALL);
    // The old bytes, after a growth.
    let mut script = Script::new().with_file("a", &[1; 4096]);
    let shrink = script.truncate("a", 100);
    script.truncate("a", 4096);
    only_in(&script, &[(shrink, What::Data)], &[BTRFS, STRICT]);
}

#[test]
fn an_effect_that_has_not_happened_or_is_not_there_makes_no_state() {
    let mut script = Script::new();
    script.create("a");
    let later = script.create("b");
    let mut early = state(&script, &[(later, What::All)], &[]);
    early.point = later;
    legal_only_in(&script, &early, &[]);
    let unknown = CrashState::power(script.end(), Loss::new(&[99], Vec::new()));
    legal_only_in(&script, &unknown, &[]);
    let nowhere = CrashState::power(crate::trace::EventNo(99), Loss::default());
    legal_only_in(&script, &nowhere, &[]);
}
