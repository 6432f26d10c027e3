//! The barriers: what each call makes durable in every profile, and what each profile adds.

use super::script::{ALL, BTRFS, EXT4, STRICT, Script, What, XFS, durable_in, only_in};
use crate::trace::{EventKind, WriteSync};

#[test]
fn nothing_is_durable_without_a_barrier() {
    let mut script = Script::new();
    let create = script.create("a");
    let write = script.write("a", 0, &[1; 100]);
    only_in(&script, &[(create, What::All), (write, What::All)], &ALL);
    durable_in(&script, write, What::All, &[]);
}

#[test]
fn fsync_makes_bytes_and_sizes_durable_in_every_profile_and_the_name_in_the_observed_ones() {
    let mut script = Script::new();
    let create = script.create("a");
    let write = script.write("a", 0, &[1; 100]);
    let resize = script.truncate("a", 9000);
    script.fsync("a");
    durable_in(&script, write, What::All, &ALL);
    durable_in(&script, resize, What::All, &ALL);
    // The missing fsync of the directory: lost under strict alone.
    durable_in(&script, create, What::All, &[EXT4, XFS, BTRFS]);
    only_in(&script, &[(create, What::All)], &[STRICT]);
    let later = script.write("a", 0, &[2; 100]);
    only_in(&script, &[(later, What::All)], &ALL);
}

#[test]
fn fdatasync_makes_bytes_and_the_sizes_that_they_need_durable() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let append = script.write("a", 4096, &[1; 100]);
    script.fdatasync("a");
    durable_in(&script, append, What::All, &ALL);
    // A size that ftruncate gave is flushed too: fdatasync(2) names it.
    let longer = script.truncate("a", 100_000);
    script.fdatasync("a");
    durable_in(&script, longer, What::All, &ALL);
    let shorter = script.truncate("a", 0);
    only_in(&script, &[(shorter, What::All)], &ALL);
    script.fdatasync("a");
    durable_in(&script, shorter, What::All, &ALL);
}

#[test]
fn fsync_of_a_directory_makes_its_names_durable_and_ext4_and_xfs_add_earlier_metadata() {
    let mut script = Script::new().with_dir("d").with_dir("e");
    let other = script.create("e/x");
    let create = script.create("d/a");
    let write = script.write("d/a", 0, &[1; 100]);
    let later = script.create("e/y");
    script.fsync("d");
    durable_in(&script, create, What::All, &ALL);
    durable_in(&script, write, What::Data, &[]);
    durable_in(&script, other, What::All, &[EXT4, XFS]);
    // xfs only up to the directory's latest change, ext4 everything.
    durable_in(&script, later, What::All, &[EXT4]);
    let lost = [(other, What::All), (later, What::All), (write, What::Grow)];
    only_in(&script, &lost, &[BTRFS, STRICT]);
}

#[test]
fn sync_makes_everything_durable() {
    let mut script = Script::new().with_dir("d");
    let create = script.create("d/a");
    let write = script.write("d/a", 0, &[1; 9000]);
    script.sync_all();
    durable_in(&script, create, What::All, &ALL);
    durable_in(&script, write, What::All, &ALL);
}

#[test]
fn a_write_with_o_dsync_carries_its_bytes_and_the_size_and_not_the_pages_below() {
    let mut script = Script::new().with_file("a", &[0; 4096]);
    let below = script.write("a", 4096, &[1; 4096]);
    let synced = script.write_with("a", 8192, &[2; 100], WriteSync::Data);
    // Power may be cut before the call returns.
    durable_in(&script, synced, What::Data, &[]);
    only_in(&script, &[(below, What::All), (synced, What::All)], &ALL);
    script.event(EventKind::Warn("it returned".into()));
    durable_in(&script, synced, What::All, &ALL);
    // btrfs flushes the whole file; elsewhere the page below may read as zeros.
    durable_in(&script, below, What::Data, &[BTRFS]);
    only_in(&script, &[(below, What::Data)], &[EXT4, XFS, STRICT]);
}

#[test]
fn msync_covers_its_range_as_fdatasync_does() {
    let mut script = Script::new().with_file("a", &[0; 20_000]);
    let first = script.write("a", 0, &[1; 10]);
    let second = script.write("a", 8192, &[1; 10]);
    script.msync("a", 0, 4096);
    durable_in(&script, first, What::All, &ALL);
    durable_in(&script, second, What::All, &[BTRFS]);
    only_in(&script, &[(second, What::All)], &[EXT4, XFS, STRICT]);
}

#[test]
fn ext4_fsync_of_an_overwrite_takes_along_only_what_came_before_the_files_own_latest_change() {
    let mut script = Script::new().with_file("a", &[0; 8192]).with_file("b", &[]);
    script.truncate("a", 4096);
    let unlink = script.unlink("b");
    script.write("a", 0, &[1; 10]);
    script.fsync("a");
    only_in(&script, &[(unlink, What::All)], &ALL);
    // An append must allocate: everything before the fsync.
    let other = script.create("c");
    script.write("a", 4096, &[1; 10]);
    let after = script.create("d");
    script.fsync("a");
    durable_in(&script, unlink, What::All, &[EXT4, XFS]);
    durable_in(&script, other, What::All, &[EXT4, XFS]);
    // xfs stops at the append.
    durable_in(&script, after, What::All, &[EXT4]);
}

