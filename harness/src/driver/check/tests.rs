//! Drivers that keep the protocol, and one for each way of breaking it.

use super::*;
use std::time::Duration;

fn run(program: &[&str]) -> Checked {
    let root = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(20);
    let target = Target::new("test", program.iter().copied());
    check(&target, Timeouts { open: limit, op: limit }, root.path()).unwrap()
}

fn example(name: &str) -> String {
    format!("{}/drivers/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn available(program: &str) -> bool {
    std::process::Command::new(program).arg("--version").output().is_ok()
}

#[track_caller]
fn holds(checked: &Checked) {
    assert!(checked.holds(), "{:?}", checked.points.last());
    assert_eq!(checked.points.len(), 13);
}

#[test]
fn the_shell_driver_keeps_the_protocol() {
    holds(&run(&["sh", &example("files.sh")]));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_python_driver_keeps_the_protocol() {
    if !available("python3") {
        eprintln!("skipped: there is no python3");
        return;
    }
    holds(&run(&["python3", &example("sqlite3_driver.py")]));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_c_driver_keeps_the_protocol() {
    if !available("cc") {
        eprintln!("skipped: there is no cc");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("append_log");
    let program = program.to_str().unwrap();
    let compiled = std::process::Command::new("cc")
        .args(["-O2", "-Wall", "-Werror", "-o", program, &example("append_log.c")])
        .status();
    assert!(compiled.unwrap().success());
    holds(&run(&[program]));
}

#[test]
fn the_example_drivers_are_short() {
    for name in ["sqlite3_driver.py", "append_log.c", "files.sh"] {
        let lines = std::fs::read_to_string(example(name)).unwrap().lines().count();
        assert!(lines < 100, "{name}: {lines}");
    }
}

#[test]
fn each_point_fails_for_a_driver_that_gets_it_wrong() {
    let memory = r#"pairs=""; while read -r id word a b rest; do case $word in
        open) echo "ack $id" ;;
        put) pairs="$pairs$a $b|"; echo "ack $id" ;;
        dump) echo "ack $id" ;;
        *) echo "ack $id" ;; esac; done"#;
    let point = |script: &str| {
        let checked = run(&["sh", "-c", script]);
        let last = checked.points.last().cloned().unwrap();
        (last.name.to_string(), last.wrong.unwrap_or_default())
    };
    let (name, wrong) = point(memory);
    assert!(name.starts_with("put"), "{name}");
    assert!(wrong.contains("should be Some(4) and is None"), "{wrong}");
    let (name, wrong) = point("read a; echo ack 1 order=perfect");
    assert!(name.starts_with("open") && wrong.contains("order=perfect"), "{wrong}");
    let (name, wrong) = point("read a; echo ack 1; read a; echo ack 7");
    assert!(name.starts_with("dump") && wrong.contains("no request 7"), "{wrong}");
    let (name, wrong) = point("read a; echo hello");
    assert!(name.starts_with("open") && wrong.contains("hello"), "{wrong}");
    let (_, wrong) = point("exit 9");
    assert!(wrong.contains("status 9"), "{wrong}");
}
