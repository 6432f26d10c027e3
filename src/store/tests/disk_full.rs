//! A disk that is really full: a limit on file size that the kernel enforces, in a process of its
//! own, and a tiny memory file system where the machine lets us mount one.

use std::process::Command;

use super::*;
use crate::store::WriteError;

const CHILD: &str = "UNPLUG_TEST_FULL_DISK";

/// Fills a store until it refuses, checks that it goes on serving, and that it writes again.
fn fill_until_refused(dir: &Path, make_room: impl FnOnce()) {
    let options = Options { segment_bytes: 1 << 30, ..options() };
    let (store, _) = Store::open(dir, options).unwrap();
    let mut held = Contents::new();
    let error = loop {
        let n = held.len() as u64;
        match store.put(&key(n), &value(n, 1000)) {
            Ok(_) => drop(held.insert(key(n), value(n, 1000))),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::Io(_)), "{error}");
    assert!(held.len() > 10);
    assert_eq!(contents(&store), held, "reading goes on");
    assert!(store.put(b"again", &value(1, 5000)).is_err());
    assert!(store.put(b"large", &value(1, 500_000)).is_err());
    make_room();
    store.put(b"small", b"fits").unwrap();
    held.insert(b"small".to_vec(), b"fits".to_vec());
    assert_eq!(contents(&store), held);
    drop(store);
    let store = open_whole(dir);
    assert_eq!(contents(&store), held);
}

#[test]
fn a_file_size_limit_of_the_kernel_loses_nothing_and_writing_resumes() {
    if let Some(dir) = std::env::var_os(CHILD) {
        // In the child: the log can grow to 64 KiB and no further; what still fits is written.
        return fill_until_refused(Path::new(&dir), || {});
    }
    let dir = tempdir();
    let test = "store::tests::disk_full::a_file_size_limit_of_the_kernel_loses_nothing_and_writing_resumes";
    let status = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"$1\" --test-threads 1"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
    assert!(snapshot(dir.path()).values().all(|bytes| bytes.len() <= 64 << 10));
}

#[test]
fn a_full_file_system_loses_nothing_and_writing_resumes_when_there_is_room() {
    let dir = tempdir();
    let mount = |args: &[&str]| Command::new("mount").args(args).arg(dir.path()).output();
    let mounted = mount(&["-t", "tmpfs", "-o", "size=256k", "none"])
        .is_ok_and(|output| output.status.success());
    if !mounted {
        // A test that cannot be done says so.
        #[allow(clippy::print_stderr)]
        let () = eprintln!(
            "SKIPPED: no tmpfs can be mounted here (that needs root); the disk was not filled"
        );
        return;
    }
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, vec![0; 64 << 10]).unwrap();
    let store = dir.path().join("store");
    let result = std::panic::catch_unwind(|| {
        fill_until_refused(&store, || fs::remove_file(&ballast).unwrap());
    });
    let unmounted = Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}
