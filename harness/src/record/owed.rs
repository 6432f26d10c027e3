//! Errors that other descriptors are owed. A file system tells of pages that it could not write to each
//! descriptor that was open then, once: the next fsync or fdatasync of each fails as well, though it
//! writes what it has to (fsync(2), "Since Linux 4.16"; `errseq_t` in the kernel). One that was opened
//! later is told nothing, and neither is a duplicate of one that was told.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;

use libc::{c_int, pid_t};

/// A descriptor of a process.
pub type Descriptor = (pid_t, c_int);

/// KCMP_FILE of kcmp(2).
const KCMP_FILE: c_int = 0;

/// Which descriptors fail at their next sync.
#[derive(Debug, Default)]
pub struct Owed(BTreeSet<Descriptor>);

impl Owed {
    /// A sync of `failed` failed: every other open file description of that file in these processes is
    /// owed the same.
    pub fn owe(&mut self, failed: Descriptor, processes: impl IntoIterator<Item = pid_t>) {
        let Some(file) = identity(failed) else { return };
        for process in processes {
            let others = descriptors(process).into_iter().map(|fd| (process, fd));
            let same_file = others.filter(|other| identity(*other) == Some(file));
            self.0.extend(same_file.filter(|other| is_another(failed, *other)));
        }
    }

    /// True if this descriptor is owed an error; it is told now.
    pub fn tell(&mut self, descriptor: Descriptor) -> bool {
        self.0.remove(&descriptor)
    }

    /// The descriptor is a new one.
    pub fn forget(&mut self, descriptor: Descriptor) {
        self.0.remove(&descriptor);
    }
}

fn identity((process, fd): Descriptor) -> Option<(u64, u64)> {
    let status = std::fs::metadata(format!("/proc/{process}/fd/{fd}")).ok()?;
    Some((status.dev(), status.ino()))
}

/// What a process has open; nothing where it is gone.
fn descriptors(process: pid_t) -> Vec<c_int> {
    let listing = std::fs::read_dir(format!("/proc/{process}/fd"));
    let names = listing.into_iter().flatten().filter_map(io::Result::ok);
    names.filter_map(|entry| number(&entry.file_name())).collect()
}

fn number(name: &OsStr) -> Option<c_int> {
    name.to_str()?.parse().ok()
}

/// True if these are surely two open file descriptions. A kernel without kcmp(2) does not say.
fn is_another(a: Descriptor, b: Descriptor) -> bool {
    // SAFETY: kcmp takes five plain numbers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, a.0, b.0, KCMP_FILE, a.1, b.1) };
    order > 0
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn each_description_of_the_file_is_told_once_and_a_duplicate_shares_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let failed = File::create(&path).unwrap();
        let duplicate = failed.try_clone().unwrap();
        let (other, third) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        let elsewhere = File::create(temp.path().join("g")).unwrap();
        let me = std::process::id() as pid_t;
        let at = |file: &File| (me, file.as_raw_fd());
        let mut owed = Owed::default();
        owed.owe(at(&failed), [me]);
        for file in [&failed, &duplicate, &elsewhere] {
            assert!(!owed.tell(at(file)));
        }
        assert!(owed.tell(at(&other)));
        assert!(!owed.tell(at(&other)), "told once");
        owed.forget(at(&third));
        assert!(!owed.tell(at(&third)));
    }
}
