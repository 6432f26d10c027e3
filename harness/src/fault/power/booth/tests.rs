//! Whose recoveries are recorded in one process: drivers of a few lines of shell.

use super::*;
use crate::driver::{Capabilities, Target, Timeouts};

/// Notes its process and how many stores it had in `process`; what it does besides is given.
const DRIVER: &str = r#"
n=0
while read -r id word dir rest; do case $word in
    open) n=$((n + 1)); store=$dir; echo "$$ $n" > "$store/process"
          BESIDES
          echo "ack $id reopen" ;;
    *) echo "ack $id" ;;
esac; done
"#;

/// The processes and the counts of three recoveries.
fn processes(besides: &str, bundled: bool) -> Vec<(String, String)> {
    let root = tempfile::tempdir().unwrap();
    let script = DRIVER.replace("BESIDES", besides);
    let target = Target { bundled, ..Target::new("shell", ["sh", "-c", &script]) };
    let capabilities = Capabilities { reopen: true, ..Capabilities::default() };
    let timeouts = Timeouts::default();
    let studio = Studio {
        target: &target,
        capabilities: &capabilities,
        root: root.path(),
        timeouts,
        brief: None,
        seed: 1,
    };
    let mut booth = Booth::new(studio);
    let take = |name: &str| {
        let mut image = Image::empty();
        image.put(name, b"before");
        let take = booth.recovery(&image).unwrap();
        assert!(matches!(take.recovery, Recovery::Opened(_)), "{:?}", take.recovery);
        assert_eq!(take.recorded.blind, [""; 0]);
        assert!(take.recorded.left.file(std::path::Path::new(name)).is_some());
        let text = take.recorded.left.file(std::path::Path::new("process")).unwrap().bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let (process, count) = text.trim().split_once(' ').unwrap();
        (process.to_owned(), count.to_owned())
    };
    ["one", "two", "three"].map(take).to_vec()
}

#[test]
fn a_bundled_driver_is_started_once() {
    let all = processes(":", true);
    assert!(all.iter().all(|(process, _)| *process == all[0].0), "{all:?}");
    // The first was recorded twice.
    let counts: Vec<&str> = all.iter().map(|(_, count)| &**count).collect();
    assert_eq!(counts, ["1", "3", "4"]);
}

#[test]
fn a_program_that_is_not_ours_has_a_process_for_each_recovery() {
    let all = processes(":", false);
    assert!(all.iter().all(|(_, count)| count == "1"), "{all:?}");
}

#[test]
fn so_has_a_driver_that_does_otherwise_with_its_second_store_or_does_not_stay() {
    for besides in [": > \"$store/again$n\"; [ $n = 1 ] || : > \"$store/more\"", "sleep 60 &"] {
        let all = processes(besides, true);
        assert!(all.iter().all(|(_, count)| count == "1"), "{besides}: {all:?}");
    }
    // A name may count.
    let all = processes(": > \"$store/again$n\"", true);
    assert_eq!(all[1].1, "3");
}
