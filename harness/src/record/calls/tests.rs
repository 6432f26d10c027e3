//! Every system call of Linux is either modelled or named.

use std::collections::BTreeSet;

use super::*;
use crate::record::arch;

#[test]
fn every_system_call_stands_in_exactly_one_row() {
    let mut seen = BTreeSet::new();
    for name in CALLS.iter().map(|(name, _)| *name).chain(HARMLESS.iter().copied()) {
        assert!(seen.insert(name), "{name} stands twice");
        assert!(arch::number(name).is_some(), "{name} is no system call");
    }
    for (_, name) in arch::SYSTEM_CALLS {
        assert!(seen.contains(name), "{name} is not classified");
    }
}

#[test]
fn the_table_of_numbers_is_ascending_and_agrees_with_the_system_header() {
    assert!(arch::SYSTEM_CALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
    let Ok(text) = std::fs::read_to_string(header) else { return };
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("#define __NR_") else { continue };
        let (name, number) = rest.split_once(' ').expect("name and number");
        let number: u64 = number.trim().parse().expect("a number");
        assert_eq!(arch::name(number), Some(name));
    }
}

/// Every call of Linux that changes a file's bytes, names, size or durability, from the manual
/// pages and not from the table above: each must be modelled or named unmodelled.
#[test]
fn every_file_changing_call_is_modelled_or_named_unmodelled() {
    let changing = "write pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range open \
        openat openat2 creat truncate ftruncate fallocate mkdir mkdirat rmdir unlink unlinkat \
        rename renameat renameat2 link linkat symlink symlinkat mknod mknodat bind fsync \
        fdatasync msync sync syncfs sync_file_range ioctl setxattr lsetxattr fsetxattr \
        setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr \
        open_by_handle_at madvise remap_file_pages";
    for name in changing.split_whitespace() {
        assert!(
            matches!(class(name), Some(Modelled(_) | Unmodelled(_))),
            "{name} is {:?}",
            class(name)
        );
    }
    // Those that change files by a way of their own: watched, or refused outright.
    for name in ["mmap", "io_submit", "io_uring_enter", "acct", "mount"] {
        assert!(matches!(class(name), Some(Watched(_))), "{name}");
    }
    for name in ["io_uring_setup", "io_setup"] {
        assert_eq!(class(name), Some(Refused));
    }
}
