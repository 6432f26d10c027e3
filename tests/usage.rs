//! Usage and unusable input through the command line: exit code 2, and a message that names what is
//! wrong and what was expected. A program that does not run without any fault is 3.

#[allow(dead_code)]
mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use support::Place;

#[test]
fn wrong_arguments_exit_2_and_name_the_option() {
    let place = Place::new();
    let cases: [(&[&str], &str); 20] = [
        (&[], "Usage"),
        (&["run", "--faults", "fire"], "expected one of kill, power, media, io"),
        (&["run", "--profile", "zfs"], "expected one of ext4, xfs, btrfs, strict"),
        (&["run", "--ops", "0"], "--ops: 0 is not in"),
        (&["run", "--value-size", "0..9"], "--value-size"),
        (&["run", "--budget", "soon"], "expected a time such as"),
        (&["run", "no-such-engine"], "no engine `no-such-engine`"),
        (&["run", "--budget", "1s", "--cases", "1"], "cannot be used with"),
        (&["run", "--"], "nothing after `--`"),
        (&["run", "--out", "/dev/null"], "--out /dev/null: no folder for reports can be made"),
        (&["driver", "no-such-engine"], "no engine is called `no-such-engine`"),
        (&["run", "builtn"], "did you mean `builtin`?"),
        (&["run", "--", "no-such-program"], "no-such-program: no such program on PATH"),
        (&["run", "--", "/no/such/program"], "/no/such/program: No such file"),
        (&["run", "--", "./README.md"], "./README.md: not executable"),
        (&["run", "--", "/tmp"], "/tmp: a directory; expected a program"),
        (
            &["run", "--workload", "w {dri}", "--check", "true"],
            "workload: {dri} is not known; did you mean {dir}?",
        ),
        (&["run", "--workload", "w x", "--check", "true"], "workload: expected {dir}"),
        (&["replay", "/no/such/file.json"], "/no/such/file.json: cannot be read"),
        (&["replay", "/proc/self/mem"], "unplug: /proc/self/mem: cannot be read"),
    ];
    for (arguments, message) in cases {
        place.run(arguments).exits(2).says(message);
    }
    assert!(place.leftovers().is_empty() && !place.out().exists());
}

#[test]
fn audit_does_not_offer_what_it_refuses() {
    let place = Place::new();
    let offers = |command: &str| {
        let help = place.run(&[command, "--help"]);
        help.exits(0);
        help.stdout.contains("--workload <CMD>") || help.stdout.contains("--check <CMD>")
    };
    assert!(offers("run") && !offers("audit"));
    place
        .run(&["audit", "--workload", "w {dir}", "--check", "true"])
        .exits(2)
        .says("a whole program");
}

