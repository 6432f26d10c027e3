//! Which file system a folder is on.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file systems that have a name here, by the kernel's number.
const NAMES: [(i64, &str); 9] = [
    (0x0102_1994, "tmpfs"),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x794c_7630, "overlayfs"),
    (0xf2f5_2010, "f2fs"),
    (0x2fc1_2fc1, "zfs"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
];

/// The name of the file system of a folder.
pub fn name(folder: &Path) -> String {
    let Ok(stat) = nix::sys::statfs::statfs(folder) else { return "unknown".into() };
    let kind = stat.filesystem_type().0;
    let known = NAMES.iter().find(|(number, _)| *number == kind);
    known.map_or_else(|| format!("{kind:#x}"), |(_, name)| (*name).to_owned())
}

/// True if two folders are on two file systems.
pub fn differ(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|data| data.dev()).ok();
    device(one) != device(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_one_file_system_and_proc_on_another() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!differ(folder.path(), folder.path()));
        assert!(differ(folder.path(), Path::new("/proc")));
        assert!(!name(folder.path()).is_empty());
        assert_eq!(name(Path::new("/proc")), "0x9fa0");
    }
}
