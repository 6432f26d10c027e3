//! Renames: against the bytes of their source, between directories, exchanged.

use super::script::{ALL, BTRFS, EXT4, STRICT, Script, What, XFS, durable_in, only_in};
use crate::persistence::EffectKind;
use crate::persistence::{CrashState, Loss};
use crate::trace::ResizeHow;

#[test]
fn a_rename_over_a_file_keeps_a_fresh_sources_length_on_ext4_and_no_bytes() {
    let mut script = Script::new().with_file("a", &[1; 4096]);
    script.create("t");
    let write = script.write("t", 0, &[2; 8192]);
    let rename = script.rename("t", "a");
    only_in(&script, &[(write, What::Page(1))], &ALL);
    only_in(&script, &[(write, What::Data)], &ALL);
    // Empty.
    only_in(&script, &[(write, What::All)], &[XFS, BTRFS, STRICT]);
    only_in(&script, &[(write, What::All), (rename, What::All)], &ALL);
}

#[test]
fn a_rename_over_a_file_is_unordered_with_what_was_overwritten_or_fallocated_on_ext4_too() {
    let mut script = Script::new().with_file("a", &[1; 4096]).with_file("t", &[1; 100]);
    let overwrite = script.write("t", 0, &[2; 50]);
    let append = script.write("t", 100, &[2; 50]);
    script.rename("t", "a");
    only_in(&script, &[(overwrite, What::Data), (append, What::Data)], &ALL);
    let mut script = Script::new().with_file("a", &[1; 4096]);
    script.create("t");
    script.allocate("t", 0, 8192);
    let write = script.write("t", 0, &[2; 8192]);
    script.rename("t", "a");
    only_in(&script, &[(write, What::All)], &ALL);
}

#[test]
fn a_rename_to_a_new_name_is_unordered_with_the_data() {
    let mut script = Script::new();
    script.create("t");
    let write = script.write("t", 0, &[2; 8192]);
    script.rename("t", "a");
    only_in(&script, &[(write, What::All)], &ALL);
    only_in(&script, &[(write, What::Data)], &ALL);
}

#[test]
fn a_link_an_unnamed_files_link_and_an_exchange_are_unordered_with_the_data() {
    let mut script = Script::new().with_file("b", &[1; 10]);
    script.create("t");
    let write = script.write("t", 0, &[2; 8192]);
    script.link("t", "a");
    only_in(&script, &[(write, What::All)], &ALL);
    script.exchange("t", "b");
    only_in(&script, &[(write, What::All)], &ALL);
}

#[test]
fn a_rename_is_lost_or_survives_as_a_whole() {
    let mut script = Script::new().with_file("a", &[1; 10]).with_file("t", &[2; 10]);
    let rename = script.rename("t", "a");
    assert_eq!(script.model().effects_of(rename).len(), 1);
    only_in(&script, &[(rename, What::All)], &ALL);
}

#[test]
fn a_rename_between_directories_may_leave_both_names_in_btrfs_and_strict() {
    let mut script = Script::new().with_dir("d").with_file("a", &[1; 10]);
    let rename = script.rename("a", "d/a");
    let model = script.model();
    let effects: Vec<u32> = model.effects_of(rename).collect();
    assert!(matches!(model.effects()[effects[1] as usize].kind, EffectKind::Leave { .. }));
    let losing = |lost: &[u32]| CrashState::power(script.end(), Loss::new(lost, Vec::new()));
    super::script::legal_only_in(&script, &losing(&effects[1..]), &[BTRFS, STRICT]);
    // Never neither name.
    super::script::legal_only_in(&script, &losing(&effects[..1]), &[]);
    super::script::legal_only_in(&script, &losing(&effects), &ALL);
}

#[test]
fn fsync_of_the_target_directory_may_still_leave_both_names_and_fsync_of_the_source_does_not() {
    for (dir, both) in [("d", true), ("", false)] {
        let mut script = Script::new().with_dir("d").with_file("a", &[1; 10]);
        let rename = script.rename("a", "d/a");
        script.fsync(dir);
        let leave = script.model().effects_of(rename).nth(1).unwrap();
        let state = CrashState::power(script.end(), Loss::new(&[leave], Vec::new()));
        super::script::legal_only_in(&script, &state, if both { &[BTRFS, STRICT] } else { &[] });
        only_in(&script, &[(rename, What::All)], &[]);
    }
}

#[test]
fn a_directory_never_has_two_names() {
    let mut script = Script::new().with_dir("d").with_dir("e");
    let rename = script.rename("e", "d/e");
    assert_eq!(script.model().effects_of(rename).len(), 1);
}

#[test]
fn an_exchange_between_directories_is_one_step() {
    let mut script = Script::new().with_dir("d").with_file("a", &[1]).with_file("d/b", &[2]);
    let exchange = script.exchange("a", "d/b");
    assert_eq!(script.model().effects_of(exchange).len(), 1);
    script.fsync("d");
    durable_in(&script, exchange, What::All, &ALL);
}

#[test]
fn the_usual_atomic_replacement_is_safe_in_the_observed_profiles() {
    // write, fsync, rename over, fsync of the directory: safe everywhere.
    let mut script = Script::new().with_file("a", &[1; 10]);
    let create = script.create("t");
    let write = script.write("t", 0, &[2; 9000]);
    script.fsync("t");
    let rename = script.rename("t", "a");
    only_in(&script, &[(rename, What::All)], &ALL);
    script.fsync("");
    durable_in(&script, create, What::All, &ALL);
    durable_in(&script, write, What::All, &ALL);
    durable_in(&script, rename, What::All, &ALL);
    // Preallocated with ftruncate: its pages may be zeros after the rename, its length is there.
    let mut script = Script::new().with_file("a", &[1; 10]);
    script.create("t");
    let resize = script.resize("t", 8192, ResizeHow::Truncate);
    let write = script.write("t", 0, &[2; 8192]);
    script.rename("t", "a");
    only_in(&script, &[(resize, What::All)], &[STRICT]);
    only_in(&script, &[(write, What::All)], &ALL);
    let _ = EXT4;
}
