//! What the tests of the recorder share: C programs made on the spot, the comparison of a replayed
//! trace with the directory that the program left.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use unplug_harness::driver::Target;
use unplug_harness::record::{RecordOptions, Recording, record};
use unplug_harness::trace::replay::{Replayed, replay};
use unplug_harness::trace::{EventKind, Trace};

/// Compiles `tests/programs/NAME.c` into `folder`.
pub fn compile(folder: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(format!("{name}.c"));
    let program = folder.join(name);
    let status = Command::new("cc")
        .args(["-O1", "-g", "-Wall", "-pthread", "-o"])
        .arg(&program)
        .arg(&source)
        .args(flags)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "{name}.c does not compile");
    program
}

/// Runs `argv` under the recorder to its end.
pub fn run(argv: &[&std::ffi::OsStr], options: &RecordOptions) -> Recording {
    let target = Target::new("test", argv.iter().map(|word| word.to_string_lossy().into_owned()));
    let mut options = options.clone();
    // A busy machine is no hang.
    options.timeouts.op = std::time::Duration::from_secs(120);
    let (recording, ()) = record(&target, &options, |_, _| Ok(())).expect("recorded");
    recording
}

/// What is on disk, in the form of a replayed tree.
#[derive(Debug, PartialEq, Eq)]
pub enum OnDisk {
    /// A file: the first path with the same inode, and the bytes.
    File(Vec<u8>, Vec<u8>),
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// Anything else.
    Special,
}

/// The directory as it stands.
pub fn on_disk(root: &Path) -> BTreeMap<Vec<u8>, OnDisk> {
    let (mut found, mut first) = (BTreeMap::new(), BTreeMap::new());
    let mut folders = vec![root.to_path_buf()];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("listed").path();
            if path.symlink_metadata().expect("there").is_dir() {
                folders.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort_by_key(|path| {
        path.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec()
    });
    for path in paths {
        let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec();
        let data = path.symlink_metadata().expect("there");
        let kind = data.file_type();
        let node = if kind.is_dir() {
            OnDisk::Dir
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&path).expect("a link");
            OnDisk::Symlink(target.as_os_str().as_bytes().to_vec())
        } else if kind.is_file() {
            let same = first.entry(data.ino()).or_insert_with(|| name.clone()).clone();
            OnDisk::File(same, std::fs::read(&path).expect("read"))
        } else {
            assert!(kind.is_fifo() || kind.is_socket(), "{path:?}");
            OnDisk::Special
        };
        found.insert(name, node);
    }
    found
}

/// The trace replayed with everything surviving, in the same form.
pub fn replayed(trace: &Trace) -> BTreeMap<Vec<u8>, OnDisk> {
    let mut first = BTreeMap::new();
    let tree = replay(trace).unwrap_or_else(|wrong| {
        panic!("event {}: {}: {:?}", wrong.event, wrong.why, trace.events.get(wrong.event))
    });
    tree.into_iter()
        .map(|(path, node)| {
            let node = match node {
                Replayed::File(id, bytes) => {
                    let bytes = bytes.read(0, bytes.len() as usize);
                    OnDisk::File(first.entry(id).or_insert_with(|| path.clone()).clone(), bytes)
                }
                Replayed::Dir => OnDisk::Dir,
                Replayed::Symlink(target) => OnDisk::Symlink(target),
                Replayed::Special => OnDisk::Special,
            };
            (path, node)
        })
        .collect()
}

/// Fails unless the replayed trace is the directory.
pub fn assert_true(recording: &Recording, root: &Path) {
    let (told, there) = (replayed(&recording.trace), on_disk(root));
    for (path, node) in &there {
        let name = path.escape_ascii().to_string();
        match (told.get(path), node) {
            (None, _) => panic!("{name} is on disk and not in the trace"),
            (Some(OnDisk::File(link, bytes)), OnDisk::File(their_link, their_bytes)) => {
                assert_eq!(bytes.len(), their_bytes.len(), "the size of {name}");
                let wrong = bytes.iter().zip(their_bytes).position(|(a, b)| a != b);
                assert_eq!(wrong, None, "the first wrong byte of {name}");
                assert_eq!(link, their_link, "the hard links of {name}");
            }
            (Some(told), there) => assert_eq!(told, there, "{name}"),
        }
    }
    for path in told.keys() {
        assert!(there.contains_key(path), "{} is only in the trace", path.escape_ascii());
    }
}

/// The names of the traced calls, in order.
pub fn calls(trace: &Trace) -> Vec<String> {
    let call = |kind: &EventKind| match kind {
        EventKind::Call(call) => Some(call.name.to_string()),
        _ => None,
    };
    trace.events.iter().filter_map(|event| call(&event.kind)).collect()
}

/// Processes whose program lies in `folder` and has this name.
pub fn running(folder: &Path, name: &str) -> Vec<String> {
    let program = folder.join(name);
    let processes = std::fs::read_dir("/proc").expect("listed").filter_map(Result::ok);
    processes
        .filter(|entry| {
            std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