#[test]
fn a_scenario_that_cannot_be_used_exits_2_and_names_file_and_field() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.json");
    let good = r#"{"unplug":1,"target":{"engine":"redb"},"expect":{"outcome":"held"}}"#;
    let cases = [
        ("{", "not a JSON object"),
        (&good.replace(":1", ":9"), "unplug: version 9: expected 1"),
        (&good.replace("redb", "nosuch"), "no engine `nosuch`"),
        (&good.replace("held", "fine"), "expect.outcome: `fine`: expected one of held"),
        (&good.replace("}}", "},\"colour\":1}"), "unknown field `colour`"),
        (&good.replace("{\"engine\":\"redb\"}", "{}"), "bad.json: target: "),
        (&good.replace("}}", "},\"options\":{\"ops\":\"many\"}}"), "bad.json: options.ops: invalid type"),
        (
            &good.replace(
                "}}",
                r#"},"case":{"capabilities":"","strike":{"fault":"media","history":{"operations":[]},
                "base":"../../etc","killed":false,"damages":[]}}}"#,
            ),
            "expected a path below the scenario's folder",
        ),
    ];
    for (text, message) in cases {
        std::fs::write(&path, text).unwrap();
        place.run(&["replay", path.to_str().unwrap()]).exits(2).says("bad.json").says(message);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_no_panic() {
    let place = Place::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = place.unplug(&["list", "engines"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains("standard output: cannot be written to") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn a_report_is_written_and_read_through_no_link() {
    let place = Place::new();
    place.torture(&["--faults", "power", "--cases", "20", "--ops", "9"]).exits(0);
    let run = place.only_run();
    let outside = place.out().with_file_name("outside");
    for name in ["index.html", "junit.xml"] {
        std::fs::write(&outside, "precious").unwrap();
        std::fs::remove_file(run.join(name)).unwrap();
        std::os::unix::fs::symlink(&outside, run.join(name)).unwrap();
        place.run(&["report", run.to_str().unwrap()]).exits(0);
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "precious", "{name}");
        assert!(std::fs::symlink_metadata(run.join(name)).unwrap().is_file(), "{name}");
    }
    std::fs::rename(run.join("report.json"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, run.join("report.json")).unwrap();
    place.run(&["report", run.to_str().unwrap()]).exits(2).says("`report.json` leads through");
    std::fs::remove_file(run.join("report.json")).unwrap();
    place.run(&["report", run.to_str().unwrap()]).exits(2).says("the file `report.json`: No such");
}

#[test]
fn a_driver_of_which_only_one_can_run_is_told_so() {
    let place = Place::new();
    let lock = tempfile::NamedTempFile::new().unwrap();
    let driver = env!("CARGO_BIN_EXE_unplug");
    let path = lock.path().to_str().unwrap();
    place
        .torture(&["--cases", "9", "--", "flock", "-n", path, driver, "driver", "builtin"])
        .exits(3)
        .says("cannot open a store while another one holds another store");
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_driver_that_cannot_be_run_without_any_fault_is_no_verdict() {
    let not_elf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(not_elf.path(), [0, 1, 2, 3]).unwrap();
    std::fs::set_permissions(not_elf.path(), Permissions::from_mode(0o755)).unwrap();
    let not_elf = not_elf.into_temp_path();
    let cases: [(&[&str], &str); 3] = [
        (&["false"], "setup failed: an empty store was opened and closed"),
        (&[not_elf.to_str().unwrap()], "it exited with status 127"),
        (&["sh", "-c", "echo hello; cat"], "expected ack, err, refused, have or warn: `hello`"),
    ];
    for (program, message) in cases {
        let place = Place::new();
        let arguments = [&["--"], program].concat();
        place.torture(&arguments).exits(3).says(message).says("help: unplug driver-check -- ");
        assert_eq!(place.report()["outcome"], "setup-failed");
        assert!(place.leftovers().is_empty());
    }
}

#[test]
fn lists_name_what_there_is() {
    let place = Place::new();
    place.run(&["list", "engines"]).exits(0).says("redb");
    place.run(&["list", "profiles"]).exits(0).says("strict");
    place.run(&["list", "faults"]).exits(0).says("media");
    place.run(&["--help"]).exits(0).says("replay");
}

#[test]
fn a_workload_that_prints_without_end_is_ended_and_said_so() {
    for (program, most) in [("yes", "1000000 lines"), ("yes | tr -d '\\n'", "16 MiB in one line")] {
        let place = Place::new();
        let workload = format!("echo x > {{dir}}/x; {program}");
        let ran = place.torture(&["--workload", &workload, "--check", "true"]);
        ran.exits(4).says(&format!("the workload prints more than {most}"));
        assert!(place.leftovers().is_empty() && place.processes().is_empty());
    }
}

#[test]
fn a_workload_that_promises_nothing_or_stores_nothing_is_not_measured() {
    for (workload, why) in [
        ("echo x > {dir}/x", "nothing was promised"),
        ("echo {dir}", "the program left nothing that could be lost"),
    ] {
        let place = Place::new();
        place.torture(&["--workload", workload, "--check", "true"]).exits(4).says(why);
    }
}

#[test]
fn a_parent_that_ignores_its_children_is_no_fault_of_the_store() {
    let place = Place::new();
    let (unplug, out) = (env!("CARGO_BIN_EXE_unplug"), place.out());
    let ignoring = "trap '' CHLD; exec \"$@\"";
    let options = ["--faults", "power", "--cases", "60", "--ops", "9"];
    let ran = std::process::Command::new("sh")
        .args(["-c", ignoring, "sh", unplug, "run", "--out", out.to_str().unwrap()])
        .args(options)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn control_characters_of_names_and_answers_reach_no_terminal_and_no_page() {
    const STORE: &str = r#"
name=$(printf 'log\033[31m\nred')
while read -r id word a b rest; do
  case $word in
    open) dir=$a; f=$dir/$name; [ -e "$f" ] || : > "$f"; printf 'warn \033[32mgreen\n'; echo "ack $id reopen" ;;
    put) echo "$a $b" >> "$f"; echo "ack $id" ;;
    dump) awk '{ v[$1] = $2 } END { for (k in v) print k, v[k] }' "$f" |
            while read -r k v; do echo "have $id $k $v"; done
          echo "ack $id" ;;
    *) echo "ack $id" ;;
  esac
done
"#;
    let place = Place::new();
    let options = ["--faults", "power", "--cases", "400", "--ops", "9", "--value-size", "1..40"];
    let ran = place.torture(&[&options[..], &["--", "sh", "-c", STORE]].concat());
    ran.exits(1).says("write puts into log\\x1b[31m\\nred can be lost");
    let text = ran.stdout + &ran.stderr;
    let mut pages = vec![text];
    for name in ["index.html", "junit.xml", "report.json"] {
        pages.push(std::fs::read_to_string(place.only_run().join(name)).unwrap());
    }
    for page in pages {
        let raw = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!page.contains(raw), "{page}");
    }
}
