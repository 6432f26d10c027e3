//! Which errors a call can really return for a fault of the disk or of the machine, from the manual
//! pages: what a planned failure may choose from, and what a disk that stays broken goes on to break.
//! Errors that only a wrong program gets (EBADF, EINVAL) are not here.

use libc::{EDQUOT, EFBIG, EINTR, EIO, EMFILE, ENFILE, ENOSPC, EOPNOTSUPP, EROFS};

/// The errors of one call, by its name.
pub fn errors_of(name: &str) -> &'static [i32] {
    match name {
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
            &[EIO, ENOSPC, EDQUOT, EINTR, EFBIG]
        }
        "sendfile" | "splice" => &[EIO, ENOSPC, EDQUOT],
        "copy_file_range" => &[EIO, ENOSPC, EDQUOT, EFBIG],
        "ioctl" => &[EIO, ENOSPC, EDQUOT, EOPNOTSUPP],
        "fallocate" => &[EIO, ENOSPC, EDQUOT, EINTR, EFBIG, EOPNOTSUPP],
        "ftruncate" | "truncate" => &[EIO, EINTR, EFBIG, EROFS],
        "fsync" | "fdatasync" => &[EIO, ENOSPC, EDQUOT],
        "msync" | "syncfs" => &[EIO],
        "sync_file_range" => &[EIO, ENOSPC],
        name if is_open(name) => &[EMFILE, ENFILE, EINTR, EROFS, ENOSPC, EDQUOT, EIO],
        "mkdir" | "mkdirat" | "mknod" | "mknodat" | "symlink" | "symlinkat" | "link" | "linkat"
        | "rename" | "renameat" | "renameat2" => &[EIO, ENOSPC, EDQUOT, EROFS],
        "unlink" | "unlinkat" | "rmdir" => &[EIO, EROFS],
        "read" | "pread64" | "readv" | "preadv" | "preadv2" => &[EIO, EINTR],
        "getdents" | "getdents64" => &[EIO],
        "close" => &[EIO, ENOSPC, EDQUOT],
        _ => &[],
    }
}

/// Calls that can be cut short: they return how many bytes they moved.
pub fn can_be_short(name: &str) -> bool {
    matches!(
        name,
        "write"
            | "pwrite64"
            | "writev"
            | "pwritev"
            | "pwritev2"
            | "sendfile"
            | "splice"
            | "copy_file_range"
            | "read"
            | "pread64"
            | "readv"
            | "preadv"
            | "preadv2"
    )
}

/// Calls that open a file by its name, and may make it.
pub fn is_open(name: &str) -> bool {
    matches!(name, "open" | "openat" | "openat2" | "creat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::calls::{CALLS, Class};

    /// `sync` returns nothing; `bind` makes a node that no image holds.
    #[test]
    fn every_modelled_or_looking_call_can_fail_but_those_that_cannot() {
        for (name, class) in CALLS {
            let counted = matches!(class, Class::Modelled(_) | Class::Observed);
            let failing = counted && !matches!(*name, "sync" | "bind");
            assert_eq!(!errors_of(name).is_empty(), failing, "{name}");
        }
    }
}
