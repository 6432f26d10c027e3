//! The layout is held by this test: who may import whom, which rooms are pure, that every file says
//! what lives there. The table is the one in docs/ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms of the harness, low to high: a room imports only from the rows before its own.
const ROWS: [&[&str]; 10] = [
    &["base"],
    &["workload", "trace", "persistence"],
    &["driver", "scenario", "image"],
    &["explore", "media", "record"],
    &["recover"],
    &["oracle"],
    &["shrink", "diagnose"],
    &["fault"],
    &["campaign"],
    &["report"],
];

/// Within a row only these: what is traced are requests, and effects are made of events.
const SISTERS: [(&str, &str); 3] =
    [("trace", "workload"), ("persistence", "trace"), ("persistence", "workload")];

/// Rooms without file system, process, clock, network or environment.
const PURE: [&str; 8] =
    ["workload", "trace", "persistence", "explore", "media", "oracle", "shrink", "diagnose"];

/// What a pure room must not name.
const IMPURE: [&str; 7] = ["fs", "process", "time", "env", "net", "thread", "io"];

#[test]
fn rooms_of_the_harness_import_only_downward() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("harness/src")) {
        let room = room_of(&file, "harness/src");
        let text = code(&file);
        for used in names_after(&text, "crate::") {
            if row(&used).is_some() && !may_import(&room, &used) {
                wrong.push(format!("{}: {room} imports {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_of_the_harness_is_in_the_table() {
    for file in rust_files(&root().join("harness/src")) {
        let room = room_of(&file, "harness/src");
        assert!(room == "lib" || row(&room).is_some(), "{}: no such room", file.display());
    }
}

#[test]
fn the_harness_never_depends_on_the_root_crate_and_the_store_on_neither() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("harness/src")) {
        if !names_after(&code(&file), "unplug::").is_empty() {
            wrong.push(format!("{}: the harness uses the root crate", file.display()));
        }
    }
    for file in rust_files(&root().join("src/store")) {
        let text = code(&file);
        if text.contains("unplug_harness") {
            wrong.push(format!("{}: the store uses the harness", file.display()));
        }
        let others = names_after(&text, "crate::");
        for other in others.iter().filter(|name| ["cli", "engines"].contains(&name.as_str())) {
            wrong.push(format!("{}: the store uses {other}", file.display()));
        }
    }
    for file in rust_files(&root().join("src/engines")) {
        if names_after(&code(&file), "crate::").contains("cli") {
            wrong.push(format!("{}: an engine uses the command line", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_touch_no_file_system_process_clock_or_environment() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("harness/src")) {
        let room = room_of(&file, "harness/src");
        if !PURE.contains(&room.as_str()) || is_test_file(&file) {
            continue;
        }
        let text = code(&file);
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        // A length of time is a number; reading a clock is not.
        let text = &text.replace("use std::time::Duration;", "");
        let used = names_after(text, "std::");
        for name in used.iter().filter(|name| IMPURE.contains(&name.as_str())) {
            wrong.push(format!("{}: {room} is pure and uses std::{name}", file.display()));
        }
        // `std::os::unix::ffi` turns names into bytes; the rest of `std::os` is the system.
        for foreign in ["os::fd", "unix::fs", "unix::net", "unix::process"] {
            if text.contains(foreign) {
                wrong.push(format!("{}: {room} is pure and uses {foreign}", file.display()));
            }
        }
        for foreign in ["nix::", "libc::", "tempfile::"] {
            if !names_after(text, foreign).is_empty() {
                wrong.push(format!("{}: {room} is pure and uses {foreign}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_lives_there() {
    let mut wrong = Vec::new();
    for folder in ["src", "harness/src", "tests", "benches"] {
        for file in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !text.starts_with("//!") {
                wrong.push(file.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "no `//!` at the head of {}", wrong.join(", "));
}

#[test]
fn the_checks_above_see_what_they_look_for() {
    let text = "use crate::{fault::{Context, x}, oracle};\nlet a = crate::trace::Event;";
    let names: Vec<String> = names_after(text, "crate::").into_iter().collect();
    assert_eq!(names, ["fault", "oracle", "trace"]);
    assert!(!may_import("base", "workload") && !may_import("scenario", "image"));
    assert!(!may_import("workload", "trace") && !may_import("fault", "campaign"));
    assert!(may_import("trace", "workload") && may_import("report", "base"));
    assert!(may_import("oracle", "oracle"));
    assert_eq!(names_after("use std::{fmt, fs::File};", "std::").len(), 2);
}

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

fn may_import(room: &str, used: &str) -> bool {
    // The root of the crate declares the rooms and imports none.
    room == used || row(used) < row(room) || SISTERS.contains(&(room, used))
}

/// The first path segments after `prefix`, also inside a brace group directly after it.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut name) = (0, String::new());
            let mut take = |name: &mut String| {
                names.extend(
                    Some(first_word(&std::mem::take(name))).filter(|word| !word.is_empty()),
                );
            };
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => take(&mut name),
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            take(&mut name);
        } else {
            names.insert(first_word(rest));
        }
    }
    names
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// A file's text without comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test_file(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.contains("test") || file.components().any(|part| part.as_os_str() == "tests")
}

/// `harness/src/oracle/verdict.rs` is in `oracle`, `harness/src/oracle.rs` too.
fn room_of(file: &Path, below: &str) -> String {
    let relative = file.strip_prefix(root().join(below)).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