#[test]
fn ext4_fsync_of_a_write_into_a_hole_or_a_fallocated_range_takes_everything_along() {
    for fallocated in [false, true] {
        let mut script = Script::new().with_file("a", &[1; 4096]);
        let how = if fallocated {
            crate::trace::ResizeHow::Allocate
        } else {
            crate::trace::ResizeHow::Truncate
        };
        script.resize("a", 100_000, how);
        script.fsync("a");
        let other = script.create("b");
        script.write("a", 50_000, &[1; 10]);
        script.fdatasync("a");
        durable_in(&script, other, What::All, &[EXT4]);
        let next = script.create("c");
        script.write("a", 50_000, &[2; 10]);
        script.fdatasync("a");
        durable_in(&script, next, What::All, &[]);
    }
}

#[test]
fn ext4_fdatasync_does_not_count_a_rename_and_fsync_does() {
    for data in [false, true] {
        let mut script = Script::new().with_file("a", &[1; 4096]);
        let rename = script.rename("a", "b");
        script.write("b", 0, &[2; 10]);
        if data {
            script.fdatasync("b");
            durable_in(&script, rename, What::All, &[XFS, BTRFS]);
            only_in(&script, &[(rename, What::All)], &[EXT4, STRICT]);
        } else {
            script.fsync("b");
            only_in(&script, &[(rename, What::All)], &[STRICT]);
        }
    }
}

#[test]
fn xfs_fdatasync_counts_a_link() {
    let mut script = Script::new().with_dir("d").with_file("a", &[1; 4096]);
    let link = script.link("a", "b");
    let later = script.create("d/c");
    script.fdatasync("a");
    durable_in(&script, link, What::All, &[XFS, BTRFS]);
    durable_in(&script, later, What::All, &[]);
}

#[test]
fn btrfs_fsync_makes_the_files_own_name_jump_ahead() {
    let mut script = Script::new().with_dir("d");
    let other = script.create("x");
    let create = script.create("d/a");
    script.write("d/a", 0, &[1; 10]);
    script.fsync("d/a");
    durable_in(&script, create, What::All, &[EXT4, XFS, BTRFS]);
    only_in(&script, &[(other, What::All)], &[BTRFS, STRICT]);
}

#[test]
fn btrfs_fsync_of_a_file_in_a_new_directory_makes_the_directorys_name_durable() {
    let mut script = Script::new();
    let mkdir = script.mkdir("d");
    script.create("d/a");
    script.fsync("d/a");
    only_in(&script, &[(mkdir, What::All)], &[STRICT]);
}

#[test]
fn btrfs_fsync_of_a_renamed_or_linked_file_takes_its_directorys_earlier_entries_along() {
    for link in [false, true] {
        let mut script = Script::new().with_dir("d").with_file("a", &[1; 10]);
        let elsewhere = script.create("d/x");
        let before = script.create("y");
        if link {
            script.link("a", "b");
        } else {
            script.rename("a", "b");
        }
        script.fsync("b");
        durable_in(&script, before, What::All, &[EXT4, XFS, BTRFS]);
        durable_in(&script, elsewhere, What::All, &[EXT4, XFS]);
        // After a commit the file counts as unmoved again.
        script.sync_all();
        let later = script.create("z");
        script.write("b", 0, &[2; 10]);
        script.fsync("b");
        durable_in(&script, later, What::All, &[]);
    }
}

#[test]
fn btrfs_fsync_of_a_file_that_moved_between_directories_is_a_commit() {
    let mut script = Script::new().with_dir("d").with_dir("e").with_file("a", &[1; 10]);
    let other = script.create("e/x");
    script.rename("a", "d/a");
    script.fsync("d/a");
    durable_in(&script, other, What::All, &[EXT4, XFS, BTRFS]);
}

#[test]
fn btrfs_fsync_of_a_file_that_took_anothers_name_makes_that_ones_rename_durable() {
    let mut script = Script::new().with_file("log", &[1; 10]);
    let rename = script.rename("log", "log.old");
    let unrelated = script.create("x");
    let create = script.create("log");
    script.fsync("log");
    durable_in(&script, create, What::All, &[EXT4, XFS, BTRFS]);
    durable_in(&script, rename, What::All, &[EXT4, XFS, BTRFS]);
    durable_in(&script, unrelated, What::All, &[EXT4, XFS]);
}

#[test]
fn syncs_that_promise_nothing_make_nothing_durable() {
    let mut script = Script::new().with_file("a", &[1; 10]);
    let write = script.write("a", 0, &[2; 10]);
    script.op(crate::trace::FileOp::Nothing { file: Some(script.id("a")) });
    only_in(&script, &[(write, What::All)], &ALL);
}

#[test]
fn a_name_that_is_durable_takes_along_what_happened_to_it_before() {
    let mut script = Script::new().with_dir("d").with_file("d/a", &[1; 10]).with_file("b", &[2]);
    let gone = script.unlink("d/a");
    // The rename's going from the root needs its coming to d, and that the name was free.
    script.rename("b", "d/a");
    script.fsync("");
    durable_in(&script, gone, What::All, &ALL);
}
