//! A failed fsync: nothing is durable, the pages are clean and no later fsync writes them, only
//! writing to them again helps, and the size may survive over zeros.

use super::script::{ALL, BTRFS, EXT4, STRICT, Script, What, durable_in, only_in};

#[test]
fn a_later_fsync_succeeds_and_does_not_write_what_a_failed_one_left() {
    let mut script = Script::new().with_file("a", &[0; 8192]);
    let lost = script.write("a", 0, &[1; 10]);
    script.failed_fsync("a");
    let other = script.write("a", 4096, &[1; 10]);
    script.fsync("a");
    script.sync_all();
    durable_in(&script, lost, What::All, &[]);
    durable_in(&script, other, What::All, &ALL);
    only_in(&script, &[(lost, What::All)], &ALL);
    // It may have reached the disk all the same.
    only_in(&script, &[], &ALL);
}

#[test]
fn writing_to_the_page_again_makes_all_of_it_dirty() {
    let mut script = Script::new().with_file("a", &[0; 8192]);
    let first = script.write("a", 0, &[1; 10]);
    script.failed_fsync("a");
    let again = script.write("a", 2000, &[2; 10]);
    script.fsync("a");
    durable_in(&script, first, What::All, &ALL);
    durable_in(&script, again, What::All, &ALL);
}

#[test]
fn the_size_may_survive_over_zeros_on_ext4_and_btrfs() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let append = script.write("a", 4096, &[1; 4096]);
    script.failed_fsync("a");
    script.fsync("a");
    durable_in(&script, append, What::All, &[]);
    only_in(&script, &[(append, What::Data)], &[EXT4, BTRFS, STRICT]);
    only_in(&script, &[(append, What::All)], &ALL);
    // Writing to it again and syncing makes its size durable too.
    let again = script.write("a", 4096, &[2; 10]);
    script.fdatasync("a");
    durable_in(&script, again, What::All, &ALL);
    durable_in(&script, append, What::Grow, &ALL);
}

#[test]
fn a_failed_sync_of_one_range_leaves_the_rest_dirty() {
    let mut script = Script::new().with_file("a", &[0; 8192]);
    let first = script.write("a", 0, &[1; 10]);
    let second = script.write("a", 4096, &[1; 10]);
    let file = script.id("a");
    let scope = crate::trace::SyncScope::Range { offset: 0, len: 4096 };
    script.op(crate::trace::FileOp::FailedSync { file, scope });
    script.fsync("a");
    durable_in(&script, first, What::All, &[]);
    durable_in(&script, second, What::All, &ALL);
}

#[test]
fn names_and_sizes_that_were_set_are_not_clean_after_a_failed_fsync() {
    let mut script = Script::new();
    let create = script.create("a");
    let resize = script.truncate("a", 4096);
    script.failed_fsync("a");
    durable_in(&script, create, What::All, &[]);
    durable_in(&script, resize, What::All, &[]);
    script.fsync("a");
    durable_in(&script, resize, What::All, &ALL);
    script.fsync("");
    durable_in(&script, create, What::All, &ALL);
}
