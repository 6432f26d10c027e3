//! `unplug store`, as people use it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `unplug store` with these arguments.
fn store(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command.arg("store").args(arguments).stdin(Stdio::null());
    command.output().expect("unplug starts")
}

/// What it printed, if it ended with this exit code.
fn expect(arguments: &[&str], code: i32) -> String {
    let output = store(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn pairs_are_put_got_scanned_and_removed() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("s");
    let dir = text(&dir);
    assert_eq!(expect(&["put", dir, "b", "two words"], 0), "");
    expect(&["put", dir, "a", "1"], 0);
    expect(&["put", dir, "ab", "\u{1}"], 0);
    assert_eq!(expect(&["get", dir, "b"], 0), "two words");
    assert_eq!(expect(&["get", dir, "none"], 1), "");
    assert_eq!(expect(&["scan", dir], 0), "a\t1\nab\t\\x01\nb\ttwo words\n");
    assert_eq!(expect(&["scan", dir, "a", "--keys"], 0), "a\nab\n");
    expect(&["del", dir, "a", "ab"], 0);
    assert_eq!(expect(&["scan", dir, "--keys"], 0), "b\n");
    let stats = expect(&["stats", dir], 0);
    assert!(
        stats.contains("keys           1\n") && stats.contains("frames         4\n"),
        "{stats}"
    );
    expect(&["checkpoint", dir], 0);
    let stats: serde_json::Value =
        serde_json::from_str(&expect(&["stats", dir, "--json"], 0)).unwrap();
    assert_eq!(stats["totals"]["checkpoints"], 1);
    assert!(stats["totals"]["syncs"].as_u64() >= Some(4) && stats["checkpoint"].is_u64());
}

#[test]
fn a_value_comes_from_standard_input() {
    let place = tempfile::tempdir().unwrap();
    let dir = text(place.path());
    let value = vec![0xfe; 100_000];
    let mut child = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["store", "put", dir, "k", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&value).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(store(&["get", dir, "k"]).stdout, value);
}

#[test]
fn the_log_is_printed_readably() {
    let place = tempfile::tempdir().unwrap();
    let dir = text(place.path());
    expect(&["put", dir, "key", "value"], 0);
    expect(&["del", dir, "key"], 0);
    expect(&["checkpoint", dir], 0);
    let frames = expect(&["frames", dir, "--ops"], 0);
    for part in ["put key = value (5 bytes)", "del key", "committed", "checkpointed"] {
        assert!(frames.contains(part), "{frames}");
    }
    assert_eq!(expect(&["frames", dir], 0).lines().count(), 3);
    let last = expect(&["frames", dir], 0).lines().last().unwrap().trim().to_string();
    let position = last.split_whitespace().next().unwrap();
    assert_eq!(expect(&["frames", dir, "--from", position], 0).trim(), last);
}

#[test]
fn damage_is_located_refused_and_opened_on_request() {
    let place = tempfile::tempdir().unwrap();
    let dir = text(place.path());
    for n in 0..5 {
        expect(&["put", dir, &format!("key{n}"), "value"], 0);
    }
    assert!(expect(&["verify", dir], 0).starts_with("sound: 5 keys, 5 frames"));
    let segment = place.path().join("log-0000000000000000");
    let mut bytes = std::fs::read(&segment).unwrap();
    let (length, at) = (bytes.len(), 64 + (bytes.len() - 64) / 5 * 2 + 10);
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let found = expect(&["verify", dir], 1);
    let offset = 64 + (length - 64) / 5 * 2;
    assert!(
        found.contains(&format!("log-0000000000000000 is damaged at byte {offset}")),
        "{found}"
    );
    let refused = store(&["scan", dir]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--salvage") && said.contains("synced up to"), "{said}");
    let salvaged = store(&["scan", dir, "--keys", "--salvage"]);
    assert_eq!(String::from_utf8(salvaged.stdout).unwrap(), "key0\nkey1\n");
    assert!(String::from_utf8(salvaged.stderr).unwrap().contains("lost-log-"));
    expect(&["verify", dir], 0);
}

#[test]
fn snapshots_go_to_a_file_and_to_a_directory_and_come_back() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_string();
    expect(&["put", &path("a"), "k", "v"], 0);
    expect(&["put", &path("a"), "large", &"x".repeat(90_000)], 0);
    assert!(expect(&["export", &path("a"), &path("file")], 0).starts_with("exported 2 keys"));
    expect(&["export", &path("a"), &path("parts/")], 0);
    expect(&["import", &path("b"), &path("file")], 0);
    expect(&["import", &path("c"), &path("parts")], 0);
    let whole = expect(&["scan", &path("a")], 0);
    assert_eq!(expect(&["scan", &path("b")], 0), whole);
    assert_eq!(expect(&["scan", &path("c")], 0), whole);
    expect(&["import", &path("b"), &path("file")], 2);
}

#[test]
fn input_that_cannot_be_used_exits_2_and_is_named() {
    let place = tempfile::tempdir().unwrap();
    let nowhere = place.path().join("none");
    for arguments in [
        vec!["get", text(&nowhere), "k"],
        vec!["verify", text(&nowhere)],
        vec!["frames", text(&nowhere)],
        vec!["put", text(place.path()), "", "v"],
        vec!["import", text(place.path()), text(&nowhere)],
    ] {
        let output = store(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    assert!(!nowhere.exists());
}

/// A store with a file of each sort in it, and their names.
fn whole_store(dir: &Path) -> Vec<String> {
    let large = "v".repeat(70_000);
    expect(&["put", text(dir), "a", "1"], 0);
    expect(&["put", text(dir), "large", &large], 0);
    expect(&["checkpoint", text(dir)], 0);
    expect(&["put", text(dir), "b", "2"], 0);
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for sort in ["MARK", "log-", "checkpoint-", "value-"] {
        assert!(names.iter().any(|name| name.starts_with(sort)), "{names:?}");
    }
    names
}

/// What may be done with a store, by the arguments behind its directory; what changes it comes last.
const ACTIONS: [(&str, &[&str]); 8] = [
    ("verify", &[]),
    ("frames", &[]),
    ("get", &["large"]),
    ("scan", &[]),
    ("stats", &[]),
    ("put", &["k", "v"]),
    ("del", &["large"]),
    ("checkpoint", &[]),
];

#[test]
fn what_is_no_file_of_the_store_itself_is_refused_by_name_and_nothing_outside_changes() {
    for kind in ["a link", "a second name", "a folder", "a fifo"] {
        for nth in 0.. {
            let place = tempfile::tempdir().unwrap();
            let (dir, outside) = (place.path().join("s"), place.path().join("outside"));
            let names = whole_store(&dir);
            let Some(name) = names.get(nth) else { break };
            let path = dir.join(name);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::rename(&path, &outside).unwrap();
            match kind {
                "a link" => std::os::unix::fs::symlink(&outside, &path).unwrap(),
                "a second name" => std::fs::hard_link(&outside, &path).unwrap(),
                "a folder" => std::fs::create_dir(&path).unwrap(),
                _ => {
                    let made = Command::new("mkfifo").arg(&path).status().unwrap();
                    assert!(made.success());
                }
            }
            let mut refused = false;
            for (action, rest) in ACTIONS {
                let output = store(&[&[action, text(&dir)], rest].concat());
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let about = format!("{name} as {kind}, {action}: {said}");
                assert!(matches!(output.status.code(), Some(0..=2)), "{about}");
                assert_eq!(std::fs::read(&outside).unwrap(), bytes, "{about}");
                refused |= output.status.code() == Some(2) && said.contains(&**name);
            }
            assert!(refused, "{name} as {kind} is never refused");
        }
    }
}

#[test]
fn a_size_that_no_store_has_is_refused_and_takes_no_memory() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("s");
    for name in whole_store(&dir).into_iter().filter(|name| name != "MARK") {
        let path = dir.join(&name);
        let size = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let output = store(&["scan", text(&dir)]);
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(0) {
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            assert!(said.contains(&name) && said.contains("1099511627776 bytes"), "{said}");
        }
        file.set_len(size).unwrap();
    }
    assert_eq!(expect(&["get", text(&dir), "b"], 0), "2");
}

#[test]
fn a_full_standard_output_is_said() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("s");
    whole_store(&dir);
    for action in ["scan", "stats", "verify", "frames"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
        let output = command.args(["store", action, text(&dir)]).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{action}: {said}");
        assert!(said.contains("standard output"), "{said}");
    }
}
