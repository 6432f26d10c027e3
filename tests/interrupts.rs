//! A run ends soon after SIGINT and SIGTERM, whatever its driver does and wherever it stands, and nothing
//! of it stays behind. The drivers are shell scripts that do something nasty at one place; they leave a mark
//! when they have come to it. No test here measures time: a run that does not end fails by a watchdog.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Place, Ran};

/// Keeps pairs in one file. `$1` runs at each `open` and `$2` at each `put`, with `$dir` set; `mark` leaves the
/// mark, and `traced` is true where the calls of this process are recorded.
const STORE: &str = r#"
at_open="$1"; at_put="$2"; mark="$3"
mark() { : > "$mark"; }
traced() { grep -q 'TracerPid:.*[1-9]' /proc/self/status; }
while read -r id word a b rest; do
  case $word in
    open) dir=$a; eval "$at_open"; echo "ack $id durable=none kill=ack" ;;
    put) echo "$a $b" >> $dir/pairs; eval "$at_put"; echo "ack $id" ;;
    dump) [ -f "$dir/pairs" ] && while read -r k v; do echo "$k $v"; done < "$dir/pairs" |
            awk '{ v[$1] = $2 } END { for (k in v) print k, v[k] }' |
            while read -r k v; do echo "have $id $k $v"; done
          echo "ack $id" ;;
    *) echo "ack $id" ;;
  esac
done
"#;

/// A run of the store with these faults.
struct Nasty {
    place: Place,
    mark: PathBuf,
    command: Command,
}

impl Nasty {
    fn new(options: &[&str], at_open: &str, at_put: &str) -> Self {
        let place = Place::new();
        let mark = place.out().with_file_name("mark");
        let (out, marked) = (place.out(), mark.display().to_string());
        let mut arguments = vec!["run", "--out", out.to_str().unwrap(), "--ops", "12"];
        arguments.extend(["--value-size", "1..40", "--threads", "1"]);
        arguments.extend(options);
        arguments.extend(["--", "sh", "-c", STORE, "sh", at_open, at_put, &marked]);
        let command = place.unplug(&arguments);
        Self { place, mark, command }
    }

    /// Starts it and waits until the driver has come to its place.
    fn start(&mut self) -> Child {
        let child = self.command.spawn().unwrap();
        let mark = self.mark.clone();
        wait_until("the driver comes to its place", Duration::from_secs(120), || mark.exists());
        child
    }

    /// Interrupts it there: it must end, and leave nothing.
    #[track_caller]
    fn ends_after(&mut self, signal: Signal) {
        let mut child = self.start();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        watch_over(&mut child);
        Ran::of(child.wait_with_output().unwrap()).exits(130);
        self.leaves_nothing();
    }

    #[track_caller]
    fn leaves_nothing(&self) {
        let left = (self.place.processes(), self.place.leftovers());
        assert!(left.0.is_empty() && left.1.is_empty(), "{left:?}");
    }
}

/// Waits until the run is over; one that hangs is killed, and with it the test.
#[track_caller]
fn watch_over(child: &mut Child) {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(120) {
            // It may be stopped, and everything below it with it.
            let pid = Pid::from_raw(child.id() as i32);
            let _ = kill(pid, Signal::SIGCONT);
            child.kill().unwrap();
            panic!("the run did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const HANGS: &str = "mark; trap '' INT TERM HUP; sleep 1000; sleep 1000";

#[test]
fn the_control_ends_while_its_driver_hangs() {
    Nasty::new(&["--faults", "kill"], HANGS, "").ends_after(Signal::SIGINT);
}

#[test]
fn a_recording_ends_while_its_driver_hangs() {
    let hangs = format!("traced && {{ {HANGS}; }}");
    Nasty::new(&["--faults", "power"], "", &hangs).ends_after(Signal::SIGTERM);
}

#[test]
fn the_io_fault_ends_in_the_middle_of_slow_recordings() {
    // Each answer comes, and a recording of all of them takes far longer than anybody waits.
    let slow = "traced && { mark; sleep 4; }";
    Nasty::new(&["--faults", "io"], "", slow).ends_after(Signal::SIGINT);
}

#[test]
fn a_failing_run_of_the_io_fault_ends_while_its_driver_hangs() {
    // The status of the write: it fails in a run with a failing call alone.
    let hangs = format!("[ $? -ne 0 ] && {{ {HANGS}; }}");
    Nasty::new(&["--faults", "io"], "", &hangs).ends_after(Signal::SIGTERM);
}

#[test]
fn a_recovery_ends_while_its_driver_hangs() {
    for (fault, folder) in [("power", "/recover-"), ("kill", "/kill-"), ("media", "/media-")] {
        let hangs = format!("case $dir in *{folder}*) {HANGS} ;; esac");
        Nasty::new(&["--faults", fault, "--timeout-open", "500s"], &hangs, "")
            .ends_after(Signal::SIGINT);
    }
}

#[test]
fn slow_recoveries_end_wherever_the_run_stands() {
    // The 3rd, 30th and 90th recovery: the database's own name, the visits, what comes after them.
    for nth in [3, 30, 90] {
        let slow = format!(
            "case $dir in *recover-*) echo >> $mark.count; \
             [ $(wc -l < $mark.count) -ge {nth} ] && {{ mark; sleep 3; }} ;; esac"
        );
        Nasty::new(&["--faults", "power", "--cases", "400"], &slow, "").ends_after(Signal::SIGTERM);
    }
}

#[test]
fn a_replay_ends_while_its_driver_hangs() {
    let mut nasty = Nasty::new(&[], "", "");
    let scenario = nasty.place.out().with_file_name("scenario.json");
    let mark = nasty.mark.display().to_string();
    let target = serde_json::json!({"program": ["sh", "-c", STORE, "sh", HANGS, "", mark]});
    let text = serde_json::json!({
        "unplug": 1,
        "target": target,
        "options": {"faults": ["kill"], "cases": 5},
        "expect": {"outcome": "held"},
    });
    std::fs::write(&scenario, text.to_string()).unwrap();
    // Its mark is outside of what a replayed program may write to.
    let replay = ["replay", "--unconfined", scenario.to_str().unwrap()];
    nasty.command = nasty.place.unplug(&replay);
    nasty.ends_after(Signal::SIGINT);
}

/// Stops its parent each time: its keeper, or whatever stands in for one.
const STOPS: &str = "kill -STOP $PPID; mark";

#[test]
fn a_driver_that_stops_its_parent_stops_nobody() {
    for fault in ["kill", "power", "media", "io"] {
        let options = ["--faults", fault, "--cases", "12", "--writers", "1"];
        let mut nasty = Nasty::new(&options, STOPS, "");
        let mut child = nasty.start();
        watch_over(&mut child);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(matches!(ran.code, Some(0 | 1 | 4)), "{fault}: {ran:?}");
        nasty.leaves_nothing();
    }
}

#[test]
fn whoever_is_stopped_goes_with_unplug_when_it_is_killed() {
    for (fault, hook) in [
        ("kill", format!("{STOPS}; sleep 1000")),
        ("power", format!("traced && {{ {STOPS}; sleep 1000; }}")),
    ] {
        let mut nasty = Nasty::new(&["--faults", fault], "", &hook);
        let mut child = nasty.start();
        child.kill().unwrap();
        child.wait().unwrap();
        nasty.leaves_nothing();
    }
}

#[test]
fn an_interrupt_ends_a_run_whose_keeper_is_stopped() {
    let hook = format!("{STOPS}; sleep 1000");
    Nasty::new(&["--faults", "kill"], &hook, "").ends_after(Signal::SIGINT);
}

/// The scripts above are what they are said to be.
#[test]
fn the_store_of_these_tests_is_an_honest_one() {
    let mut nasty = Nasty::new(&["--faults", "kill", "--cases", "12"], "mark", "");
    let mut child = nasty.start();
    watch_over(&mut child);
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
    assert!(Path::new(&nasty.mark).exists());
}

#[test]
fn a_kill_of_the_whole_process_group_leaves_no_folder_however_early_it_comes() {
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    let out = place.out();
    let arguments = ["run", "--faults", "power", "--out", out.to_str().unwrap()];
    for nth in 0..40u64 {
        let mut child = place.unplug(&arguments).process_group(0).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(1000 * nth));
        let group = Pid::from_raw(-(child.id() as i32));
        kill(group, if nth % 2 == 0 { Signal::SIGKILL } else { Signal::SIGHUP }).unwrap();
        child.wait().unwrap();
    }
    assert!(place.processes().is_empty() && place.leftovers().is_empty());
}
